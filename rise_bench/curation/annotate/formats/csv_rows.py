"""CSV, as `build custom` reads it: a row for each box in pixels, or the shares of the classes of a picture.

Pictures without an annotation have no row; those where nothing was found have one without numbers.
"""

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rise_bench.curation.annotate.records import AnnotatedPicture, AnnotationRun, Answer
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
        return "class", "x", "y", "width", "height", "box_confidence"
    return run.labels if run.has_shares else ("annotation",)


def _cells(run: AnnotationRun, answer: Answer) -> Iterator[tuple[object, ...]]:
    assert answer.annotation is not None
    if run.has_boxes:
        boxes = [(label, *(round(side, 2) for side in box), share) for label, box, share in run.boxes(answer)]
        yield from boxes or [(answer.category or run.labels[0], "", "", "", "", "")]
    elif run.has_shares:
        yield tuple(run.kind.shares(answer.annotation).values())
    else:
        yield (run.kind.render(answer.annotation),)
