"""Label Studio: tasks with predictions, and the labelling config of their project.

`score` is the confidence, by which the Data Manager sorts. Pictures are named as Label Studio serves local
files: its LOCAL_FILES_DOCUMENT_ROOT is the folder of the pictures.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from rise_bench.annotations.base import Annotation
from rise_bench.annotations.boxes.values import TARGET
from rise_bench.curation.annotate.records import AnnotatedPicture, AnnotationRun, Answer, Picture
from rise_bench.files.atomic import atomic_text_file, atomic_write_text

TASKS_NAME, CONFIG_NAME = "label-studio.json", "label-studio.xml"

#: Names of the controls in the labelling config.
_BOX, _OUTLINE, _LABEL, _TEXT, _REASON = "box", "outline", "label", "annotation", "reason"
_IMAGE = "image"


@contextmanager
def write(folder: Path, run: AnnotationRun) -> Iterator[Callable[[AnnotatedPicture], None]]:
    """Open `label-studio.json`, and write `label-studio.xml` beside it."""
    atomic_write_text(folder / CONFIG_NAME, labelling_config(run))
    with atomic_text_file(folder / TASKS_NAME) as file:
        separator = "[\n"

        def add(picture: AnnotatedPicture) -> None:
            nonlocal separator
            file.write(separator + json.dumps(task_of(run, picture), ensure_ascii=False))
            separator = ",\n"

        yield add
        file.write("\n]\n" if separator == ",\n" else "[]\n")


def labelling_config(run: AnnotationRun) -> str:
    """Return the XML of a project whose annotations these are."""
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Image", name=_IMAGE, value=f"${_IMAGE}")
    if run.has_outlines:
        _choices(view, "PolygonLabels", "Label", _OUTLINE, run.labels)
    elif run.has_boxes:
        _choices(view, "RectangleLabels", "Label", _BOX, run.labels)
    elif run.has_shares:
        _choices(view, "Choices", "Choice", _LABEL, run.labels)
    else:
        ElementTree.SubElement(
            view, "TextArea", name=_TEXT, toName=_IMAGE, editable="true", maxSubmissions="1"
        )
    ElementTree.SubElement(view, "TextArea", name=_REASON, toName=_IMAGE, editable="true", rows="3")
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def _choices(view: ElementTree.Element, tag: str, part: str, name: str, labels: Sequence[str]) -> None:
    control = ElementTree.SubElement(view, tag, name=name, toName=_IMAGE)
    for label in labels:
        ElementTree.SubElement(control, part, value=label)


def task_of(run: AnnotationRun, picture: AnnotatedPicture) -> dict[str, Any]:
    """Return a picture as a task, without predictions where there is no annotation."""
    path = picture.picture.path
    task: dict[str, Any] = {"data": {_IMAGE: f"/data/local-files/?d={quote(path)}", "path": path}}
    if not picture.annotated:
        return task
    results = results_of(run, picture)
    if reasons := run.reasons(picture):
        results.append(_result(_REASON, "textarea", {"text": reasons}) | {"id": "reason"})
    prediction = {"model_version": run.model, "score": picture.confidence, "result": results}
    return task | {"predictions": [prediction]}


def results_of(run: AnnotationRun, picture: AnnotatedPicture) -> list[dict[str, Any]]:
    """Return the annotations of a picture as results, without the reasons."""
    results = [result for answer in picture.annotated for result in _results(run, picture.picture, answer)]
    return [result | {"id": f"r{number}"} for number, result in enumerate(results)]


class UnusableError(Exception):
    """An annotation that was made with the labelling config, and cannot be a label."""


def annotation_of(
    run: AnnotationRun,
    results: Sequence[Mapping[str, Any]],
    width_px: int,
    height_px: int,
    category: str = "",
) -> Annotation | None:
    """Inverse of `results_of` for one answer: the annotation that results state, boxes in pixels.

    A choice is a label that gives everything to one class.

    Args:
        run: Run that the labelling config is of.
        results: Results of one annotation of a task.
        width_px: Width of the picture.
        height_px: Height of the picture.
        category: Class that was asked for.

    Returns:
        The annotation; None if the results state none.

    Raises:
        KeyError, TypeError, ValueError: A result is not of the labelling config.
        UnusableError: A region is of another class, or turned, or a text cannot be read.
    """
    stated = [result for result in results if result["from_name"] in (_BOX, _OUTLINE, _LABEL, _TEXT)]
    values = [result["value"] for result in stated]
    if run.has_boxes:
        _check_regions(stated, category or TARGET)
    if run.has_outlines:
        outlines = [
            [[x / 100 * width_px, y / 100 * height_px] for x, y in value["points"]] for value in values
        ]
        return run.kind.from_json(outlines, run.spec.classes)
    if run.has_boxes:
        sides = (("x", width_px), ("y", height_px), ("width", width_px), ("height", height_px))
        boxes = [[value[name] / 100 * side for name, side in sides] for value in values]
        return run.kind.from_json(boxes, run.spec.classes)
    if not values:
        return None
    if run.has_shares:
        (label,) = values[-1]["choices"]
        shares = [float(name == label) for name in run.spec.classes]
        if not any(shares):
            raise ValueError(f"{label!r} is not a class of {run.spec.name}")
        return run.kind.from_json(shares, run.spec.classes)
    texts = [
        text
        for value in values
        for text in ([value["text"]] if isinstance(value["text"], str) else value["text"])
    ]
    if len(texts) != 1:
        raise UnusableError(f"it has {len(texts)} texts; keep one")
    annotation, reading = run.kind.parse(texts[0], run.spec.classes, True)
    if annotation is None:
        raise UnusableError(f"its text cannot be read ({reading})")
    return annotation


def _check_regions(results: Sequence[Mapping[str, Any]], label: str) -> None:
    for result in results:
        value = result["value"]
        if value.get("rotation"):
            raise UnusableError("a box is rotated, which a label cannot hold")
        if result.get("image_rotation"):
            raise UnusableError("the picture was turned, which the label would not follow")
        if (named := list(value[result["type"]])) != [label]:
            raise UnusableError(
                f"a region is labelled {', '.join(named) or 'nothing'}, and {label} was asked for"
            )


def _results(run: AnnotationRun, picture: Picture, answer: Answer) -> Iterator[dict[str, Any]]:
    assert answer.annotation is not None
    size = {"original_width": picture.width_px, "original_height": picture.height_px, "image_rotation": 0}
    if run.has_outlines:
        for part in run.parts(answer):
            points = [[100 * x / picture.width_px, 100 * y / picture.height_px] for x, y in part.outline]
            value = {"points": points, "closed": True, "polygonlabels": [part.label]}
            yield _result(_OUTLINE, "polygonlabels", value) | size | {"score": part.confidence}
    elif run.has_boxes:
        for part in run.parts(answer):
            x, y, w, h = part.box
            value = {
                "x": 100 * x / picture.width_px,
                "y": 100 * y / picture.height_px,
                "width": 100 * w / picture.width_px,
                "height": 100 * h / picture.height_px,
                "rotation": 0,
                "rectanglelabels": [part.label],
            }
            yield _result(_BOX, "rectanglelabels", value) | size | {"score": part.confidence}
    elif run.has_shares:
        yield _result(_LABEL, "choices", {"choices": [run.label(answer)]})
    else:
        yield _result(_TEXT, "textarea", {"text": [run.kind.render(answer.annotation)]})


def _result(name: str, kind: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"from_name": name, "to_name": _IMAGE, "type": kind, "value": value}
