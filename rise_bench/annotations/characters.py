"""Characters as a reader sees them: which are invisible, which belong to a word, which look like others."""

import re
import unicodedata
from functools import cache

_WIDTHS = ("<wide>", "<narrow>", "<small>", "<font>", "<noBreak>")
_SIGNS = {
    **dict.fromkeys("“”„‟«»″", '"'),
    **dict.fromkeys("‘’‚‛′", "'"),
    "−": "-",
    "٪": "%",
    "\u2028": "\n",
    "\u2029": "\n",
}
#: Chinese marks in ASCII, with the blank that Chinese has no need of: "3、4" is not "3,4".
_CHINESE_MARKS = str.maketrans(dict(zip("。｡、､【】", (". ", ". ", ", ", ", ", "[", "]"), strict=True)))
#: Chinese characters, as the inside of a regular expression's set; their words have no ends.
HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_ASCII_WORD = re.compile(r"[^\W_]+")


def is_invisible(character: str) -> bool:
    """Whether a character leaves no mark: zero-width, soft hyphen, direction, variation selector."""
    return (
        unicodedata.category(character) == "Cf"
        or "\ufe00" <= character <= "\ufe0f"
        or "\U000e0100" <= character <= "\U000e01ef"
        or character in "\u034f\u115f\u1160\u3164\uffa0"
    )


class CharacterTable(dict[int, str]):
    """A table for `str.translate` that is filled as characters come; ASCII stays as it is."""

    def __missing__(self, code: int) -> str:
        """Return the replacement of a character, and remember it."""
        value = chr(code) if code < 128 else self.standing_for(chr(code))
        if len(self) < 20_000:
            self[code] = value
        return value

    def standing_for(self, character: str) -> str:
        """Return the replacement of a character that is not ASCII; empty for none."""
        if is_invisible(character):
            return ""
        if character in _SIGNS:
            return _SIGNS[character]
        if unicodedata.category(character) == "Zs":
            return " "
        if unicodedata.decomposition(character).startswith(_WIDTHS):
            return unicodedata.normalize("NFKC", character)
        return character


_PLAIN = CharacterTable()


def plain(text: str) -> str:
    """Write full-width forms, minus, percent signs, quotes and blanks in ASCII; leave out the invisible.

    >>> plain("“joy”： −０．８％")
    '"joy": -0.8%'
    """
    return text if text.isascii() else text.translate(_PLAIN)


def with_ascii_marks(text: str) -> str:
    """Write Chinese stops, enumeration commas and brackets in ASCII.

    >>> with_ascii_marks("【1、2】")
    '[1, 2]'
    """
    return text if text.isascii() else text.translate(_CHINESE_MARKS)


def unescaped(text: str) -> str:
    r"""Undo the escape of Markdown that names have.

    >>> unescaped(r"bbox\_2d")
    'bbox_2d'
    """
    return text.replace("\\_", "_")


@cache
def marks() -> str:
    """Return the combining marks (vowel signs, accents) as the inside of a regular expression's set."""
    ranges: list[list[int]] = []
    for code in range(0x20000):  # beyond are variation selectors only
        if unicodedata.category(chr(code))[0] == "M":
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


@cache
def _word_with_marks() -> re.Pattern[str]:
    return re.compile(rf"(?:[^\W_]|[{marks()}])+")


def split_words(text: str) -> list[str]:
    """Return the runs of letters, digits and their marks.

    >>> split_words("Band_Aid, कील")
    ['Band', 'Aid', 'कील']
    """
    return (_ASCII_WORD if text.isascii() else _word_with_marks()).findall(text)


def fold_word(word: str) -> str:
    """Fold case, composition and compatibility forms of a word; quadratic in a run of accents."""
    if word.isascii():
        return word.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", word).casefold())


def fold(name: str) -> str:
    """Fold case, blanks, hyphens, underscores and Unicode forms of a class name; empty if it has no word.

    >>> fold("Band-Aid") == fold("band aid"), fold("cafe\u0301") == fold("CAFÉ")
    (True, True)
    """
    return "".join(map(fold_word, split_words(plain(name))))


_TWINS = dict(
    zip(
        "аеорсухіјѕһԁԛԝкмтвнгпАВЕКМНОРСТУХІЈЅΑΒΕΖΗΙΚΜΝΟΡΤΥΧαεορικντυχηωƒɡıłøđħɑ℮",
        "aeopcyxijshdqwkmtbhrnabekmhopctyxijsabezhikmnoptyxaeopikvtuxnwfgilodhae",
        strict=True,
    )
)


class _LookAlikes(CharacterTable):
    """Look-alike of each character: a small letter without accents, a digit, or nothing."""

    def __missing__(self, code: int) -> str:
        value = super().__missing__(code)
        if code < 128:
            value = self[code] = value.lower()
        return value

    def standing_for(self, character: str) -> str:
        """Return the look-alike of a character that is not ASCII."""
        category = unicodedata.category(character)
        if character in _TWINS:
            return _TWINS[character]
        if category == "Pd":
            return "—" if character in "—―⸺⸻" else "-"
        if category in ("Nd", "Nl", "No") or character in "🔟💯":
            return str(unicodedata.digit(character, 1))
        if (category in ("Mn", "Me") and ord(character) < 0x370) or "\u20d0" <= character <= "\u20ff":
            return ""
        seen = super().standing_for(character)
        if seen == character:
            letters = unicodedata.normalize("NFKD", character)
            if letters[0].isascii() and letters[0].isalpha() and len(split_words(letters)[0]) == len(letters):
                bare = [c for c in letters if not unicodedata.combining(c)]
                seen = bare[0] if len(bare) == 1 else seen
        return seen.lower() if len(seen.lower()) == 1 else seen


_LOOKS = _LookAlikes()


def look(text: str) -> tuple[str, list[int] | None]:
    """Return a text as a reader sees it, in small letters, and the place of each character in the text.

    Accents, invisible characters, full width and letters that look like Latin ones are undone; digits of any
    script, in circles, superscript or as fractions, are a digit. The places are None if nothing was left out.

    >>> look("Еi\u00adghty ⑧ Café")[0]
    'eighty 8 cafe'
    """
    if text.isascii():
        return text.lower(), None
    seen = text.translate(_LOOKS)
    if len(seen) == len(text):
        return seen, None
    return seen, [i for i, character in enumerate(text) if _LOOKS[ord(character)]]
