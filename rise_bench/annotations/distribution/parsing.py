"""Read a probability for each class out of an answer: JSON, or what models write in its place.

What counts, in this order: statements inside braces, outside of them, inside strings. So a remark
("joy: 0.1 would be low") never wins over the object beside it.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import groupby, islice
from operator import attrgetter

from rise_bench.annotations.characters import fold, fold_word, marks, plain, split_words
from rise_bench.annotations.distribution.json_answer import json_numbers
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.plain_numbers import LARGEST, STATED_NUMBER, stated_number

#: Mentions of a class beyond this number are not read.
MAX_STATEMENTS = 1_500

_ESCAPES = re.compile(
    r"(?P<code>(?:\\u[0-9a-fA-F]{4})++)"
    r"|(?<!\\)\\[nrt](?!(?:ext\w*|imes|o|eq?|ot|ight\w*|m)(?![^\W_]))"  # but no \times
)
_SURE = re.compile(r"(?::++=?|=++>?|-++>|→|⇒|\||\()\Z")
_QUOTES = r"[\s\"'`*\\$]*+"
_SHARE = r"(?:p|pr|prob|probability|likelihood|value|score)"
_LEAD = re.compile(
    rf"{_QUOTES}(?:\[(?=[^\[\],]{{1,40}}+\])|(?:\w{{1,8}}\.)?+(?:float\d*+|decimal)\(|\((?=[^(),]{{1,40}}+\))"
    rf"|\{{(?:{_QUOTES}(?!{_SHARE}\b)\w{{1,20}}+{_QUOTES}:\s*+\"[^\"\\]{{0,400}}+\"\s*+,){{0,3}}+"
    rf"{_QUOTES}{_SHARE}\b{_QUOTES}:)?+{_QUOTES}",
    re.IGNORECASE,
)
_RECORD = re.compile(r"\{[^{}]{1,1000}+\}|[\[(]\s*+[\"'][^\[\](){},]{1,160}+,[^\[\](){},]{1,40}+[\])]")
_NAMED = re.compile(
    r"(?:[\"'](?:class|label|name|emotion|category|class_?name)[\"']\s*+:|\A[\[(])"
    r"\s*+([\"'])(?P<name>[^\"\\]{1,160}?)\1\s*+(?=[,}])",
    re.IGNORECASE,
)
_NUMBERED = re.compile(rf"(?:[\"']{_SHARE}[\"']\s*+:|\A[\[(][^,]++,)\s*+[\"']?+", re.IGNORECASE)
#: A number in brackets that another one follows: "joy (1): 0.8".
_AFTER_BRACKETS = re.compile(rf"\s*+\)[\s*`]*+(?::++=?|=++>?|-++>|→|⇒|\|){_QUOTES}")
_VALUE_ENDS = re.compile(r"[ \t*`\"']*+(?:[,;}\])|]|\n|\.(?!\d)|and\b|\Z)")
_RANK = re.compile(r"\d{1,3}")
_MARKS_OF_CELL = " \t*`\"'$"
_SHARE_HEADING = re.compile(r"\b(?:prob(?:s|abilit(?:y|ies))?+|likelihoods?|pr?)\b\.?+", re.IGNORECASE)
_VALUE = re.compile(r"[^,;}\])\n|]{0,80}+")
_OPENING = re.compile(r"\s*+(\\?+)([\"'])")
_BRACE = re.compile(r"[{}]")
#: What says that the next object replaces the one before.
_CORRECTION = re.compile(
    r"\b(?:wait|actually|correct(?:ion|ed)|revised|updated|oops|sorry|final|no(?=,)|(?:rather|instead)(?!\s+(?:than|of)))\b",
    re.IGNORECASE,
)
_CUT_KEY = re.compile(r"[{,]\s*+([\"'])([^\"']{1,200})\1\s*+\Z")
_CUT_NUMBER = re.compile(r"(?:[\d.+\-:=]|\de|\d[eE][-+])\s*\Z", re.IGNORECASE)
_NEGATIONS = frozenset(("not", "no", "non", "without", "never"))
_FILLERS = frozenset(
    ("p", "pr", "prob", "probability", "likelihood", "score", "of", "the", "class", "emotion", "label", "for")
)


@dataclass(frozen=True, slots=True)
class Names:
    """Class names for lookups.

    Attributes:
        index: Folded name to position.
        exact: Name to position, without names that fold as a later one.
        endings: The last word of each name, the last two, and so on.
        most_words: Number of words of the longest name.
        reach: Characters before a separator that can contain a name.
    """

    index: dict[str, int]
    exact: dict[str, int]
    endings: frozenset[str]
    most_words: int
    reach: int


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
    """

    position: int
    number: float | None
    digits: bool
    group: int
    rank: int | None = None
    ranked: float | None = None


