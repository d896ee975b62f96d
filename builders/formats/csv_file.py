"""Rows of a CSV file with a header, checked as far as they are the same for every annotation.

A column names the image file (`file`, `file_name`, `filename`, `image` or `path`). Optional columns: `split`
("train" or "test"; "val" counts as test), `question`, `license`. These names, and those of labels and boxes,
are case-insensitive. A column without a name, the index of pandas, is skipped.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from rise_bench.builders.formats.problems import Problems
from rise_bench.errors import DataError

FILE_COLUMNS = ("file", "file_name", "filename", "image", "path")
LABEL_COLUMNS = ("label", "class", "category")
OPTIONAL_COLUMNS = ("split", "question", "license")
BOX_COLUMNS = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x1", "y1", "x2", "y2"),
    ("x", "y", "w", "h"),
    ("x", "y", "width", "height"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("left", "top", "right", "bottom"),
    ("xmin", "ymin", "width", "height"),
    ("x_min", "y_min", "width", "height"),
    ("left", "top", "width", "height"),
)
#: Cell that holds a number.
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing", "val", "valid", "validation"), "test"),
}

_ENCODINGS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"PK\x03\x04": "an Excel workbook"}


def csv_header(path: Path) -> list[str]:
    """Return the cells of the first line, whatever they are."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        try:
            return [cell.strip() for cell in _first(csv.reader(file))]
        except csv.Error:
            return []


def box_columns(header: Sequence[str]) -> tuple[str, ...]:
    """Return the four columns of a box in lower case; none if a header has not all of them."""
    names = {name.lower() for name in header}
    return next((four for four in BOX_COLUMNS if names.issuperset(four)), ())


def csv_records(path: Path, classes: tuple[str, ...], problems: Problems) -> list[tuple[str, dict[str, str]]]:
    """Return ("labels.csv line 2", column -> text) of each row.

    Raises:
        DataError: If the file has another layout or no rows, or a row has too few or too many cells.
    """
    with path.open("rb") as raw:
        start = raw.read(4)
    for mark, encoding in _ENCODINGS.items():
        if start.startswith(mark):
            raise DataError(f"{path} is {encoding}; save it as CSV in UTF-8")
    records: list[tuple[str, dict[str, str]]] = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = _header(path, _first(reader), classes)
            for cells in reader:
                if not cells:
                    continue
                where = f"{path.name} line {reader.line_num}"
                with problems:
                    texts = _cells(path, reader.line_num, cells, header)
                    records.append((where, {name: text for name, text in texts if name}))
        except (csv.Error, UnicodeDecodeError) as error:
            line = reader.line_num if isinstance(error, csv.Error) else _line_that_is_not_utf8(path)
            raise DataError(f"{path} near line {line}: {error}; save it as UTF-8 CSV") from error
    if not records:
        raise DataError(f"{path} has no row under its header; add the annotations")
    return records


def _first(rows: Iterator[list[str]]) -> list[str]:
    """Return the cells of the first line, but for Excel's "sep=,"."""
    cells = next(rows, [])
    return next(rows, []) if cells and re.fullmatch(r"sep=\W?", cells[0], re.IGNORECASE) else cells


def _line_that_is_not_utf8(path: Path) -> int:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.decode(errors="replace").encode() != line:
                return number
    return 1


def _cells(path: Path, line: int, cells: Sequence[str], header: Sequence[str]) -> list[tuple[str, str]]:
    """Return (column, text) of each cell."""
    if len(cells) != len(header):
        raise DataError(
            f"{path} line {line}: {len(cells)} cells, the header has {len(header)} "
            f"({', '.join(header)}); correct the row, or quote a cell that holds a comma"
        )
    return [(name, cell.strip()) for name, cell in zip(header, cells, strict=True)]


def _header(path: Path, cells: Sequence[str], classes: tuple[str, ...]) -> list[str]:
    header = [cell.strip() for cell in cells]
    known = {
        *FILE_COLUMNS,
        *LABEL_COLUMNS,
        *OPTIONAL_COLUMNS,
        *box_columns([name for name in header if name not in classes]),
    }
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


def split_of(text: str, where: str) -> str:
    """Return "train" or "test".

    Raises:
        DataError: If a text names neither.
    """
    if text.lower() not in SPLITS:
        raise DataError(f"{where}: split {text!r} is unknown; write train or test")
    return SPLITS[text.lower()]
