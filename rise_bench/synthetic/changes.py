"""drawn_changes: a picture and what one to four changes made of it.

Training and test pictures show discs, stars and crosses, and the background stays as it is. The out-of-domain
test shows rings and moons, and its second picture is seen by a camera that has turned and moved away.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from rise_bench.annotations.steps.values import Call
from rise_bench.synthetic.counting import OTHER_SHAPES, SEEN_SHAPES
from rise_bench.synthetic.placing import apart, free_spots
from rise_bench.synthetic.vocabulary import COLOURS, SHAPES, SIZES, TEXTURES, Picture, Thing, picture_of

MOST_CHANGES = 4

DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}

_VALUES = {
    "shape": SHAPES,
    "colour": COLOURS,
    "texture": TEXTURES,
    "size": SIZES,
    "position": tuple(DIRECTIONS),
}

FUNCTIONS = tuple(f"change_{name}({'|'.join(values)})" for name, values in _VALUES.items())
"""The vocabulary of the calls."""

_STEP = 0.2
_LARGEST = 0.135
_RADII = {"small": (0.07, 0.09), "large": (0.12, _LARGEST)}

#: Turns of the camera as cosine, sine and angle: whole numbers over one, which every machine divides alike.
_TURNS = ((40 / 41, 9 / 41, 0.2213), (24 / 25, 7 / 25, 0.2838))


@dataclass(frozen=True, slots=True)
class Changes:
    """Two pictures of the same things, what is asked about them, and the calls that lead to the second.

    `changed` are the things of the second picture as the camera of the first would see them.
    """

    before: Picture
    after: Picture
    changed: tuple[Thing, ...]
    question: str
    calls: tuple[Call, ...]


def sample_changes(rng: random.Random, number: int, *, out_of_domain: bool) -> Changes:
    """Draw two pictures.

    Args:
        rng: Random stream of the row.
        number: Number of changes, from 1 to `MOST_CHANGES`.
        out_of_domain: Draw other shapes, and move the camera before the second picture.
    """
    shapes = OTHER_SHAPES if out_of_domain else SEEN_SHAPES
    while True:
        things = _things(rng, shapes)
        changed = None if things is None else _changed(rng, things, number, shapes)
        if things is None or changed is None:
            continue
        calls, after = changed
        before = picture_of(rng, things)
        seen = replace(before, things=after)
        if out_of_domain:
            seen = replace(seen, things=_from_elsewhere(rng, after), grain=rng.getrandbits(32))
        return Changes(before, seen, after, _question(things), calls)


def _things(rng: random.Random, shapes: tuple[str, ...]) -> tuple[Thing, ...] | None:
    """Draw three or four things with room to grow, in different ninths of the picture."""
    things: list[Thing] = []
    for spot in (
        spot for _, spot in zip(range(rng.randint(3, 4)), free_spots(rng, lambda: _LARGEST), strict=False)
    ):
        if spot is None:
            return None
        x, y, _, angle = spot
        look = rng.choice(shapes), rng.choice(COLOURS), rng.choice(TEXTURES)
        things.append(Thing(*look, x, y, rng.uniform(*_RADII[rng.choice(SIZES)]), angle))
    return tuple(things) if len({thing.place for thing in things}) == len(things) else None


def _changed(
    rng: random.Random, things: tuple[Thing, ...], number: int, shapes: tuple[str, ...]
) -> tuple[tuple[Call, ...], tuple[Thing, ...]] | None:
    """Change things one after the other, each property of a thing once; at least two stay where they are."""
    open_ = [(place, name) for place in range(len(things)) for name in _VALUES]
    calls: list[Call] = []
    after, moved = list(things), 0
    for place, name in rng.sample(open_, len(open_)):
        if len(calls) == number:
            break
        thing = after[place]
        if name == "position":
            others = [other for at, other in enumerate(after) if at != place]
            moves = [value for value in DIRECTIONS if _fits(_moved(thing, value), others)]
            if not moves or moved + 2 >= len(things):
                continue
            value = rng.choice(moves)
            after[place], moved = _moved(thing, value), moved + 1
        else:
            values = shapes if name == "shape" else _VALUES[name]
            value = rng.choice([other for other in values if other != getattr(thing, name)])
            after[place] = _with(rng, thing, name, value)
        calls.append(Call(f"change_{name}", str(place + 1), value))
    return (tuple(calls), tuple(after)) if len(calls) == number else None


def _with(rng: random.Random, thing: Thing, name: str, value: str) -> Thing:
    if name == "size":
        return replace(thing, radius=rng.uniform(*_RADII[value]))
    return replace(thing, **{name: value})  # type: ignore[arg-type]


def _moved(thing: Thing, direction: str) -> Thing:
    right, down = DIRECTIONS[direction]
    return replace(thing, x=thing.x + _STEP * right, y=thing.y + _STEP * down)


def _fits(thing: Thing, others: list[Thing]) -> bool:
    """Whether a thing is inside the picture and apart from the others, however large each may become."""
    inside = all(0.07 + _LARGEST <= centre <= 0.93 - _LARGEST for centre in (thing.x, thing.y))
    return inside and all(apart(thing.x - o.x, thing.y - o.y, 2.1 * _LARGEST) for o in others)


def _from_elsewhere(rng: random.Random, things: tuple[Thing, ...]) -> tuple[Thing, ...]:
    """Return things as a camera sees them that has turned, moved away and to the side; all stay in view."""
    cosine, sine, angle = rng.choice(_TURNS)
    if rng.random() < 0.5:
        sine, angle = -sine, -angle
    shrink = 1.0
    while True:
        zoom = rng.uniform(0.72, 0.86) * shrink
        shrink *= 0.99
        right, down = rng.uniform(-0.05, 0.05), rng.uniform(-0.05, 0.05)
        seen = []
        for thing in things:
            x, y = thing.x - 0.5, thing.y - 0.5
            seen.append(
                replace(
                    thing,
                    x=0.5 + right + zoom * (x * cosine - y * sine),
                    y=0.5 + down + zoom * (x * sine + y * cosine),
                    radius=zoom * thing.radius,
                    angle=thing.angle + angle,
                )
            )
        if all(thing.radius <= centre <= 1 - thing.radius for thing in seen for centre in (thing.x, thing.y)):
            return tuple(seen)


def _question(things: tuple[Thing, ...]) -> str:
    """Name the things of the first picture, each with its number."""
    named = (
        f"object {number} is a {thing.size} {thing.texture} {thing.colour} {thing.shape} "
        f"{'in the centre' if thing.place == 'centre' else f'at the {thing.place}'}"
        for number, thing in enumerate(things, 1)
    )
    return f"In the first image {', '.join(named)}."