class _Braces:
    """Place of a text among its braces, asked for from front to back."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._braces = _BRACE.finditer(text)
        self._next = next(self._braces, None)
        self._depth = 0
        self._group = 0
        self._closed = 0

    def group_at(self, place: int) -> int:
        """Return the group of objects that a place is inside, 0 for none; see `Statement`."""
        while self._next and self._next.start() < place:
            if self._next[0] == "}":
                self._depth -= 1
                self._closed = self._next.end()
            else:
                if self._depth == 0 and (
                    not self._group or _CORRECTION.search(self._text, self._closed, self._next.start())
                ):
                    self._group += 1
                self._depth += 1
            self._next = next(self._braces, None)
        return self._group if self._depth > 0 else 0


def read_distribution(answer: str, classes: tuple[str, ...], closed: bool) -> tuple[Distribution | None, str]:
    """Return the distribution of an answer, or None and the reason; see `AnnotationKind.parse`."""
    names = _names(classes)
    if answer.count(":") <= MAX_STATEMENTS and (stated := json_numbers(answer, names.exact)):
        return _distribution(classes, stated), "ok"
    text = plain(answer)
    if "\\" in text:
        text = plain(_ESCAPES.sub(_resolved, text))
    strings: list[str] = []
    statements = _without_ranks(_statements(text, names, strings), len(classes))
    if all(statement.number is None for statement in statements):
        statements += _records(text, names)
    if not statements and strings:
        statements = _without_ranks(_statements("\n".join(strings), names, []), len(classes))
    if any(statement.group for statement in statements):
        statements = _not_replaced([statement for statement in statements if statement.group])
    numbers, unclear = _settle(statements)
    if any(not abs(number) <= LARGEST for number in numbers.values()):
        return None, "not_finite"
    if not closed and answer.count("{") > answer.count("}") and _is_cut(text, names):
        return None, "truncated"
    if not numbers:
        return None, "no_class_numbers"
    if unclear:
        return None, "unclear_number"
    return _distribution(classes, numbers), "ok"


def _distribution(classes: tuple[str, ...], numbers: Mapping[int, float]) -> Distribution:
    return Distribution(classes, tuple(numbers.get(i, 0.0) for i in range(len(classes))))


def _resolved(escape: re.Match[str]) -> str:
    """Return the character of an escape; a quote stays escaped, so that it ends no string."""
    if not escape["code"]:
        return "\n"
    return re.sub(r'(["\'\\])', r"\\\1", json.loads(f'"{escape[0]}"'))


def _is_cut(text: str, names: Names) -> bool:
    """Whether a text ends inside a number, right before it, or at the key of a class."""
    key = _CUT_KEY.search(text[-240:])
    return bool(_CUT_NUMBER.search(text[-40:])) or (
        key is not None and _class_of_key(key[2], names) is not None
    )


def _records(text: str, names: Names) -> Iterator[Statement]:
    """Yield the statements of records and pairs: {"label": "joy", "score": 0.8}, ("joy", 0.8)."""
    if _NAMED.search(_RECORD.sub("", text)):
        return  # a record around others
    for record in islice(_RECORD.finditer(text), MAX_STATEMENTS):
        named, numbered = _NAMED.search(record[0]), _NUMBERED.search(record[0])
        index = _class_of_key(named["name"], names) if named and numbered else None
        if numbered and index is not None:
            number = STATED_NUMBER.match(record[0], numbered.end())
            yield Statement(index, stated_number(number) if number else None, True, 1)


@lru_cache(maxsize=64)
def _names(classes: tuple[str, ...]) -> Names:
    split = [split_words(plain(name)) for name in classes]
    index = {fold(name): i for i, name in enumerate(classes)}
    return Names(
        index=index,
        exact={name: i for i, name in enumerate(classes) if index[fold(name)] == i},
        endings=frozenset("".join(map(fold_word, parts[i:])) for parts in split for i in range(len(parts))),
        most_words=max(map(len, split), default=1),
        reach=3 * max(map(len, classes), default=0) + 24,
    )


@cache
def _key_pattern(with_marks: bool) -> re.Pattern[str]:
    """Return the pattern of a word, what may come between it and a separator, and the separator."""
    inside = rf"\w{marks() if with_marks else ''}"
    return re.compile(
        rf"(?<![{inside}])(?P<last>[{inside}]++)(?P<close>[^{inside}:=|→⇒>≈~<≥≤∼≃≅(,;{{\-]{{0,16}}+)"
        rf"(?P<remark>(?:\([^()\d\n]{{0,60}}+\)|</\w{{1,10}}+>)[\s*]*+(?=[:=]))?+"
        rf"(?P<separator>:++=?+|=++>?+|-++>|[|→⇒(≈~<>≥≤∼≃≅]|(?<=\D\s)(?=[.+]?+\d))"
    )


def _statements(text: str, names: Names, strings: list[str]) -> Iterator[Statement]:
    """Yield the statements of a text in order; strings that are the values of other keys go to `strings`."""
    search = _key_pattern(not text.isascii()).search
    known: dict[str, bool] = {}
    position, mentions, unclosed = 0, 0, ""
    braces = _Braces(text)
    while mentions < MAX_STATEMENTS and (match := search(text, position)):
        position = match.end()
        word = match[1]
        if word not in known:
            known[word] = _ends_a_name(word, names)
        index = _class_of(text, match, names) if known[word] else None
        if index is not None:
            mentions += 1
            statement = _statement(text, match, index, braces.group_at(position), names)
            if statement:
                yield statement
            position = _end_of_tidy_string(text, position)
        elif match["remark"]:
            position = match.end("close")
        elif match["separator"][:1] in (":", "=") and (opening := _OPENING.match(text, position)):
            escape, quote = opening.groups()
            end = None if quote in unclosed else _closing(escape, quote).search(text, opening.end())
            if end:
                strings.append(text[opening.end() : end.start()])
                position = end.end()
            else:
                unclosed += quote
                if not text[opening.end() : opening.end() + 1].isdigit():
                    strings.append(text[opening.end() :])  # truncated inside a remark
                    return


@cache
def _closing(escape: str, quote: str) -> re.Pattern[str]:
    """Return the pattern of a quote that ends a string: what follows it ends the value."""
    return re.compile(rf"(?<!\\){re.escape(escape)}{quote}(?=\s*+(?:[,}}\]]|\Z))")


def _end_of_tidy_string(text: str, position: int) -> int:
    """Return where the string that begins here ends, or `position` if there is none that is well formed."""
    opening = _OPENING.match(text, position)
    if opening is None or opening[1]:
        return position
    end = text.find(opening[2], opening.end())
    if end < 0 or not _closing("", opening[2]).match(text, end):
        return position
    return end + 1


def _statement(text: str, match: re.Match[str], index: int, group: int, names: Names) -> Statement | None:
    lead = _LEAD.match(text, match.end())
    begin = lead.end() if lead else match.end()
    number = STATED_NUMBER.match(text, begin) if _SURE.match(match["separator"]) else None
    if number and match["separator"] == "(":
        return _after_brackets(text, number, Statement(index, stated_number(number), True, group))
    if number and match["separator"] == "|":
        return _of_row(text, number, names, Statement(index, stated_number(number), True, group))
    if number:
        return Statement(index, stated_number(number), True, group)
    value = _VALUE.match(text, begin)
    digits = value is not None and any(c.isnumeric() for c in value[0])
    if not digits and match["separator"] in ("(", "<", ">", "~"):
        return None  # a remark, not a statement
    return Statement(index, None, digits and match["separator"] not in ("(", ""), group)


def _after_brackets(text: str, number: re.Match[str], first: Statement) -> Statement:
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


def _without_ranks(statements: Iterable[Statement], count: int) -> list[Statement]:
    """Put the numbers beside ranks in their place; ranks are distinct, from 1 to the number of classes."""
    stated = list(statements)
    ranks = {(statement.position, statement.rank) for statement in stated if statement.rank is not None}
    if len({rank for _, rank in ranks}) < len(ranks) or not all(0 < rank <= count for _, rank in ranks):
        return stated
    return [
        replace(statement, number=statement.ranked) if statement.rank is not None else statement
        for statement in stated
    ]


def _of_row(text: str, number: re.Match[str], names: Names, first: Statement) -> Statement:
    """Return the statement of a row of a table: its number in the column of probabilities, else its first.

    Where there is no such column, several numbers of which the first is a rank are not read.
    """
    end = text.find("\n", number.end())
    after = text[number.end() : len(text) if end < 0 else end][:400].split("|")[1:]
    several = False
    for cell in after:
        if _class_of_key(cell, names) is not None:
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
    return replace(first, number=stated_number(stated) if stated else None)


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


def _not_replaced(statements: list[Statement]) -> list[Statement]:
    """Leave out groups of objects before the last one whose numbers are a whole distribution."""
    whole = 0
    for group, stated in groupby(statements, key=attrgetter("group")):
        total = sum(_settle(stated)[0].values())
        if min(abs(total - 1), abs(total / 100 - 1)) <= 0.02:
            whole = max(whole, group)
    return [statement for statement in statements if statement.group >= whole]


def _settle(statements: Iterable[Statement]) -> tuple[dict[int, float], set[int]]:
    """Return each class's number, the last that is stated, and the classes whose number cannot be read."""
    numbers: dict[int, float] = {}
    unclear: set[int] = set()
    unstated: set[int] = set()
    for statement in statements:
        if statement.number is not None:
            numbers[statement.position] = statement.number
            unclear.discard(statement.position)
        elif statement.digits:
            unclear.add(statement.position)
        else:
            unstated.add(statement.position)
    return numbers, unclear | (unstated - numbers.keys())


