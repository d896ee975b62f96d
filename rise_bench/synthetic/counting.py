"""drawn_counting: up to eight small objects, and how many of them fit a description.

Training and test pictures show discs, stars and crosses; the out-of-domain test shows rings and moons only.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from rise_bench.synthetic.placing import free_spots
from rise_bench.synthetic.scenes import PLURALS
from rise_bench.synthetic.vocabulary import COLOURS, TEXTURES, Picture, Thing, picture_of

SEEN_SHAPES = ("disc", "star", "cross")
"""Shapes of training and in-domain test pictures."""

OTHER_SHAPES = ("ring", "moon")
"""Shapes of the out-of-domain test."""

LARGEST_COUNT = 6
MOST_THINGS = 8

_ASKED = (("shape",), ("colour",), ("texture",), ("colour", "shape"), ("texture", "shape"), ())
_Look = dict[str, str]


@dataclass(frozen=True, slots=True)
class Count:
    """A picture, what is asked about it, and the positions of the things that are counted."""

    picture: Picture
    question: str
    counted: tuple[int, ...]


def sample_count(rng: random.Random, count: int, shapes: tuple[str, ...]) -> Count:
    """Draw a picture and a question with a given answer.

    Args:
        rng: Random stream of the row.
        count: The answer, from 0 to `LARGEST_COUNT`.
        shapes: Shapes of the things.
    """
    while True:
        drawn = _attempt(rng, count, shapes)
        if drawn is not None:
            return drawn


def _attempt(rng: random.Random, count: int, shapes: tuple[str, ...]) -> Count | None:
    asked = rng.choice(_ASKED if count else _ASKED[:-1])
    wanted = {name: value for name, value in _look(rng, shapes).items() if name in asked}
    looks = [_look(rng, shapes) | wanted for _ in range(count)]
    others = rng.randint(max(1, 3 - count), MOST_THINGS - count) if asked else 0
    while len(looks) < count + others:
        other = _look(rng, shapes)
        if len(asked) > 1 and rng.random() < 0.5:  # right in one of two properties
            shared = rng.choice(asked)
            other[shared] = wanted[shared]
        if not wanted.items() <= other.items():
            looks.append(other)
    spots = [
        spot for _, spot in zip(looks, free_spots(rng, lambda: rng.uniform(0.07, 0.1)), strict=False) if spot
    ]
    if len(spots) < len(looks):
        return None
    order = rng.sample(range(len(looks)), len(looks))
    things = tuple(
        Thing(looks[i]["shape"], looks[i]["colour"], looks[i]["texture"], *spot)
        for i, spot in zip(order, spots, strict=True)
    )
    picture = picture_of(rng, things)
    counted = tuple(place for place, i in enumerate(order) if i < count)
    return Count(picture, f"How many {_named(wanted)} are there?", counted)


def _look(rng: random.Random, shapes: tuple[str, ...]) -> _Look:
    return {"texture": rng.choice(TEXTURES), "colour": rng.choice(COLOURS), "shape": rng.choice(shapes)}


def _named(wanted: _Look) -> str:
    """Return a description of several things.

    >>> _named({"colour": "red", "shape": "disc"}), _named({"texture": "plain"}), _named({})
    ('red discs', 'plain objects', 'objects')
    """
    properties = [value for name, value in wanted.items() if name != "shape"]
    return " ".join([*properties, PLURALS[wanted["shape"]] if "shape" in wanted else "objects"])
