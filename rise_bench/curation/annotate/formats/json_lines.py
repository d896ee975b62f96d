"""JSON lines: one for each answer, with all that is known of it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rise_bench.curation.annotate.records import AnnotatedPicture, AnnotationRun, Answer, Picture
from rise_bench.files.atomic import atomic_text_file

NAME = "annotations.jsonl"


@contextmanager
def write(folder: Path, run: AnnotationRun) -> Iterator[Callable[[AnnotatedPicture], None]]:
    """Open `annotations.jsonl`."""
    with atomic_text_file(folder / NAME) as file:

        def add(picture: AnnotatedPicture) -> None:
            for answer in picture.answers:
                file.write(json.dumps(line_of(run, picture.picture, answer), ensure_ascii=False) + "\n")

        yield add


def line_of(run: AnnotationRun, picture: Picture, answer: Answer) -> dict[str, Any]:
    """Return an answer as JSON values; the annotation as `AnnotationKind.to_json` writes it."""
    fields = asdict(picture) | {name: getattr(answer, name) for name in Answer.__slots__}
    annotation = answer.annotation
    shares = {} if annotation is None else run.kind.shares(annotation)
    return fields | {
        "question": run.question,
        "annotation": None if annotation is None else run.kind.to_json(annotation),
        **({"label": run.label(answer), "shares": shares} if shares else {}),
    }


def answer_of(run: AnnotationRun, line: dict[str, Any]) -> tuple[Picture, Answer]:
    """Inverse of `line_of`."""
    stated = line["annotation"]
    annotation = None if stated is None else run.kind.from_json(stated, run.spec.classes)
    fields = {name: line[name] for name in Answer.__slots__}
    answer = Answer(**fields | {"annotation": annotation, "parts": tuple(line["parts"])})
    return Picture(**{name: line[name] for name in Picture.__slots__}), answer