def _ends_a_name(word: str, names: Names) -> bool:
    return len(word) <= names.reach and fold_word(word.strip("_").rpartition("_")[2]) in names.endings


def _class_of(text: str, match: re.Match[str], names: Names) -> int | None:
    """Return the class whose name ends with the word of a match, or None."""
    end, close = match.end("last"), match["close"]
    begin = max(0, match.start("last") + len(match["last"]) - names.reach)
    place = max(close.rfind('"'), close.rfind("'"))
    if place >= 0:
        opened = _opening_of(text[begin:end], close[place], close[place - 1 : place] == "\\")
        if opened is not None:
            return _class_of_key(text[begin + opened : end], names)
        if begin:
            return None
    before = split_words(text[begin:end])
    for count in range(min(names.most_words, len(before)), 0, -1):
        index = names.index.get("".join(map(fold_word, before[-count:])))
        if index is not None:
            return None if before[-count - 1 : -count] and before[-count - 1].lower() in _NEGATIONS else index
    return None


def _opening_of(window: str, quote: str, escaped: bool) -> int | None:
    place = window.rfind(quote)
    while place >= 0:
        if (window[place - 1 : place] == "\\") == escaped:
            return place + 1
        place = window.rfind(quote, 0, place)
    return None


def _class_of_key(key: str, names: Names) -> int | None:
    """Return the class that a quoted key names: the whole of it, but for a number or a word of no content."""
    parts = [fold_word(word) for word in split_words(key)]
    while parts and "".join(parts) not in names.index and (parts[0] in _FILLERS or parts[0].isdigit()):
        del parts[0]
    return names.index.get("".join(parts))
