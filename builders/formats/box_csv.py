"""Boxes from a CSV file: one row per box, or a row that states that there is none.

Beside the columns of `csv_file` there are a column of classes (`label`, `class` or `category`) and four of
numbers in pixels, called as in `csv_file.BOX_COLUMNS`: corner, width and height, or two corners. A row
without the four numbers states that its picture has no object of its class; without a class too, no object
of any.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from rise_bench.annotations.boxes.values import Box
from rise_bench.builders.formats.box_table import BoxPicture, BoxTable
from rise_bench.builders.formats.coco_json import REPEATED_BOX
from rise_bench.builders.formats.csv_file import (
    FILE_COLUMNS,
    LABEL_COLUMNS,
    OPTIONAL_COLUMNS,
    box_columns,
    csv_records,
    split_of,
)
from rise_bench.builders.formats.problems import Problems
from rise_bench.builders.formats.uncertain import uncertain_rows
from rise_bench.builders.formats.unused_columns import unused_columns
from rise_bench.errors import DataError

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)


def read_box_csv(path: Path, classes: tuple[str, ...] = (), problems: Problems | None = None) -> BoxTable:
    """Read a CSV file of boxes.

    Args:
        path: UTF-8 file with a header.
        classes: Class names in order; if empty, the sorted ones of the rows.
        problems: Takes what is wrong with a row; raised when None.

    Raises:
        DataError: If the file has another layout, or a row is wrong; names the line.
    """
    problems = problems or Problems()
    records = csv_records(path, classes, problems)
    columns = _columns(path, list(records[0][1]))
    label = columns[1]
    unused = unused_columns(path, records, {*columns, *OPTIONAL_COLUMNS} & records[0][1].keys(), boxes=True)
    classes = classes or tuple(sorted({record[label] for _, record in records} - {""}))
    if not classes:
        raise DataError(f"{path} names no class; fill the column {label!r}, or name them with --classes")
    by_file: defaultdict[str, list[tuple[str, dict[str, str]]]] = defaultdict(list)
    for where, record in records:
        by_file[record[columns[0]]].append((where, record))
    pictures: list[BoxPicture] = []
    repeated: list[str] = []
    for file, rows in by_file.items():
        with problems:
            pictures.append(_picture(file, rows, columns, classes, repeated))
    drops = {REPEATED_BOX: repeated} if repeated else {}
    return BoxTable(path, pictures, classes, drops, unused, uncertain_rows(records, unused))


def _columns(path: Path, header: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of the file, the class and the box."""
    file = next((name for name in FILE_COLUMNS if name in header), None)
    if file is None:
        raise DataError(f"{path}: columns {header} name no image; call that column one of {FILE_COLUMNS}")
    labels = [name for name in LABEL_COLUMNS if name in header]
    if len(labels) != 1:
        raise DataError(
            f"{path}: {len(labels)} columns name the class of a box; keep one of {', '.join(LABEL_COLUMNS)}"
        )
    if "question" in header:
        raise DataError(f"{path}: rows of boxes have no questions; remove the column and write --question")
    return file, labels[0], *box_columns(header)


def _picture(
    file: str,
    rows: Sequence[tuple[str, Mapping[str, str]]],
    columns: Sequence[str],
    classes: tuple[str, ...],
    repeated: list[str],
) -> BoxPicture:
    """Gather the rows of a picture; the places of repeated ones are appended to `repeated`."""
    where, first = rows[0]
    boxes: dict[str, tuple[Box, ...]] = {}
    absent: dict[str, str] = {}
    for place, record in rows:
        for name in ("split", "license"):
            if record.get(name) != first.get(name):
                raise DataError(f"{place}: {name} is another than in {where}; write the same for {file}")
        label, box = record[columns[1]], _box(record, columns[2:], place)
        if label and label not in classes:
            raise DataError(f"{place}: unknown class {label!r}; expected one of {', '.join(classes)}")
        if box and not label:
            raise DataError(f"{place}: the box has no class; write its {columns[1]}")
        if box and box in boxes.get(label, ()):
            repeated.append(place)
        elif box:
            boxes[label] = (*boxes.get(label, ()), box)
        else:
            absent |= dict.fromkeys([label] if label else classes, place)
    if both := boxes.keys() & absent.keys():
        name = min(both)
        raise DataError(f"{absent[name]}: says that {file} has no {name}, and another row has one; remove it")
    boxes |= dict.fromkeys(absent, ())
    order = {name: boxes[name] for name in classes if name in boxes}
    split = split_of(first["split"], where) if "split" in first else ""
    return BoxPicture(file, order, where, split=split, license=first.get("license", ""))


def _box(record: Mapping[str, str], columns: Sequence[str], where: str) -> Box | None:
    """Return the box of a row; None where its cells are empty."""
    cells = [record[name] for name in columns]
    if not any(cells):
        return None
    for name, cell in zip(columns, cells, strict=True):
        if not _NUMBER.fullmatch(cell):
            raise DataError(
                f"{where}: {name} is {cell!r}; write a number of pixels, or leave all of "
                f"{', '.join(columns)} empty where there is no object"
            )
    x, y, third, fourth = map(float, cells)
    box = (x, y, third, fourth) if columns[2] in ("w", "width") else (x, y, third - x, fourth - y)
    if box[2] <= 0 or box[3] <= 0:
        raise DataError(f"{where}: the box has no area; write a width and a height above 0, or remove it")
    return box
