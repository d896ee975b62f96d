"""Class probabilities or labels of images from a CSV file with a header.

A column names the image file (`file`, `file_name`, `filename`, `image` or `path`). Others are a column of
labels (`label`, `class` or `category`), or a column of probabilities for each class. Optional columns are
`split` ("train" or "test"; "val" counts as test), `question` and `license`. These names are case-insensitive.
A column without a name, the index of pandas, is skipped.
"""

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rise_bench.annotations.distribution.kind import SUM_TOLERANCE
from rise_bench.errors import DataError

FILE_COLUMNS = ("file", "file_name", "filename", "image", "path")
LABEL_COLUMNS = ("label", "class", "category")
_OPTIONAL_COLUMNS = ("split", "question", "license")
SPLITS = {"train": "train", "test": "test", "val": "test", "valid": "test", "validation": "test"}

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"\d+,\d+", re.ASCII)
_INDEX = re.compile(r"id|index|idx|nr|no|row|unnamed: \d+", re.IGNORECASE)
_ENCODINGS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"PK\x03\x04": "an Excel workbook"}


@dataclass(frozen=True, slots=True)
class LabelRow:
    """Row: probabilities in the order of the table's classes; `split` is empty without that column."""

    file: str
    probs: tuple[float, ...]
    split: str
    question: str
    license: str
    where: str


@dataclass(frozen=True, slots=True)
class LabelTable:
    """Rows of a file, its classes in order, and whether it holds labels rather than probabilities."""

    rows: Sequence[LabelRow]
    classes: tuple[str, ...]
    labelled: bool


@dataclass(frozen=True, slots=True)
class _Columns:
    """Roles of the columns of a header; `label` is empty beside probabilities."""

    file: str
    label: str
    others: tuple[str, ...]


def read_label_csv(path: Path, classes: tuple[str, ...] = ()) -> LabelTable:
    """Read a CSV file.

    Args:
        path: UTF-8 file with a header.
        classes: Class names in order; if empty, those of the header or the labels (sorted).

    Raises:
        DataError: If the file has another layout, or a row is wrong; names the line.
    """
    records = list(_records(path, classes))
    if not records:
        raise DataError(f"{path} has no row under its header; add the annotations")
    columns = _columns(path, list(records[0][1]), classes)
    if columns.label:
        classes = classes or tuple(sorted({_label(record, columns, where) for where, record in records}))
        _refuse_probabilities(path, columns, records)
    else:
        classes = classes or columns.others
    rows = [
        LabelRow(
            file=record[columns.file],
            probs=one_hot(_label(record, columns, where), classes, where)
            if columns.label
            else _probs(record, classes, where),
            split=_split(record["split"], where) if "split" in record else "",
            question=record.get("question", ""),
            license=record.get("license", ""),
            where=where,
        )
        for where, record in records
    ]
    return LabelTable(rows, classes, bool(columns.label))


def _records(path: Path, classes: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield ("labels.csv line 2", column -> text) for each row."""
    with path.open("rb") as raw:
        start = raw.read(4)
    for mark, encoding in _ENCODINGS.items():
        if start.startswith(mark):
            raise DataError(f"{path} is {encoding}; save it as CSV in UTF-8")
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = _header(path, next(reader, []), classes)
            for cells in reader:
                if not cells:
                    continue
                if len(cells) != len(header):
                    raise DataError(
                        f"{path} line {reader.line_num}: {len(cells)} cells, the header has {len(header)} "
                        f"({', '.join(header)}); correct the row, or quote a cell that holds a comma"
                    )
                where = f"{path.name} line {reader.line_num}"
                texts = (cell.strip() for cell in cells)
                yield where, {name: text for name, text in zip(header, texts, strict=True) if name}
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError(f"{path} near line {reader.line_num}: {error}; save it as UTF-8 CSV") from error


def _header(path: Path, cells: Sequence[str], classes: tuple[str, ...]) -> list[str]:
    known = {*FILE_COLUMNS, *LABEL_COLUMNS, *_OPTIONAL_COLUMNS}
    header = [cell.strip() for cell in cells]
    header = [name.lower() if name.lower() in known and name not in classes else name for name in header]
    if not header:
        raise DataError(f"{path} is empty; write a header (file,label) and the annotations under it")
    if len(header) == 1:
        for sign, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")):
            if sign in header[0]:
                raise DataError(
                    f"{path}: its columns are separated by {name}; save it with commas between the columns "
                    "and decimal points in the numbers"
                )
    if double := [name for name in header if name and header.count(name) > 1]:
        raise DataError(f"{path}: two columns are called {double[0]!r}; rename or remove one")
    return header


def _columns(path: Path, header: Sequence[str], classes: tuple[str, ...]) -> _Columns:
    file = next((name for name in FILE_COLUMNS if name in header), None)
    if file is None:
        raise DataError(f"{path}: columns {header} name no image; call that column one of {FILE_COLUMNS}")
    others = tuple(name for name in header if name not in (file, *_OPTIONAL_COLUMNS))
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
        return all(map(_NUMBER.fullmatch, cells)) and abs(sum(map(float, cells)) - 1) <= SUM_TOLERANCE

    if len(names) > 1 and all(sums_to_one(record) for _, record in records):
        raise DataError(
            f"{path}: column {columns.label!r} holds labels, and {', '.join(names)} hold probabilities; "
            "remove one of the two, or name the columns of probabilities with --classes"
        )


def _label(record: Mapping[str, str], columns: _Columns, where: str) -> str:
    if not record[columns.label]:
        raise DataError(f"{where}: no {columns.label}; write the class of the image, or remove the row")
    return record[columns.label]


def one_hot(label: str, classes: tuple[str, ...], where: str) -> tuple[float, ...]:
    """Return the probabilities of a label."""
    if label not in classes:
        raise DataError(f"{where}: unknown class {label!r}; expected one of {', '.join(classes)}")
    return tuple(float(name == label) for name in classes)


def _probs(record: Mapping[str, str], classes: tuple[str, ...], where: str) -> tuple[float, ...]:
    for name in classes:
        cell = record[name]
        if not _NUMBER.fullmatch(cell):
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
            f"row{hundred}; if a column is no class, remove it or name the classes with --classes"
        )
    return probs


def _split(text: str, where: str) -> str:
    if text.lower() not in SPLITS:
        raise DataError(f"{where}: split {text!r} is unknown; write train or test")
    return SPLITS[text.lower()]
