r"""Leaks: pieces of a chain of thought that reveal its annotation (L of eq. 1).

The paper checks "for numerical content (probabilities or coordinate values)". Here any digit counts, and a
number word that means a probability or a coordinate ("eighty per cent"), with which a policy would evade the
digits; a plain count ("two dogs") is a cue, not a leak. With class names (`strict`), a class or an inflection
of it counts too. Look-alike letters, invisible characters and spaced-out words are normalised first. A leak
is a span with a reason. Linear in the length of the text.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from rise_bench.annotations.characters import look, marks
from rise_bench.annotations.leak_rule import stated
from rise_bench.scoring.class_forms import class_forms, split_forms
from rise_bench.scoring.number_words import has_number_words, number_word_spans

_DIGITS = re.compile(
    r"(?P<coordinates>[\[\(]\s*+-?+\d++(?:[.,]\d++)?+(?:\s*+[,;]\s*+-?+\d++(?:\.\d++)?+)++\s*+[\]\)]?+)"
    r"|(?P<percentage>\d++(?:[.,]\d++)?+\s*+(?:%|per\s?+cent\b|percent\b))"
    r"|(?P<decimal>\d++[.,]\d++|\B\.\d++)"
    r"|(?P<digits>\d++)"
)
_DIGIT = re.compile("[0-9]")  # `look` writes digits of any script in ASCII
_HAN = r"[零〇一二三四五六七八九十百千万两兩壹贰叁肆伍陆柒捌玖拾佰仟]"
_HAN_NUMBER = re.compile(
    rf"百分之{_HAN}++|{_HAN}++分之{_HAN}++|{_HAN}++[点點・·]{_HAN}++|{_HAN}++[成割]"
    rf"|(?:(?<![㐀-鿿぀-ヿ])|占[约約了]?){_HAN}++(?![㐀-鿿぀-ヿ])"
)
#: Characters of scripts without spaces.
UNSPACED = (
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_UNSPACED = re.compile(UNSPACED)
_GAP = re.compile(r"[\s_\-—'.*/\"]{0,4}")
_NO_GAPS = {code: None for code in range(128) if _GAP.fullmatch(chr(code))}

#: Forms of names whose common parts are looked for; the search takes the square of their number.
_MOST_FORMS = 500


class LeakSpan(NamedTuple):
    """Piece of text that reveals the annotation: `text[start:end]`, and the reason."""

    start: int
    end: int
    text: str
    reason: str


def find_leaks(
    text: str,
    *,
    classes: Iterable[str] = (),
    texts: Iterable[str] = (),
    statements: tuple[re.Pattern[str], ...] = (),
    numbers: bool = True,
) -> tuple[LeakSpan, ...]:
    """Return the leaks of a text, in order; `**kind.secrets(…)._asdict()` are those of an annotation.

    Args:
        text: A chain of thought.
        classes: Class names that count as leaks (`leak="strict"`); empty for the paper's rule.
        texts: Texts of the annotation that count as leaks under both rules.
        statements: Patterns of statements that count under both rules; see `Secrets`.
        numbers: Whether any number counts.

    >>> [(leak.text, leak.reason) for leak in find_leaks("joy at 80%, two dogs, eighty per cent")]
    [('80%', 'percentage'), ('eighty per cent', 'number_word')]
    >>> [leak.text for leak in find_leaks("A joyful scene.", classes=["joy"])]
    ['joyful']
    """
    names = tuple(classes)
    seen, places = look(text)
    spans = [
        *(_number_leaks(seen, names) if numbers else ()),
        *_class_leaks(seen, names),
        *_text_leaks(seen, texts),
        *stated(seen, statements),
    ]
    return tuple(_span(text, places, *span) for span in sorted(spans))


def leak_verdicts(
    text: str,
    classes: Iterable[str],
    texts: Iterable[str] = (),
    statements: tuple[re.Pattern[str], ...] = (),
    numbers: bool = True,
) -> tuple[bool, bool]:
    """Return whether a text leaks by the paper's rule (`leak="numbers"`), and by the strict rule."""
    names = tuple(classes)
    seen, _ = look(text)
    leaks = (
        (numbers and _has_number(seen, names))
        or any(True for _ in _text_leaks(seen, texts))
        or any(True for _ in stated(seen, statements))
    )
    return leaks, leaks or any(True for _ in _class_leaks(seen, names))


