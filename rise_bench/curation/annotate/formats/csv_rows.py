"""CSV, as `build custom` reads it: a row for each box in pixels, or the shares of the classes of a picture.

An outline stands beside the box around it, as JSON.
Pictures without an annotation have no row; those where nothing was found have one without numbers.
"""

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rise_bench.curation.annotate.records import AnnotatedPicture, AnnotationRun, Answer, Part
from rise_bench.files.atomic import atomic_text_file

NAME = "annotations.csv"


@contextmanager
def write(folder: Path, run: AnnotationRun) -> Iterator[Callable[[AnnotatedPicture], None]]:
    """Open `annotations.csv`."""
    with atomic_text_file(folder / NAME) as file:
        rows = csv.writer(file)
        rows.writerow(("file", *_columns(run), "confidence", "reason"))

        def add(picture: AnnotatedPicture) -> None:
            for answer in picture.annotated:
                for cells in _cells(run, answer):
                    rows.writerow((picture.picture.path, *cells, answer.confidence, answer.reason))

        yield add


def _columns(run: AnnotationRun) -> tuple[str, ...]:
    if run.has_boxes:
        outline = ("outline",) if run.has_outlines else ()
        return "class", "x", "y", "width", "height", *outline, "box_confidence"
    return run.labels if run.has_shares else ("annotation",)


def _cells(run: AnnotationRun, answer: Answer) -> Iterator[tuple[object, ...]]:
    assert answer.annotation is not None
    if run.has_boxes:
        rows = [
            (part.label, *(round(side, 2) for side in part.box), *_outline(run, part), part.confidence)
            for part in run.parts(answer)
        ]
        empty = ("",) * (len(_columns(run)) - 1)
        yield from rows or [(answer.category or run.labels[0], *empty)]
    elif run.has_shares:
        yield tuple(run.kind.shares(answer.annotation).values())
    else:
        yield (run.kind.render(answer.annotation),)


def _outline(run: AnnotationRun, part: Part) -> tuple[str, ...]:
    """Points of an outline as JSON, where it says more than the box."""
    points = [[round(x, 2), round(y, 2)] for x, y in part.outline]
    return (json.dumps(points),) if run.has_outlines else ()
