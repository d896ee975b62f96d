"""Columns of a CSV file that its reader does not use; those that hold boxes or splits are refused."""

import ast
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from rise_bench.builders.formats.csv_file import BOX_COLUMNS, NUMBER, SPLITS
from rise_bench.errors import DataError

#: Four numbers or more, without the brackets of a list.
_NUMBERS = re.compile(rf"{NUMBER.pattern}(\s*[,;\s]\s*{NUMBER.pattern}){{3,}}", re.ASCII)
_REGION = re.compile(r"b?box|bb|coord|segment|polygon|points|region|mask|rle")
_SIDE = re.compile(
    r"[xy](min|max|tl|br|c|start|end|\d|cent(er|re))?|(c|min|max|cent(er|re))[xy]|[wh]|width|height"
    r"|left|top|right|bottom|upper|lower|(?<=box)\d"
)


def box_columns_help() -> str:
    """Return names of columns that are read as boxes."""
    return " or ".join(", ".join(four) for four in BOX_COLUMNS[:4])


def is_list(text: str) -> bool:
    """Whether a cell holds a list or an object, as JSON or as Python writes it."""
    if not text.startswith(("[", "{")):
        return False
    try:
        return isinstance(json.loads(text), list | dict)
    except (ValueError, RecursionError):
        pass
    try:
        return isinstance(ast.literal_eval(text), list | dict | set)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False


def unused_columns(
    path: Path, records: Sequence[tuple[str, Mapping[str, str]]], used: Collection[str], *, boxes: bool
) -> tuple[str, ...]:
    """Return the columns that are not used.

    Args:
        path: The file, for errors.
        records: Its rows.
        used: Columns that are read.
        boxes: Whether the rows are boxes already.

    Raises:
        DataError: If one holds splits, or, where the rows are labels, boxes or their sides.
    """
    unused = [name for name in records[0][1] if name not in used]
    cells = {name: {record[name] for _, record in records} - {""} for name in unused}
    for name in unused if "split" not in used else ():
        if _all(cells[name], _is_split) and len({SPLITS[cell.lower()] for cell in cells[name]}) > 1:
            raise DataError(
                f"{path}: column {name!r} holds names of splits and is not read; call it split, or remove it"
            )
    if boxes:
        return tuple(unused)
    fix = (
        f"for boxes, name the columns of pixels {box_columns_help()}, one row per box; for labels alone, "
        "remove what is not read"
    )
    for name in unused:
        if _all(cells[name], _is_corners if not _REGION.search(_plain(name)) else _is_region):
            raise DataError(
                f"{path}: column {name!r} holds lists, e.g. {min(cells[name])[:40]!r}, and is not read; {fix}"
            )
    sides = [name for name in unused if _is_side(name) and _all(cells[name], _is_number)]
    if len(sides) > 3:
        raise DataError(f"{path}: columns {', '.join(sides)} look like boxes and are not read; {fix}")
    return tuple(unused)


def _all(cells: Collection[str], test: Callable[[str], bool]) -> bool:
    return bool(cells) and all(map(test, cells))


def _is_number(cell: str) -> bool:
    return NUMBER.fullmatch(cell) is not None


def _is_split(cell: str) -> bool:
    return cell.lower() in SPLITS


def _is_region(cell: str) -> bool:
    return is_list(cell) or _NUMBERS.fullmatch(cell) is not None


def _is_corners(cell: str) -> bool:
    """Whether a cell is a list of four numbers, whatever its column is called."""
    return (
        cell[:1] == "["
        and cell[-1:] == "]"
        and len(numbers := cell[1:-1].split(",")) == 4
        and all(_is_number(number.strip()) for number in numbers)
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _is_side(name: str) -> bool:
    plain = _plain(name)
    start = re.match(r"(b?box|bb)?", plain)
    return _SIDE.fullmatch(plain, start.end() if start else 0) is not None
