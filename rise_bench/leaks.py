r"""Find what a chain of thought gives away of its annotation (L of eq. 1).

The paper checks "for numerical content (probabilities or coordinate values)". Here any digit counts, and so
does a number in words where it has the sense of a probability or a coordinate ("eighty per cent"), because
that is how a policy would evade the digits; a plain count ("two dogs") is a cue, not a leak. With class names
given (`strict`), naming a class or an inflection of it counts too. Each leak is a span with a reason, so that
a person can see what was held against a text. Linear in the length of the text.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

_UNIT_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand"
)
_NUMBER_WORD = rf"(?:{'|'.join(sorted(_UNIT_WORDS.split(), key=len, reverse=True))})"
_SPELLED = rf"{_NUMBER_WORD}(?:(?:\s|-){{1,3}}+(?:and\s)?+{_NUMBER_WORD}){{0,6}}+"
_FRACTION = r"(?:half|halves|thirds?+|quarters?+|fifths?+|tenths?+)"
_QUANTITY = r"(?:probabilit(?:y|ies)|likelihood|chance|odds|confidence|score|weight|mass|percentage)"
_PLACE = r"(?:coordinates?+|pixels?+|width|height|corner|x|y)"
_NUMERAL_STARTS = (*_UNIT_WORDS.split(), "half", "halves", "third", "quarter", "fifth", "tenth")
_LETTERS = re.compile(r"[^\W_]+")
_ANY_DIGIT = re.compile(r"[\d½¼¾⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞⁰¹²³⁴-⁹₀-₉]")

_LEAK = re.compile(
    rf"(?P<coordinates>[\[\(]\s*+-?+\d++(?:[.,]\d++)?+(?:\s*+[,;]\s*+-?+\d++(?:\.\d++)?+)++\s*+[\]\)]?+)"
    rf"|(?P<percentage>\d++(?:[.,]\d++)?+\s*+(?:%|％|per\s?+cent\b|percent\b))"
    rf"|(?P<decimal>\d++[.,]\d++|\B\.\d++)"
    rf"|(?P<digits>{_ANY_DIGIT.pattern}++)"
    rf"|(?P<number_word>\b(?:"
    rf"{_SPELLED}\s?+(?:per\s?+cent\b|percent\b|%|pixels?+\b|px\b|out\sof\s{_NUMBER_WORD}\b|in\s{_NUMBER_WORD}\b)"
    rf"|(?:{_NUMBER_WORD}\s)?+point\s{_NUMBER_WORD}\b(?:\s{_NUMBER_WORD}\b){{0,6}}+"
    rf"|(?:an?\s|one\s|two\s|three\s|four\s)?+{_FRACTION}\s(?:of\s)?+(?:the\s|its\s|all\s)?+(?:{_QUANTITY}|width|height)\b"
    rf"|(?:{_QUANTITY}|{_PLACE})(?:\s(?:is|are|of|at|about|around|near|nearly|roughly|equals)){{0,3}}+\s"
    rf"(?:(?:an?\s|one\s)?{_FRACTION}|{_SPELLED})\b))",
    re.IGNORECASE,
)
_SUFFIXES = "s|es|d|ed|ing|ful|fully|fulness|ous|ously|ly|ness|y|ily|iness|ish"


@dataclass(frozen=True, slots=True)
class LeakSpan:
    """A piece of text that gives the annotation away: `text[start:end]` and why."""

    start: int
    end: int
    text: str
    reason: str


def find_leaks(text: str, *, classes: Iterable[str] = ()) -> tuple[LeakSpan, ...]:
    """Return the leaks of a text, in order.

    Args:
        text: A chain of thought.
        classes: Class names that may not be named either (`leak="strict"`); none for the paper's rule.

    >>> [(leak.text, leak.reason) for leak in find_leaks("joy at 80%, two dogs, eighty per cent")]
    [('80%', 'percentage'), ('eighty per cent', 'number_word')]
    >>> [leak.text for leak in find_leaks("A joyful scene.", classes=["joy"])]
    ['joyful']
    """
    words = _words(text)
    spans = _number_leaks(text, words) + _class_leaks(text, words, tuple(classes))
    return tuple(sorted(spans, key=lambda span: (span.start, span.end)))


def leak_verdicts(text: str, classes: Iterable[str]) -> tuple[bool, bool]:
    """Return whether a text leaks by the paper's rule, and whether it leaks by the strict one."""
    words = _words(text)
    numbers = bool(_number_leaks(text, words))
    return numbers, numbers or bool(_class_leaks(text, words, tuple(classes)))


def _number_leaks(text: str, words: set[str]) -> list[LeakSpan]:
    if not _ANY_DIGIT.search(text) and not any(word.startswith(_NUMERAL_STARTS) for word in words):
        return []  # the full pattern is slow, and most texts have nothing in them that could match
    return [LeakSpan(m.start(), m.end(), m.group(), str(m.lastgroup)) for m in _LEAK.finditer(text)]


def _class_leaks(text: str, words: set[str], classes: tuple[str, ...]) -> list[LeakSpan]:
    if not classes:
        return []
    pattern, starts = _class_pattern(classes)
    if not any(word.startswith(starts) for word in words):
        return []
    return [LeakSpan(m.start(), m.end(), m.group(), "class_name") for m in pattern.finditer(text)]


def _words(text: str) -> set[str]:
    return set(_LETTERS.findall(text.casefold()))


@lru_cache(maxsize=64)
def _class_pattern(classes: tuple[str, ...]) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """Return the pattern of the class names, and the starts of words without which it cannot match."""
    stems = sorted({stem for name in classes for stem in _stems(name)}, key=len, reverse=True)
    starts = tuple({_LETTERS.findall(stem)[0] for stem in stems})
    return re.compile(rf"\b(?:{'|'.join(stems)})(?:{_SUFFIXES})?\b", re.IGNORECASE), starts


def _stems(name: str) -> set[str]:
    """Forms of a class name to which a suffix may be added: sad(ness), angr(y), surpris(ing)."""
    words = re.findall(r"[^\W_]+", name)
    if not words:
        return set()
    start = "".join(re.escape(word) + r"[\s_-]*+" for word in words[:-1])
    last = words[-1].casefold()
    forms = {last}
    if last.endswith("ness") and len(last) > 6:
        forms.add(last[:-4])
    if last.endswith("er") and len(last) > 4:
        forms.add(last[:-2] + "r")
    if last.endswith(("e", "y")) and len(last) > 4:
        forms.add(last[:-1])
    return {start + re.escape(form) for form in forms}
