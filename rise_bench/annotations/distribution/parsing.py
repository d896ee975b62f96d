"""Read a probability for each class out of an answer: JSON, or what models write in its place.

What counts, in this order: statements inside braces, outside of them, inside strings. So a remark
("joy: 0.1 would be low") never wins over the object beside it.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import groupby, islice
from operator import attrgetter

from rise_bench.annotations.characters import fold, marks, plain
from rise_bench.annotations.distribution.json_answer import json_numbers
from rise_bench.annotations.distribution.named_classes import (
    Names,
    class_of,
    class_of_key,
    ends_a_name,
    names_of,
)
from rise_bench.annotations.distribution.numbers_beside import (
    QUOTES,
    Statement,
    after_brackets,
    of_row,
    without_ranks,
)
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.plain_numbers import LARGEST, NUMBER, STATED_NUMBER

#: Mentions of a class beyond this number are not read.
MAX_STATEMENTS = 1_500

_ESCAPES = re.compile(
    r"(?P<code>(?:\\u[0-9a-fA-F]{4})++)"
    r"|(?<!\\)\\[nrt](?!(?:ext\w*|imes|o|eq?|ot|ight\w*|m)(?![^\W_]))"  # but no \times
)
_SURE = re.compile(r"(?::++=?|=++>?|-++>|→|⇒|\||\()\Z")
_SHARE = r"(?:p|pr|prob|probability|likelihood|value|score)"
_LEAD = re.compile(
    rf"{QUOTES}(?:\[(?=[^\[\],]{{1,40}}+\])|(?:\w{{1,8}}\.)?+(?:float\d*+|decimal)\(|\((?=[^(),]{{1,40}}+\))"
    rf"|\{{(?:{QUOTES}(?!{_SHARE}\b)\w{{1,20}}+{QUOTES}:\s*+\"[^\"\\]{{0,400}}+\"\s*+,){{0,3}}+"
    rf"{QUOTES}{_SHARE}\b{QUOTES}:)?+{QUOTES}",
    re.IGNORECASE,
)
_STRING = r"(?:\"[^\"\\\n]{1,160}+\"|'[^'\\\n]{1,160}+')"
_RECORD = re.compile(rf"\{{[^{{}}]{{1,1000}}+\}}|[\[(]\s*+{_STRING}\s*+,[^\[\](){{}},]{{1,40}}+[\])]")
_NAMED = re.compile(
    r"(?:[\"'](?:class|label|name|emotion|category|class_?name)[\"']\s*+:|\A[\[(])"
    r"\s*+([\"'])(?P<name>[^\"\\]{1,160}?)\1\s*+(?=[,}])",
    re.IGNORECASE,
)
_NUMBERED = re.compile(rf"(?:[\"']{_SHARE}[\"']\s*+:|\A[\[(]\s*+{_STRING}\s*+,)\s*+[\"']?+", re.IGNORECASE)
#: A number that brackets follow, in which digits are no names of classes: "0.3 (30%)", "7%(0.07)".
_BEFORE_BRACKETS = re.compile(rf"{QUOTES}{NUMBER}\s?%?\s*+(?=\()")
_BEFORE_DIGIT = re.compile(rf"{NUMBER}\s?%?,(?=\d)")
_NEXT_KEY = re.compile(r"(?P<name>[^,;:=|{}\n]++)[:=|]")
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
    names = names_of(classes)
    if answer.count(":") <= MAX_STATEMENTS and (stated := json_numbers(answer, names.exact)):
        return _distribution(classes, stated), "ok"
    text = plain(answer)
    if "\\" in text:
        text = plain(_ESCAPES.sub(_resolved, text))
    is_open = not closed and answer.count("{") > answer.count("}")
    numbers, reason = _read(text, names, len(classes), is_open)
    if reason != "ok" or not _is_whole(numbers):
        wider, its_reason = _read(text, replace(names, behind=True), len(classes), is_open)
        if its_reason == "ok" and _is_whole(wider):
            numbers, reason = wider, "ok"
    return (_distribution(classes, numbers) if reason == "ok" else None), reason


def _read(text: str, names: Names, classes: int, is_open: bool) -> tuple[dict[int, float], str]:
    """Return the numbers of the classes that a text states, and "ok" or why they cannot be read."""
    strings: list[str] = []
    statements = without_ranks(_statements(text, names, strings), classes)
    if all(statement.number is None for statement in statements):
        statements += _records(text, names)
    if not statements and strings:
        statements = without_ranks(_statements("\n".join(strings), names, []), classes)
    if any(statement.group for statement in statements):
        statements = _not_replaced([statement for statement in statements if statement.group])
    numbers, unclear = _settle(_without_asides(statements))
    if any(not abs(number) <= LARGEST for number in numbers.values()):
        return numbers, "not_finite"
    if is_open and _is_cut(text, names):
        return numbers, "truncated"
    if not numbers:
        return numbers, "no_class_numbers"
    return numbers, "unclear_number" if unclear else "ok"


def _is_whole(numbers: Mapping[int, float]) -> bool:
    """Whether numbers sum to 1, or to 100."""
    return _off(numbers) <= 0.02


def _off(numbers: Mapping[int, float]) -> float:
    """Return how far the sum of numbers is from 1, or from 100 in hundredths."""
    total = sum(numbers.values())
    return min(abs(total - 1), abs(total / 100 - 1))


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
        key is not None and class_of_key(key[2], names) is not None
    )


def _records(text: str, names: Names) -> Iterator[Statement]:
    """Yield the statements of records and pairs: {"label": "joy", "score": 0.8}, ("joy", 0.8)."""
    if _NAMED.search(_RECORD.sub("", text)):
        return  # a record around others
    for record in islice(_RECORD.finditer(text), MAX_STATEMENTS):
        named, numbered = _NAMED.search(record[0]), _NUMBERED.search(record[0])
        index = class_of_key(named["name"], names) if named and numbered else None
        if numbered and index is not None:
            number = STATED_NUMBER.match(record[0], numbered.end())
            yield Statement.of(index, number, 1) if number else Statement(index, None, True, 1)


@cache
def _key_pattern(with_marks: bool, with_remarks: bool) -> re.Pattern[str]:
    """Return the pattern of a word, what may come between it and a separator, and the separator.

    With remarks, the quote of a key may stand behind one: "joy (happiness)".
    """
    quotes = r"\"'\\" if with_remarks else ""
    inside = rf"\w{marks() if with_marks else ''}"
    return re.compile(
        rf"(?<![{inside}])(?P<last>[{inside}]++)(?P<close>[^{inside}:=|→⇒>≈~<≥≤∼≃≅(,;{{\-]{{0,16}}+)"
        rf"(?P<remark>(?:\([^()\d\n]{{0,60}}+\)|</\w{{1,10}}+>)(?P<behind>[\s*{quotes}]*+)(?=[:=]))?+"
        rf"(?P<separator>:++=?+|=++>?+|-++>|[|→⇒(≈~<>≥≤∼≃≅]|(?<=\D\s)(?=[.+]?+\d))"
    )


def _statements(text: str, names: Names, strings: list[str]) -> Iterator[Statement]:
    """Yield the statements of a text in order; strings that are the values of other keys go to `strings`."""
    search = _key_pattern(not text.isascii(), names.behind).search
    known: dict[str, bool] = {}
    position, mentions, unclosed = 0, 0, ""
    braces = _Braces(text)
    while mentions < MAX_STATEMENTS and (match := search(text, position)):
        position = match.end()
        word = match[1]
        if word not in known:
            known[word] = ends_a_name(word, names)
        index, itself = class_of(text, match, names) if known[word] else (None, True)
        if index is not None:
            mentions += 1
            statement = _statement(text, match, index, braces.group_at(position), names)
            if statement:
                yield statement if itself else replace(statement, aside=True)
            position = _end_of_tidy_string(text, position)
            if number := _BEFORE_BRACKETS.match(text, position):
                position = number.end()
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
    number = _number_at(text, begin, names) if _SURE.match(match["separator"]) else None
    if number and match["separator"] == "(":
        return after_brackets(text, number, Statement.of(index, number, group))
    if number and match["separator"] == "|":
        return of_row(text, number, names, Statement.of(index, number, group))
    if number:
        return Statement.of(index, number, group)
    value = _VALUE.match(text, begin)
    digits = value is not None and any(c.isnumeric() for c in value[0])
    if not digits and match["separator"] in ("(", "<", ">", "~"):
        return None  # a remark, not a statement
    return Statement(index, None, digits and match["separator"] not in ("(", ""), group)


def _number_at(text: str, begin: int, names: Names) -> re.Match[str] | None:
    """Match the number at a place; a comma behind it may end it where a class follows: "0.5,26-35: 0.5"."""
    number = STATED_NUMBER.match(text, begin)
    if number is None and (cut := _BEFORE_DIGIT.match(text, begin)):
        key = _NEXT_KEY.match(text, cut.end(), cut.end() + names.reach)
        if key and fold(key["name"]) in names.index:
            return STATED_NUMBER.match(text, begin, cut.end() - 1)
    return number


def _not_replaced(statements: list[Statement]) -> list[Statement]:
    """Leave out groups of objects before the last one whose numbers are a whole distribution."""
    whole = 0
    for group, stated in groupby(statements, key=attrgetter("group")):
        if _is_whole(_settle(_without_asides([*stated]))[0]):
            whole = max(whole, group)
    return [statement for statement in statements if statement.group >= whole]


def _without_asides(statements: Sequence[Statement]) -> list[Statement]:
    """Leave out statements with a word behind the class ("joy score") where it has one of its own."""
    own = {statement.position for statement in statements if not statement.aside}
    return [stated for stated in statements if not (stated.aside and stated.position in own)]


def _settle(statements: Sequence[Statement]) -> tuple[dict[int, float], set[int]]:
    """Return each class's number, the last that is stated, and the classes whose number cannot be read.

    Where some numbers are in per cent and all together sum to 100, the others are too: "80%, 15 and 5".
    """
    numbers, unclear = _last(statements)
    if len({statement.percent for statement in statements}) == 2:
        whole = [
            replace(statement, number=100 * statement.number)
            if statement.percent and statement.number is not None
            else statement
            for statement in statements
        ]
        in_percent, _ = _last(whole)
        if _is_whole(in_percent) and _off(in_percent) < _off(numbers):
            numbers = in_percent
    return numbers, unclear


def _last(statements: Iterable[Statement]) -> tuple[dict[int, float], set[int]]:
    """Return each class's last number, and the classes whose number cannot be read."""
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
