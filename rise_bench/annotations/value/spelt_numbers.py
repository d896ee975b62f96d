"""Whole numbers in English words, from zero to below a billion."""

import re
from collections.abc import Iterator

_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SMALL = {word: n for n, word in enumerate(_UNITS)} | {word: 20 + 10 * n for n, word in enumerate(_TENS)}
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000}
_WORD = rf"(?:{'|'.join(sorted((*_SMALL, *_SCALES), key=len, reverse=True))})"

_JOIN = r"(?:\s*+-\s*+|(?:(?<=hundred)|(?<=thousand)|(?<=million))\s++and\s++|\s++(?!and\b))"

#: A number in words, in small letters: "twenty-one", "one hundred and five".
SPELT = rf"\b{_WORD}(?:{_JOIN}{_WORD})*+\b"
_SPELT = re.compile(SPELT)


def spelt_numbers(text: str) -> Iterator[tuple[int, int, int | None]]:
    """Yield start, end and number of each number in words; None for a row of words that is not a number.

    >>> list(spelt_numbers("twenty-one cubes, two four"))
    [(0, 10, 21), (18, 26, None)]
    """
    for match in _SPELT.finditer(text):
        yield match.start(), match.end(), _number(re.findall(_WORD, match[0]))


def _number(parts: list[str]) -> int | None:
    """Return the number of words, each smaller than what it follows, or None."""
    total, group, room, largest_scale = 0, 0, 100, 1_000_000_000
    for i, word in enumerate(parts):
        if word in _SMALL:
            value = _SMALL[word]
            if value >= room or (value == 0 and len(parts) > 1):
                return None
            group, room = group + value, 10 if value >= 20 else 1
        elif word == "hundred":
            if not 1 <= group <= 9 and i:
                return None
            group, room = max(group, 1) * 100, 100
        else:
            scale = _SCALES[word]
            if (group == 0 and i) or scale >= largest_scale:
                return None
            total, group, room, largest_scale = total + max(group, 1) * scale, 0, 100, scale
    return total + group


def in_digits(text: str) -> str:
    """Write the numbers of a text in digits.

    >>> in_digits("two and two hundred and one make four")
    '2 and 201 make 4'
    """
    pieces, position = [], 0
    for start, end, number in spelt_numbers(text):
        pieces += [text[position:start], text[start:end] if number is None else str(number)]
        position = end
    return "".join((*pieces, text[position:]))


def spell(number: int) -> str:
    """Return a whole number from 0 to 999 in words, tens and units joined by a hyphen.

    >>> spell(121)
    'one hundred twenty-one'
    """
    if number < 20:
        return _UNITS[number]
    if number < 100:
        tens, unit = divmod(number, 10)
        return _TENS[tens - 2] + (f"-{_UNITS[unit]}" if unit else "")
    hundreds, rest = divmod(number, 100)
    return f"{_UNITS[hundreds]} hundred" + (f" {spell(rest)}" if rest else "")
