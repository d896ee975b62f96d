"""Boxes or choices of an export of Label Studio: its JSON, a list of tasks.

Boxes are in per cent of the picture. Where several people chose, their shares are the probabilities.
"""

import re
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from rise_bench.builders.formats.box_collector import BoxCollector, FoundBox
from rise_bench.builders.formats.box_table import BoxTable
from rise_bench.builders.formats.label_table import LabelRow, LabelTable
from rise_bench.builders.formats.picture_files import is_picture
from rise_bench.builders.formats.problems import Problems
from rise_bench.builders.formats.studio_pictures import Address, TaskPictures, read_address
from rise_bench.errors import DataError
from rise_bench.files.strict_json import StrictJsonError, loads

#: Reasons under which tasks are left out.
NOT_ANNOTATED = "nobody has annotated the task"
NO_CHOICE = "the annotation chooses no class"

_OTHER_SHAPES = re.compile(r"(polygon|brush|ellipse|keypoint|vector|magicwand|bitmask|rectangle)(labels)?")


def read_label_studio(
    source: Path, annotations: Path, classes: tuple[str, ...] = (), problems: Problems | None = None
) -> BoxTable | LabelTable:
    """Read an export of Label Studio.

    Args:
        source: Folder of the pictures.
        annotations: The JSON (not JSON-MIN).
        classes: Class names in order; if empty, the sorted ones of the annotations.
        problems: Takes what is wrong with a task; raised when None.

    Returns:
        Boxes; classes if the annotations are choices.

    Raises:
        DataError: The file is not such JSON, a picture is missing, or an annotation is wrong; names the task.
    """
    problems = problems or Problems()
    tasks = _tasks(annotations)
    _refuse_unreviewed(tasks, annotations)
    types = {str(part.get("type")) for task in tasks for results in _results(task) for part in results}
    boxes = any(_OTHER_SHAPES.fullmatch(kind) for kind in types - {"choices"})
    if boxes and "choices" in types:
        raise DataError(
            f"{annotations} has regions and choices, either of which could be the ground truth; export one"
        )
    _refuse_several_questions(tasks, annotations)
    pictures = _pictures(source, tasks)
    if "choices" in types:
        return _choices(tasks, classes, pictures, problems, annotations)
    collector = BoxCollector(annotations, classes)
    for position, task in enumerate(tasks):
        with problems:
            where = _where(task, position, annotations)
            file, results = _picture(task, pictures, where), _results(task)
            if not results:
                collector.leave_out(NOT_ANNOTATED, file)
                continue
            if len(results) > 1:
                raise DataError(
                    f"{where}: it has {len(results)} annotations; mark one as ground truth, or delete the "
                    "others"
                )
            collector.add(file, _boxes(results[0], where), where, _size(results[0], where))
    return collector.table()


def _tasks(path: Path) -> list[Mapping[str, Any]]:
    try:
        tasks = loads(path.read_bytes().removeprefix(BOM_UTF8))
    except StrictJsonError as error:
        raise DataError(f"{path} is not JSON ({error}); export it again") from error
    if not isinstance(tasks, list) or not tasks:
        raise DataError(
            f"{path} is an empty list, neither an export of Label Studio nor COCO, which begins with {{ and "
            "has images, annotations and categories; export it again"
        )
    for position, task in enumerate(tasks):
        where = _where(task if isinstance(task, dict) else {}, position, path)
        if isinstance(task, dict) and "bbox" in task:
            raise DataError(
                f"{where}: a list of detections does not say which picture an image_id is; give the COCO "
                "file with images, annotations and categories"
            )
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
            raise DataError(f"{where}: it has no data, as in an export of JSON-MIN; export it as JSON")
        for annotation in _list(task, "annotations"):
            parts = annotation.get("result") if isinstance(annotation, dict) else None
            if not isinstance(parts, list) or not all(
                isinstance(part, dict) and isinstance(part.get("value", {}), dict) for part in parts
            ):
                raise DataError(f"{where}: an annotation has no result; export it as JSON")
    return tasks


def _where(task: Mapping[str, Any], position: int, path: Path) -> str:
    name = f"task {task['id']}" if "id" in task else f"task number {position + 1} of the list"
    return f"{path.name} {name}"


def _list(task: Mapping[str, Any], key: str) -> list[Any]:
    value = task.get(key)
    return value if isinstance(value, list) else []


