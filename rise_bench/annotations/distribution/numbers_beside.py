"""Several numbers beside a class: in brackets and after them, or in the row of a table."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from rise_bench.annotations.distribution.named_classes import Names, class_of_key
from rise_bench.annotations.plain_numbers import STATED_NUMBER, stated_number

#: Quotes and marks of Markdown before a number.
QUOTES = r"[\s\"'`*\\$]*+"

#: A number in brackets that another one follows: "joy (1): 0.8".
_AFTER_BRACKETS = re.compile(rf"\s*+\)[\s*`\"']*+(?::++=?|=++>?|-++>|→|⇒|\|){QUOTES}")
_VALUE_ENDS = re.compile(r"[ \t*`\"']*+(?:[,;}\])|]|\n|\.(?!\d)|and\b|\Z)")
_RANK = re.compile(r"\d{1,3}")
_MARKS_OF_CELL = " \t*`\"'$"
_SHARE_HEADING = re.compile(r"\b(?:prob(?:s|abilit(?:y|ies))?+|likelihoods?|pr?)\b\.?+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Statement:
    """Statement about a class in an answer.

    Attributes:
        position: Position of the class.
        number: The number; None if it is unreadable.
        digits: Whether there are digits in place of the number.
        group: Group of objects (outermost braces) that it is inside; 0 outside braces. Words of a correction
            between two objects begin a group.
        rank: Whole number beside another one, which may be a rank; -1 for one that cannot be, None if the
            number does not stand in brackets or in a row with several.
        ranked: The number if `rank` is a rank.
        aside: Whether it is about the class with a word behind it ("joy score"), which counts if the class
            has no statement of its own.
        percent: Whether the number was stated in per cent.
    """

    position: int
    number: float | None
    digits: bool
    group: int
    rank: int | None = None
    ranked: float | None = None
    aside: bool = False
    percent: bool = False

    @classmethod
    def of(cls, position: int, number: re.Match[str], group: int) -> Self:
        """Return the statement of a match of `STATED_NUMBER`."""
        return cls(position, stated_number(number), True, group, percent=bool(number["percent"]))


def after_brackets(text: str, number: re.Match[str], first: Statement) -> Statement:
    """Return the statement of a number in brackets, with that which follows them; None for two others."""
    bracket = _AFTER_BRACKETS.match(text, number.end())
    second = STATED_NUMBER.match(text, bracket.end()) if bracket else None
    if second is None:
        return replace(first, rank=-1)
    whole, ends = _RANK.fullmatch(second[0]), _VALUE_ENDS.match(text, second.end())
    if ends or not whole:
        first = replace(first, rank=_rank(number), ranked=stated_number(second))
    else:
        first = replace(first, rank=-1)  # a count in a remark
    if ends and not whole and stated_number(second) != first.number:
        return replace(first, number=None)
    return first


def _rank(number: re.Match[str]) -> int:
    return int(number[0]) if _RANK.fullmatch(number[0]) else -1


def without_ranks(statements: Iterable[Statement], count: int) -> list[Statement]:
    """Put the numbers beside ranks in their place; ranks are distinct, from 1 to the number of classes."""
    stated = list(statements)
    ranks = {(statement.position, statement.rank) for statement in stated if statement.rank is not None}
    if len({rank for _, rank in ranks}) < len(ranks) or not all(0 < rank <= count for _, rank in ranks):
        return stated
    return [
        replace(statement, number=statement.ranked) if statement.rank is not None else statement
        for statement in stated
    ]


def of_row(text: str, number: re.Match[str], names: Names, first: Statement) -> Statement:
    """Return the statement of a row of a table: its number in the column of probabilities, else its first.

    Where there is no such column, several numbers of which the first is a rank are not read.
    """
    end = text.find("\n", number.end())
    after = text[number.end() : len(text) if end < 0 else end][:400].split("|")[1:]
    several = False
    for cell in after:
        if class_of_key(cell, names) is not None:
            break
        beside = STATED_NUMBER.fullmatch(cell.strip(_MARKS_OF_CELL))
        several |= beside is not None and not math.isclose(stated_number(beside), first.number or 0)
    if not several:
        return first
    heading, column = _share_column(text, text.rfind("\n", 0, number.start()) + 1, len(names.exact) + 2)
    row = _cells(text, text.rfind("\n", 0, number.start()) + 1)
    if column is None or len(row) != len(heading):
        return replace(first, rank=_rank(number))
    stated = STATED_NUMBER.fullmatch(row[column])
    return replace(
        first, number=stated_number(stated) if stated else None, percent=bool(stated and stated["percent"])
    )


def _share_column(text: str, begin: int, most: int) -> tuple[list[str], int | None]:
    """Return the heading above the row of a table that begins at a place, and its column of probabilities."""
    for _ in range(most):
        end = begin - 1
        begin = text.rfind("\n", 0, max(end, 0)) + 1
        if end < 0 or text.find("|", begin, end) < 0:
            break
        if not _SHARE_HEADING.search(text, begin, min(end, begin + 1000)):
            continue
        heading = _cells(text, begin)
        exact = [i for i, cell in enumerate(heading) if _SHARE_HEADING.fullmatch(cell)]
        headed = exact or [i for i, cell in enumerate(heading) if _SHARE_HEADING.search(cell)]
        return heading, headed[0] if len(headed) == 1 else None
    return [], None


def _cells(text: str, begin: int) -> list[str]:
    """Return the cells of the row of a table that begins at a place."""
    end = text.find("\n", begin)
    row = text[begin : len(text) if end < 0 else end][:1000].strip().strip("|")
    return [cell.strip(_MARKS_OF_CELL) for cell in row.split("|")]
