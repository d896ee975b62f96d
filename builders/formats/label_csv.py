"""Class probabilities or labels of images from a CSV file with a header.

Beside the columns of `csv_file` there is either a column of labels (`label`, `class` or `category`), or one
column of probabilities for each class.
"""

import math
import posixpath
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rise_bench.annotations.distribution.kind import SUM_TOLERANCE
from rise_bench.builders.formats.csv_file import (
    FILE_COLUMNS,
    LABEL_COLUMNS,
    NUMBER,
    OPTIONAL_COLUMNS,
    csv_records,
    split_of,
)
from rise_bench.builders.formats.label_table import LabelRow, LabelTable, one_hot
from rise_bench.builders.formats.problems import Problems
from rise_bench.builders.formats.uncertain import uncertain_rows
from rise_bench.builders.formats.unused_columns import box_columns_help, is_list, unused_columns
from rise_bench.errors import DataError

_BETWEEN = re.compile(r"[,;|/+&]")
_DECIMAL_COMMA = re.compile(r"\d+,\d+", re.ASCII)
_INDEX = re.compile(r"id|index|idx|nr|no|row|unnamed: \d+", re.IGNORECASE)


#: Last columns of the CSV of `rise-bench annotate`, which are no classes.
_ANNOTATE_COLUMNS = ("confidence", "reason")


@dataclass(frozen=True, slots=True)
class _Columns:
    """Roles of the columns of a header; `label` is empty beside probabilities."""

    file: str
    label: str
    others: tuple[str, ...]


def read_label_csv(path: Path, classes: tuple[str, ...] = (), problems: Problems | None = None) -> LabelTable:
    """Read a CSV file.

    Args:
        path: UTF-8 file with a header.
        classes: Class names in order; if empty, those of the header or the labels (sorted).
        problems: Takes what is wrong with a row; raised when None.

    Raises:
        DataError: If the file has another layout, or a row is wrong; names the line.
    """
    problems = problems or Problems()
    records = csv_records(path, classes, problems)
    columns = _columns(path, list(records[0][1]), classes)
    if columns.label:
        labels = {record[columns.label] for _, record in records}
        if not classes:
            with problems:
                _refuse_several(columns.label, [(where, record[columns.label]) for where, record in records])
        classes = classes or tuple(sorted(labels - {""}))
        _refuse_probabilities(path, columns, records)
    else:
        classes = classes or columns.others
    used = {columns.file, columns.label, *OPTIONAL_COLUMNS, *(() if columns.label else classes)}
    unused = unused_columns(path, records, used & records[0][1].keys(), boxes=False)
    with problems:
        _refuse_repeated(path, columns.file, records)
    rows: list[LabelRow] = []
    for where, record in records:
        with problems:
            rows.append(_row(record, columns, classes, where))
    notes = uncertain_rows(records, unused)
    return LabelTable(rows, classes, bool(columns.label), unused=unused, notes=notes)


