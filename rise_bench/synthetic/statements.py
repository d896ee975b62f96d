"""Statements: cues in words, and the check of a text's statements against a picture.

A statement is a sentence of one of the forms below; other sentences state nothing that can be checked and
are not counted, nor is a statement that its clause denies or supposes ("not", "if"). The check is
case-insensitive and reads only what is drawn, so it is exact.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rise_bench.synthetic.scenes import PLURALS
from rise_bench.synthetic.vocabulary import (
    COLOURS,
    FRAMES,
    GROUNDS,
    LAYOUTS,
    LIGHTS,
    SHAPES,
    SIZES,
    TEXTURES,
    Thing,
)

MOOD_SENTENCES = {
    "shape": "The shapes are {}.",
    "colour": "Their colour is {}.",
    "ground": "The ground is {}.",
    "backdrop": "The backdrop is {}.",
    "layout": "They form a {}.",
    "size": "Their size is {}.",
    "frame": "The frame is {}.",
    "light": "The light is {}.",
}
KIND_SENTENCES = {
    "shape": "The object is a {}.",
    "texture": "Its surface is {}.",
    "colour": "Its colour is {}.",
    "ground": "The ground is {}.",
    "backdrop": "The backdrop is {}.",
    "frame": "The frame is {}.",
    "light": "The light is {}.",
}
#: Description of no object.
NOTHING = "No object is like that."
PLACES = ("top left", "top right", "bottom left", "bottom right", "top", "bottom", "left", "right", "centre")

_SINGULAR = {plural: shape for shape, plural in PLURALS.items()}
_FORMS = {
    "shape": rf"\b(?:shapes are|object is an?) ({'|'.join((*_SINGULAR, *SHAPES))})\b",
    "colour": rf"\b(?:their|its) colour is ({'|'.join(COLOURS)})\b",
    "ground": rf"\bground is ({'|'.join(GROUNDS)})\b",
    "backdrop": rf"\bbackdrop is ({'|'.join(TEXTURES)})\b",
    "texture": rf"\bsurface is ({'|'.join(TEXTURES)})\b",
    "layout": rf"\bform an? ({'|'.join(LAYOUTS)})\b",
    "size": rf"\bsize is ({'|'.join(SIZES)})\b",
    "frame": rf"\bframe is ({'|'.join(FRAMES)})\b",
    # not "even darker"
    "light": rf"\blight is ({'|'.join(LIGHTS)})\b(?! (?!(?:over|under|after|ever|however)\b)\w+er\b)",
}
#: Words that turn what follows in the same clause.
_TURNED = re.compile(
    r"\b(?:not|never|hardly|if|whether|unless|wrong|false|untrue)\b[^.,;:!?\n]*\Z|n't\b[^.,;:!?\n]*\Z",
    re.IGNORECASE,
)
#: Characters before a statement in which such a word counts.
_CLAUSE = 80
_CUE = {cue: re.compile(form, re.IGNORECASE) for cue, form in _FORMS.items()}
_AT = rf"(?:at|in) the ({'|'.join(PLACES)})\b"
#: Where a clause may begin: at a mark, after "and", or behind an object.
_BEGIN = "|".join([r"(?<=[.,;:!?>\n(\"*-])", r"(?<=\band)", *(f"(?<={shape})" for shape in SHAPES), "^"])
#: A whole clause: what stands before or behind could turn its words ("It is wrong that", "that is blue").
_THING = re.compile(
    rf"(?:{_BEGIN})\s{{0,9}}(?P<said>(?:{_AT},? )?there is an? (?:({'|'.join(SIZES)}) )?"
    rf"(?:({'|'.join(TEXTURES)}) )?(?:({'|'.join(COLOURS)}) )?({'|'.join(SHAPES)})\b"
    rf"(?:,? {_AT}(?!,? there is\b))?)"
    rf"(?=\s{{0,9}}(?:[.,;:!?<\n)\"]|and\b|(?:{_AT},? )?there is\b|$))",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One checkable statement: the words of a text that make it, what it is about, and whether it holds."""

    text: str
    cue: str
    true: bool


def describe(cues: Mapping[str, str], names: Sequence[str], sentences: Mapping[str, str]) -> str:
    """Return one sentence for each named cue, in the given order."""
    values = {**cues, "shape": PLURALS[cues["shape"]]} if sentences is MOOD_SENTENCES else cues
    return " ".join(sentences[name].format(values[name]) for name in names)


def describe_thing(thing: Thing, names: Sequence[str] = ("size", "texture", "colour", "place")) -> str:
    """Return the sentence for one thing of a scene, with the named properties and always its shape."""
    properties = [getattr(thing, name) for name in ("size", "texture", "colour") if name in names]
    there = f"At the {thing.place} there" if "place" in names else "There"
    return f"{there} is a {' '.join([*properties, thing.shape])}."


def reading_order(things: Sequence[Thing]) -> list[int]:
    """Return the positions of things from left to right in each third, the top third first."""
    return sorted(range(len(things)), key=lambda i: (int(things[i].y * 3), things[i].x))


def statements(text: str, truth: Mapping[str, str] | Sequence[Thing]) -> tuple[Statement, ...]:
    """Return the checkable statements of a text, in order.

    Args:
        text: Any text.
        truth: Cues of a `moods` or `kinds` picture, or the things of a `scenes` picture. Statements about
            cues that its kind does not have are not counted.
    """
    placed: list[tuple[int, Statement]] = []
    if isinstance(truth, Mapping):
        for cue, form in _CUE.items():
            for match in _plain(form, text) if cue in truth else ():
                value = match[1].lower()
                holds = _SINGULAR.get(value, value) == truth[cue]
                placed.append((match.start(), Statement(match[0], cue, holds)))
    else:
        for match in _THING.finditer(text):
            properties = [word and word.lower() for word in match.groups()[1:7]]
            holds = any(_fits(thing, properties) for thing in truth)
            placed.append((match.start(), Statement(match["said"], "thing", holds)))
    return tuple(statement for _, statement in sorted(placed, key=lambda pair: pair[0]))


def stated_cues(text: str) -> dict[str, str]:
    """Return what a text says of the cues of a picture, true or not; the last statement of a cue counts."""
    stated = (
        (match.start(), cue, match[1].lower()) for cue, form in _CUE.items() for match in _plain(form, text)
    )
    return {cue: _SINGULAR.get(value, value) for _, cue, value in sorted(stated)}


def _plain(form: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Yield the matches that are said plainly: not denied, doubted or supposed."""
    for match in form.finditer(text):
        if not _TURNED.search(text[max(0, match.start() - _CLAUSE) : match.end()]):
            yield match


def false_statements(text: str, truth: Mapping[str, str] | Sequence[Thing]) -> tuple[Statement, ...]:
    """Return the statements of a text that do not hold; see `statements`."""
    return tuple(s for s in statements(text, truth) if not s.true)


def _fits(thing: Thing, stated: Sequence[str | None]) -> bool:
    seen = (thing.place, thing.size, thing.texture, thing.colour, thing.shape, thing.place)
    return all(word is None or word == value for word, value in zip(stated, seen, strict=True))
