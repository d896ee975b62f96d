"""Formats of other tools, one file each; `FORMATS` has them by name."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from rise_bench.curation.annotate.formats import coco_json, csv_rows, json_lines, label_studio, yolo_text
from rise_bench.curation.annotate.records import AnnotatedPicture, AnnotationRun

Writer = Callable[[Path, AnnotationRun], AbstractContextManager[Callable[[AnnotatedPicture], None]]]


@dataclass(frozen=True, slots=True)
class Format:
    """A format.

    Attributes:
        write: Opens its file in a folder, and gives the function that adds a picture; the file is there when
            the block ends without an error.
        file: Name of the file or folder.
        only_boxes: Whether it holds nothing but boxes.
    """

    write: Writer
    file: str
    only_boxes: bool = False


FORMATS: Mapping[str, Format] = {
    "label-studio": Format(label_studio.write, label_studio.TASKS_NAME),
    "coco": Format(coco_json.write, coco_json.NAME, only_boxes=True),
    "yolo": Format(yolo_text.write, yolo_text.NAME, only_boxes=True),
    "csv": Format(csv_rows.write, csv_rows.NAME),
    "jsonl": Format(json_lines.write, json_lines.NAME),
}