def _refuse_repeated(path: Path, column: str, records: Sequence[tuple[str, Mapping[str, str]]]) -> None:
    """Refuse several rows of one picture: boxes, questions or annotators, which have other layouts."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for where, record in records:
        places[posixpath.normpath(record[column])].append(where)
    if repeated := [(file, rows) for file, rows in places.items() if file != "." and len(rows) > 1]:
        file, rows = repeated[0]
        others = f", and so do {len(repeated) - 1} more pictures" if len(repeated) > 1 else ""
        raise DataError(
            f"{path}: {file} appears twice ({rows[0]}, {rows[1]}){others}; keep one row per picture. Labels "
            "of several people are given as a column for each class with its share, boxes in the columns "
            f"{box_columns_help()}"
        )


def _refuse_several(column: str, cells: Sequence[tuple[str, str]]) -> None:
    """Refuse cells that hold several labels: lists, or other labels with a sign between them."""
    labels = {cell for _, cell in cells} - {""}
    for where, cell in cells:
        parts = [part.strip() for part in _BETWEEN.split(cell)]
        if is_list(cell) or (len(parts) > 1 and labels.issuperset(parts)):
            raise DataError(
                f"{where}: column {column!r} holds several labels, {cell[:40]!r}; write the one that is "
                "right, or a column for each class with its probability; if it is one class, name all of "
                "them with --classes"
            )


def _row(record: Mapping[str, str], columns: _Columns, classes: tuple[str, ...], where: str) -> LabelRow:
    return LabelRow(
        file=record[columns.file],
        probs=one_hot(_label(record, columns, where), classes, where)
        if columns.label
        else _probs(record, classes, where),
        split=split_of(record["split"], where) if "split" in record else "",
        question=record.get("question", ""),
        license=record.get("license", ""),
        where=where,
    )


def _columns(path: Path, header: Sequence[str], classes: tuple[str, ...]) -> _Columns:
    file = next((name for name in FILE_COLUMNS if name in header), None)
    if file is None:
        raise DataError(f"{path}: columns {header} name no image; call that column one of {FILE_COLUMNS}")
    others = tuple(name for name in header if name not in (file, *OPTIONAL_COLUMNS))
    if not classes and others[-2:] == _ANNOTATE_COLUMNS:
        others = others[:-2]
    labels = [name for name in LABEL_COLUMNS if name in others]
    if classes and set(classes) <= set(header):
        return _Columns(file, "", others)
    if len(labels) > 1:
        raise DataError(f"{path}: columns {labels[0]!r} and {labels[1]!r} both name classes; remove one")
    if not labels and classes:
        absent = next(name for name in classes if name not in header)
        raise DataError(f"{path}: there is no column for class {absent!r}; correct the header or --classes")
    if not labels and (index := [name for name in others if _INDEX.fullmatch(name)]):
        raise DataError(
            f"{path}: columns {', '.join(others)} would be read as classes, and {index[0]!r} looks like an "
            "index; remove it, or name the columns of probabilities with --classes"
        )
    if not labels and len(others) < 2:
        raise DataError(
            f"{path}: beside {file!r} there is {f'one column, {others[0]!r}' if others else 'no column'}; "
            "add a column 'label', or a column of probabilities for two classes or more"
        )
    return _Columns(file, labels[0] if labels else "", others)


def _refuse_probabilities(
    path: Path, columns: _Columns, records: Sequence[tuple[str, Mapping[str, str]]]
) -> None:
    """Refuse labels beside probabilities: either may be the ground truth."""
    names = [name for name in columns.others if name != columns.label]

    def sums_to_one(record: Mapping[str, str]) -> bool:
        cells = [record[name] for name in names]
        return all(map(NUMBER.fullmatch, cells)) and abs(sum(map(float, cells)) - 1) <= SUM_TOLERANCE

    if len(names) > 1 and all(sums_to_one(record) for _, record in records):
        raise DataError(
            f"{path}: column {columns.label!r} holds labels, and {', '.join(names)} hold probabilities; "
            "remove one of the two, or name the columns of probabilities with --classes"
        )


def _label(record: Mapping[str, str], columns: _Columns, where: str) -> str:
    if not record[columns.label]:
        raise DataError(f"{where}: no {columns.label}; write the class of the image, or remove the row")
    return record[columns.label]


def _probs(record: Mapping[str, str], classes: tuple[str, ...], where: str) -> tuple[float, ...]:
    for name in classes:
        cell = record[name]
        if not NUMBER.fullmatch(cell):
            fix = "write a number for every class, or call a column of labels 'label'"
            if _DECIMAL_COMMA.fullmatch(cell):
                fix = f"write {cell.replace(',', '.')}, with a decimal point"
            elif cell.endswith("%"):
                fix = "write shares of 1, not per cent"
            raise DataError(f"{where}: the probability of {name!r} is {cell!r}; {fix}")
    probs = tuple(float(record[name]) for name in classes)
    total = math.fsum(probs)
    if not all(math.isfinite(p) and p >= 0 for p in probs) or abs(total - 1) > SUM_TOLERANCE:
        stated = ", ".join(f"{name} {record[name]}" for name in classes[:8]) + (", …" if classes[8:] else "")
        hundred = "; divide per cent by 100" if abs(total - 100) <= 100 * SUM_TOLERANCE else ""
        raise DataError(
            f"{where}: the probabilities {stated} must be at least 0 and sum to 1; correct the "
            f"row{hundred}; if a column is not a class, remove it or name the classes with --classes"
        )
    return probs
