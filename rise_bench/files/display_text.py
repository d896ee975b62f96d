"""Check of text and dates from strangers before they are displayed.

Refused is text that could hide, overlay, reorder or imitate other text: invisible and bidirectional control
characters, blanks other than the plain blank, stacked or overlaid marks, compatibility forms (full-width,
mathematical, circled letters), and mixed alphabets of look-alike letters in a word.
"""

import re
import unicodedata
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

#: First possible day of a measurement with this project.
FIRST_DAY = date(2025, 1, 1)
#: Day of writing: an earlier clock is wrong.
_WRITTEN = date(2026, 11, 28)

_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
#: Invisible letters, marks and symbols: joiners, fillers, variation selectors.
_BLANK_LOOKING = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufff9-\ufffd"
    "\U00013441\U00013442\U00016fe4\U0001d159\U000e0100-\U000e01ef]"
)
#: Letters of Armenian, Thai and Lao that are compatibility forms in Unicode.
_LETTERS = "\u0587\u0e33\u0eb3\u0edc\u0edd"
_MOST_MARKS = 2  # Thai and Vietnamese have two on a letter
_OVERLAY = 1  # combining class of marks that strike a letter through
#: Alphabets with look-alike letters; a word uses only one of them.
_ALPHABETS = ("LATIN", "CYRILLIC", "GREEK", "COPTIC", "ARMENIAN", "CHEROKEE", "GEORGIAN", "LISU", "DESERET")


def check_line(text: str) -> str:
    """Return a line of text, which may be empty.

    Raises:
        ValueError: If it could mislead a reader; names the character and the replacement.
    """
    _check_characters(text, breaks=False)
    if text != " ".join(text.split()):
        raise ValueError("begins, ends or is spaced with more than one blank; leave single blanks")
    if (shown := _one_form(text)) != text:
        raise ValueError(f"holds compatibility or decomposed characters; write it as {shown!r}")
    for word in re.findall(r"[^\W\d_]+", text):
        alphabets = sorted({name for c in word if (name := _alphabet(c))})
        if len(alphabets) > 1:
            raise ValueError(
                f"mixes {' and '.join(alphabets)} letters in one word; write a word in one alphabet"
            )
    return text


def check_name(text: str) -> str:
    """Return a line with at least a letter or a digit; errors as `check_line`."""
    if not any(unicodedata.category(character)[0] in "LN" for character in check_line(text)):
        raise ValueError("holds no letter and no digit; write a name that can be read")
    return text


def check_paragraph(text: str) -> str:
    """Return text of several lines; alphabets, blanks and compatibility forms are not checked."""
    _check_characters(text, breaks=True)
    return text


def check_day(text: str, today: date | None = None) -> str:
    """Return a valid date, YYYY-MM-DD, from `FIRST_DAY` to the day after `today` (by the clock if None).

    Raises:
        ValueError: If it is another text or day.

    >>> check_day("2026-02-28", today=date(2026, 3, 1))
    '2026-02-28'
    """
    latest = (today or max(datetime.now(UTC).date(), _WRITTEN)) + timedelta(days=1)
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError("expected a date as YYYY-MM-DD")
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"the calendar has no such day ({error})") from error
    if not FIRST_DAY <= day <= latest:
        raise ValueError(f"expected a day from {FIRST_DAY} to today; write when it ran")
    return text


def tidy_line(text: str) -> str:
    """Return a line with the blanks and the Unicode form of `check_line`; other problems stay."""
    return " ".join(_one_form(text).split())


def _one_form(text: str) -> str:
    """Replace full-width, circled, mathematical and similar letters by plain letters; compose accents."""
    whole = unicodedata.normalize("NFC", text)
    return "".join(c if c in _LETTERS else unicodedata.normalize("NFKC", c) for c in whole)


def _check_characters(text: str, *, breaks: bool) -> None:
    marks = 0
    for before, character in pairwise("\n" + text):
        category = unicodedata.category(character)
        if breaks and character == "\n":
            marks = 0
            continue
        if category in _INVISIBLE_CATEGORIES or _BLANK_LOOKING.match(character):
            raise ValueError(f"holds the invisible character {_code(character)}; leave it out")
        if category == "Zs" and character != " ":
            raise ValueError(f"holds the blank {_code(character)}; write a plain one")
        marks = marks + 1 if category in ("Mn", "Me") else 0
        alone = marks == 1 and unicodedata.category(before)[0] not in "LM"
        struck = marks and (category == "Me" or unicodedata.combining(character) == _OVERLAY)
        if marks > _MOST_MARKS or alone or struck:
            where = "on no letter, across one, or as the third on one"
            raise ValueError(f"holds the mark {_code(character)} {where}; leave it out")


def _alphabet(letter: str) -> str:
    name = unicodedata.name(letter, "").partition(" ")[0]
    return name if name in _ALPHABETS else ""


def _code(character: str) -> str:
    return f"U+{ord(character):04X}"