def _has_number(seen: str, classes: tuple[str, ...]) -> bool:
    return (
        _DIGIT.search(seen) is not None
        or has_number_words(seen, classes)
        or (not seen.isascii() and _HAN_NUMBER.search(seen) is not None)
    )


def _span(text: str, places: list[int] | None, start: int, end: int, reason: str) -> LeakSpan:
    if places is not None:
        start, end = places[start], places[end - 1] + 1
    return LeakSpan(start, end, text[start:end], reason)


def _number_leaks(seen: str, classes: tuple[str, ...]) -> Iterator[tuple[int, int, str]]:
    for match in _DIGITS.finditer(seen) if _DIGIT.search(seen) else ():
        yield match.start(), match.end(), str(match.lastgroup)
    for start, end in number_word_spans(seen, classes):
        yield start, end, "number_word"
    if not seen.isascii():
        for match in _HAN_NUMBER.finditer(seen):
            yield match.start(), match.end(), "number_word"


def _class_leaks(seen: str, classes: tuple[str, ...]) -> Iterator[tuple[int, int, str]]:
    if not classes or (seen.isascii() and not _may_name(seen, classes)):
        return
    endings = split_forms(classes)
    pattern = _word_pattern(seen.isascii())
    letters = {
        word: word if word.isalnum() and word.isascii() else _joined(word)
        for word in set(pattern.findall(seen))
    }
    tokens = [] if endings.keys().isdisjoint(letters.values()) else list(pattern.finditer(seen))
    texts = [letters[match[0]] for match in tokens]
    for i, word in enumerate(texts):
        for before in endings.get(word, ()):
            first = i - len(before)
            if first >= 0 and tuple(texts[first:i]) == before and _adjacent(seen, tokens[first : i + 1]):
                yield tokens[first].start(), tokens[i].end(), "class_name"
                break
    for name in _unspaced_names(classes):
        for match in name.finditer(seen):
            yield match.start(), match.end(), "class_name"


def _text_leaks(seen: str, texts: Iterable[str]) -> Iterator[tuple[int, int, str]]:
    """Yield where a text stands, with any white space in it."""
    for text in texts:
        signs = r"\s*".join(re.escape(sign) for sign in text if not sign.isspace())
        for match in re.finditer(signs, seen):
            yield match.start(), match.end(), "annotation"


def _may_name(seen: str, classes: tuple[str, ...]) -> bool:
    """Whether an ASCII text may name a class; a fast check that most texts fail."""
    joined = seen.translate(_NO_GAPS)
    return any(part in joined for part in _parts_of_names(classes))


@lru_cache(maxsize=256)
def _parts_of_names(classes: tuple[str, ...]) -> tuple[str, ...]:
    """Return strings of which every form of a name, its words joined, contains at least one."""
    whole = {
        "".join((*before, form)) for form, sequences in class_forms(classes).items() for before in sequences
    }
    if len(whole) > _MOST_FORMS:
        return ("",)
    parts = (form for form in whole if not any(other in form for other in whole - {form}))
    return tuple(sorted(parts))


@lru_cache(maxsize=2)
def _word_pattern(ascii_only: bool) -> re.Pattern[str]:
    """Return the pattern of a word, also spelt in single letters."""
    inside = "[A-Za-z0-9]" if ascii_only else rf"(?:[^\W_]|[{marks()}])"
    return re.compile(rf"{inside}{{2,}}+|\b[a-z](?:[ \-—.*_]{{1,2}}[a-z](?!{inside})){{2,}}+|{inside}")


@lru_cache(maxsize=256)
def _unspaced_names(classes: tuple[str, ...]) -> list[re.Pattern[str]]:
    """Return the patterns of names in scripts without spaces, which count anywhere."""
    names = (look(name)[0] for name in classes)
    return [re.compile(rf"{re.escape(name)}(?![{marks()}])") for name in names if _UNSPACED.search(name)]


def _joined(word: str) -> str:
    """Return the letters of a word, also of one that is spelt in single letters."""
    return "".join(re.split(r"[ \-—.*_]+", word)).casefold()


def _adjacent(seen: str, tokens: list[re.Match[str]]) -> bool:
    """Whether only spaces, hyphens and the like separate the words."""
    return all(_GAP.fullmatch(seen, a.end(), b.start()) for a, b in pairwise(tokens))
