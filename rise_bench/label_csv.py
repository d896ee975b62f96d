"""Reading class probabilities or labels of images from a CSV file with a header.

A column names the image file (`file`, `file_name`, `filename`, `image` or `path`). Beside it stands either a
column `label`, or one column of probabilities for each class. Optional columns: `split` ("train" or "test";
"val" counts as test), `question`, `license`.
"""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rise_bench.errors import DataError
from rise_bench.schema import SUM_TOLERANCE

FILE_COLUMNS = ("file", "file_name", "filename", "image", "path")
LABEL_COLUMN = "label"
_OPTIONAL_COLUMNS = ("split", "question", "license")
_SPLITS = {"train": "train", "test": "test", "val": "test", "valid": "test", "validation": "test"}


@dataclass(frozen=True, slots=True)
class LabelRow:
    """A row: probabilities in the order of the table's classes; `split` is empty without that column."""

    file: str
    probs: tuple[float, ...]
    split: str
    question: str
    license: str
    where: str


@dataclass(frozen=True, slots=True)
class LabelTable:
    """A file: its rows, its classes in order, and whether it gave labels rather than probabilities."""

    rows: Sequence[LabelRow]
    classes: tuple[str, ...]
    labelled: bool


def read_label_csv(path: Path, classes: tuple[str, ...] = ()) -> LabelTable:
    """Read a CSV file.

    Args:
        path: UTF-8 file with a header.
        classes: Class names in order; from the header, or from the labels (sorted), when empty.

    Raises:
        DataError: If the file is not such a CSV, or a row is wrong; names the line.
    """
    records = list(_records(path))
    if not records:
        raise DataError(f"{path} has no row under its header; add the annotations")
    header = list(records[0][1])
    file_column = next((column for column in FILE_COLUMNS if column in header), None)
    if file_column is None:
        raise DataError(f"{path}: columns {header} name no image; call that column one of {FILE_COLUMNS}")
    labelled = LABEL_COLUMN in header
    if not classes and labelled:
        classes = tuple(sorted({record[LABEL_COLUMN] for _, record in records}))
    elif not classes:
        classes = tuple(column for column in header if column not in (file_column, *_OPTIONAL_COLUMNS))
    elif not labelled and (absent := [name for name in classes if name not in header]):
        raise DataError(f"{path}: there is no column for class {absent[0]!r}; mend the header or --classes")
    rows = [
        LabelRow(
            file=record[file_column],
            probs=_one_hot(record[LABEL_COLUMN], classes, where)
            if labelled
            else _probs(record, classes, where),
            split=_split(record["split"], where) if "split" in header else "",
            question=record.get("question", ""),
            license=record.get("license", ""),
            where=where,
        )
        for where, record in records
    ]
    return LabelTable(rows, classes, labelled)


def _records(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield ("labels.csv line 2", column -> text) for each row."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, restkey="", strict=True)
        try:
            for record in reader:
                if "" in record or None in record.values():
                    raise DataError(
                        f"{path} line {reader.line_num}: the row does not fit the header; mend it"
                    )
                where = f"{path.name} line {reader.line_num}"
                yield where, {column.strip(): text.strip() for column, text in record.items()}
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError(f"{path} near line {reader.line_num}: {error}; save it as UTF-8 CSV") from error


def _one_hot(label: str, classes: tuple[str, ...], where: str) -> tuple[float, ...]:
    if label not in classes:
        raise DataError(f"{where}: unknown class {label!r}; expected one of {', '.join(classes)}")
    return tuple(float(name == label) for name in classes)


def _probs(record: Mapping[str, str], classes: tuple[str, ...], where: str) -> tuple[float, ...]:
    try:
        probs = tuple(float(record[name]) for name in classes)
    except ValueError as error:
        raise DataError(f"{where}: {error}; write a probability for every class") from None
    if not all(math.isfinite(p) and p >= 0 for p in probs) or abs(math.fsum(probs) - 1) > SUM_TOLERANCE:
        raise DataError(f"{where}: probabilities {probs} must be at least 0 and sum to 1; mend the row")
    return probs


def _split(text: str, where: str) -> str:
    if text.lower() not in _SPLITS:
        raise DataError(f"{where}: split {text!r} is unknown; write train or test")
    return _SPLITS[text.lower()]