def _results(task: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """Return the results of a task's annotations: of those marked as ground truth, if there are any."""
    done = [entry for entry in _list(task, "annotations") if not entry.get("was_cancelled")]
    return [entry["result"] for entry in ([e for e in done if e.get("ground_truth")] or done)]


def _parts(task: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the regions and choices of a task's annotations."""
    return [
        part
        for results in _results(task)
        for part in results
        if part.get("type") == "choices" or _OTHER_SHAPES.fullmatch(str(part.get("type")))
    ]


def _refuse_several_questions(tasks: Sequence[Mapping[str, Any]], path: Path) -> None:
    parts = [part for task in tasks for part in _parts(task) if part.get("type") == "choices"]
    asked = sorted({str(part["from_name"]) for part in parts if "from_name" in part})
    if len(asked) > 1:
        raise DataError(
            f"{path} has choices of several controls ({', '.join(asked)}), and only one of them can be the "
            "ground truth; export a project with that one"
        )


def _pictures(source: Path, tasks: Sequence[Mapping[str, Any]]) -> TaskPictures:
    return TaskPictures(source, filter(None, map(_address, tasks)))


def _address(task: Mapping[str, Any]) -> Address | None:
    """Return the address of the picture that a task shows; None if its data have none."""
    return next(iter(_addresses(task).values()), None)


def _addresses(task: Mapping[str, Any]) -> dict[str, Address]:
    """Return the addresses in the data of a task by their keys; one that its annotations name comes first."""
    texts = {key: value for key, value in task["data"].items() if isinstance(value, str)}
    addresses = {key: read_address(text) for key, text in texts.items()}
    pictures = [key for key, at in addresses.items() if any(is_picture(Path(path)) for path in at.paths)]
    first = [*(name for name in _shown(task) if name in pictures), *({"image"} & addresses.keys())]
    return {key: addresses[key] for key in dict.fromkeys([*first, *pictures])}


def _shown(task: Mapping[str, Any]) -> list[str]:
    """Return the names of the pictures that a task's annotations are of, as its interface calls them."""
    return sorted({str(part["to_name"]) for part in _parts(task) if "to_name" in part})


def _picture(task: Mapping[str, Any], pictures: TaskPictures, where: str) -> str:
    addresses, shown = _addresses(task), _shown(task)
    if not addresses:
        raise DataError(
            f"{where}: its data name no picture ({', '.join(task['data']) or 'empty'}); add image"
        )
    if len(shown) > 1 or any(part.get("item_index") for part in _parts(task)):
        raise DataError(
            f"{where}: its annotations are of several pictures of a task ({', '.join(shown)}); make a task "
            "of each picture"
        )
    names = [PurePosixPath(address.paths[0]).name for address in addresses.values()]
    same = all(name.endswith(names[0]) or names[0].endswith(name) for name in names)
    if shown and shown[0] not in addresses and not same:
        raise DataError(
            f"{where}: its data name several pictures ({', '.join(addresses)}), and the export does not say "
            f"which of them {shown[0]!r} is; leave only that one in the data"
        )
    return pictures.find(next(iter(addresses.values())), where)


def _size(results: Sequence[Mapping[str, Any]], where: str) -> tuple[int, int] | None:
    sizes = {
        (_number(part, "original_width", where), _number(part, "original_height", where))
        for part in results
        if "original_width" in part
    }
    if len(sizes) > 1:
        raise DataError(f"{where}: its regions are of pictures of {len(sizes)} sizes; annotate it again")
    return next(((int(width), int(height)) for width, height in sizes), None)


def _boxes(results: Sequence[Mapping[str, Any]], where: str) -> Iterator[FoundBox]:
    for position, part in enumerate(results, 1):
        kind, value = str(part.get("type")), part.get("value", {})
        if not _OTHER_SHAPES.fullmatch(kind):
            continue  # a text, a rating
        place = f"{where} region {position}"
        if kind != "rectanglelabels":
            raise DataError(f"{place}: it is of type {kind}; draw rectangles with RectangleLabels")
        labels = value.get("rectanglelabels")
        if not isinstance(labels, list) or len(labels) != 1 or not isinstance(labels[0], str):
            raise DataError(f"{place}: its labels are {labels!r}; choose one class")
        if value.get("rotation") or part.get("image_rotation"):
            raise DataError(f"{place}: the box or its picture is rotated; draw an upright box")
        width, height = (_number(part, f"original_{side}", place) / 100 for side in ("width", "height"))
        x, y, w, h = (_number(value, side, place) for side in ("x", "y", "width", "height"))
        yield FoundBox(labels[0], (x * width, y * height, w * width, h * height), place)


def _number(part: Mapping[str, Any], key: str, where: str) -> float:
    value = part.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:
        raise DataError(f"{where}: {key} is {value!r}, expected a number; export it again")
    return float(value)


def _choices(
    tasks: Sequence[Mapping[str, Any]],
    classes: tuple[str, ...],
    pictures: TaskPictures,
    problems: Problems,
    path: Path,
) -> LabelTable:
    votes: dict[str, tuple[str, list[str]]] = {}
    drops: dict[str, list[str]] = {NOT_ANNOTATED: [], NO_CHOICE: []}
    for position, task in enumerate(tasks):
        with problems:
            where = _where(task, position, path)
            file, results = _picture(task, pictures, where), _results(task)
            chosen = [name for result in results if (name := _choice(result, where))]
            if file in votes:
                raise DataError(
                    f"{where}: {file} was annotated in {votes[file][0]} before; remove one of the two"
                )
            if chosen:
                votes[file] = where, chosen
            else:
                drops[NO_CHOICE if results else NOT_ANNOTATED].append(file)
    classes = classes or tuple(sorted({name for _, names in votes.values() for name in names}))
    rows = []
    for file, (where, names) in votes.items():
        with problems:
            if unknown := sorted(set(names) - set(classes)):
                raise DataError(
                    f"{where}: unknown class {unknown[0]!r}; expected one of {', '.join(classes)}"
                )
            counts = Counter(names)
            probs = tuple(counts[name] / len(names) for name in classes)
            rows.append(LabelRow(file, probs, "", "", "", where))
    return LabelTable(rows, classes, all(1.0 in row.probs for row in rows), drops)


def _choice(results: Sequence[Mapping[str, Any]], where: str) -> str:
    """Return the class that an annotation chooses; empty if it chooses none."""
    parts = [part.get("value", {}).get("choices") for part in results if part.get("type") == "choices"]
    names = [name for part in parts for name in (part if isinstance(part, list) else [part])]
    if len(names) > 1 or not all(isinstance(name, str) for name in names):
        raise DataError(f"{where}: it chooses {len(names)} classes ({names!r}); choose one")
    return names[0] if names else ""


def _refuse_unreviewed(tasks: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Refuse tasks that hold only what a model said."""
    predicted = sum(bool(_list(task, "predictions")) for task in tasks)
    if predicted and not any(_list(task, "annotations") for task in tasks):
        raise DataError(
            f"{path}: {predicted} of {len(tasks)} tasks have predictions and none has annotations; import "
            "the file into Label Studio, review it there, and export it"
        )
