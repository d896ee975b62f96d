"""scenes: two or three objects and a question that one of them answers, or all of a shape."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from rise_bench.synthetic.placing import free_spots
from rise_bench.synthetic.vocabulary import TEXTURES, Picture, Thing, pair, picture_of

PLURALS = {"disc": "discs", "star": "stars", "ring": "rings", "cross": "crosses", "moon": "moons"}


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture, what is asked about it, and which of its things answer (indices into `picture.things`)."""

    picture: Picture
    question: str
    targets: tuple[int, ...]

    @property
    def category(self) -> str:
        """The shape of the targets, over which AP is averaged."""
        return self.picture.things[self.targets[0]].shape


def sample_scene(rng: random.Random, *, one_target: bool, held_out: bool | None = None) -> Scene:
    """Draw a scene.

    Args:
        rng: Random stream of the row.
        one_target: Ask for a single object by a description, else for all objects of a shape.
        held_out: True for targets with a held-out (shape, colour) pair; False to avoid such pairs; None for
            no restriction.
    """
    while True:
        scene = _attempt(rng, one_target, held_out)
        if scene is not None:
            return scene


def _attempt(rng: random.Random, one_target: bool, held_out: bool | None) -> Scene | None:
    pairs = [pair(rng, held_out if held_out is not None else rng.random() < 0.2)]
    shape = pairs[0][0]
    copies = 1 if one_target else rng.choice((1, 2, 2))
    count = max(copies + 1, rng.randint(2, 3))
    while len(pairs) < count:
        other = pair(rng, False if held_out is False else rng.random() < 0.2)
        if one_target or (other[0] == shape) == (len(pairs) < copies):
            pairs.append(other)
    things = _place(rng, pairs)
    if things is None:
        return None
    picture = picture_of(rng, things)
    if not one_target:
        return Scene(picture, f"Find every {shape}.", tuple(range(copies)))
    question = _question(rng, things)
    return None if question is None else Scene(picture, question, (0,))


def _place(rng: random.Random, pairs: list[tuple[str, str]]) -> tuple[Thing, ...] | None:
    """Put the things where none touches another; None if the dice leave no room."""
    spots = free_spots(
        rng, lambda: rng.uniform(0.15, 0.19) if rng.random() < 0.6 else rng.uniform(0.1, 0.115)
    )
    things: list[Thing] = []
    for (shape, colour), spot in zip(pairs, spots, strict=False):
        if spot is None:
            return None
        things.append(Thing(shape, colour, rng.choice(TEXTURES), *spot))
    return tuple(things)


def _question(rng: random.Random, things: tuple[Thing, ...]) -> str | None:
    """Ask for the first thing in a way that no other thing fits."""
    target, others = things[0], things[1:]
    draw = rng.random()
    if draw < 0.2:
        if all(target.radius > 1.2 * t.radius for t in others):
            return "Find the largest object."
        return "Find the smallest object." if all(1.2 * target.radius < t.radius for t in others) else None
    if draw < 0.4:
        edges: dict[str, Callable[[Thing], float]] = {
            "left": lambda t: t.x,
            "right": lambda t: 1 - t.x,
            "top": lambda t: t.y,
            "bottom": lambda t: 1 - t.y,
        }
        fitting = [e for e, far in edges.items() if all(far(target) + 0.1 < far(t) for t in others)]
        return f"Find the object nearest to the {rng.choice(fitting)} edge." if fitting else None
    for names in (("colour",), ("texture",), ("texture", "colour"), ("size", "colour"), ()):
        alike = [t for t in others if all(getattr(t, n) == getattr(target, n) for n in (*names, "shape"))]
        if not alike:
            properties = [getattr(target, n) for n in names]
            return f"Find the {' '.join([*properties, target.shape])}."
    return None
