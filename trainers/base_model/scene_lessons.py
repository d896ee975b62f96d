"""Lessons on scenes: what is where, in words and boxes.

Pictures go with boxes of what is described, and of what is pointed at in ways that the benchmark does not
use ("the object at the top left", "Point at the red star."). The benchmark's own questions come only with
replies that do not depend on them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from rise_bench.annotations.boxes.values import Boxes
from rise_bench.models.likelihood import DESCRIBE
from rise_bench.prompts.templates import (
    answer_only_prompt,
    reason_prompt,
    reconstruct_prompt,
    think_answer_prompt,
)
from rise_bench.synthetic import scenes as _scenes
from rise_bench.synthetic import statements as _speech
from rise_bench.synthetic.vocabulary import Thing
from rise_bench.trainers.base_model.lesson import SCENES, Lesson, answer, bare, gold_of, think
from rise_bench.trainers.base_model.pictures import Seen

HUNDREDTH = 10
"""Step of the sides of boxes, in thousandths: a side is then a single token and a nought."""


def reading_order(things: Sequence[Thing]) -> list[int]:
    """Return the positions of things from left to right in each third, the top third first."""
    return sorted(range(len(things)), key=lambda i: (int(things[i].y * 3), things[i].x))


def things_words(rng: random.Random, things: Sequence[Thing], complete: float = 0.7) -> str:
    """Return a sentence for each thing, with all properties or some."""
    names = ["size", "texture", "colour", "place"]
    if rng.random() > complete:
        names = [name for name in names if rng.random() < 0.75]
    return " ".join(_speech.describe_thing(thing, names) for thing in things)


def scene_picture(rng: random.Random, seen: Seen, topic: str = "any") -> Lesson:
    """Return a lesson on a picture like those of scenes; `topic` is "describe", "point" (boxes) or "any"."""
    order = reading_order(seen.things)
    things = [seen.things[i] for i in order]
    boxes = [seen.boxes_xywh[i] for i in order]
    draw = rng.random()
    if topic == "describe" or (topic == "any" and draw < 0.35):
        return Lesson(DESCRIBE, things_words(rng, things, 0.9), (seen,))
    question, chosen = _pointed(rng, things)
    text = things_words(rng, [things[i] for i in chosen])
    truth = _boxes(boxes, chosen, HUNDREDTH)
    draw = rng.random()
    if topic == "any" and draw < 0.25:
        return Lesson(question.replace("Point at", "Describe").replace("Find", "Describe"), text, (seen,))
    if topic == "any" and draw < 0.6:
        shown = gold_of(_boxes(boxes, chosen, 1), _either(rng, question))
        return Lesson(reason_prompt(SCENES, shown), text, (seen,))
    draw = rng.random()
    if draw < 0.4:
        return Lesson(
            reconstruct_prompt(SCENES, gold_of(truth, _either(rng, question)), text), answer(truth), (seen,)
        )
    if draw < 0.75:
        complete = things_words(rng, [things[i] for i in chosen], 0.9)
        return Lesson(
            think_answer_prompt(SCENES, gold_of(truth, question)), think(rng, complete, truth), (seen,)
        )
    return Lesson(answer_only_prompt(SCENES, gold_of(truth, question)), bare(rng, truth), (seen,))


def _boxes(boxes: Sequence[Sequence[float]], chosen: Sequence[int], step: int) -> Boxes:
    """Return boxes in thousandths, rounded to `step`."""
    return Boxes(tuple(tuple(step * round(1000 * s / step) for s in boxes[i]) for i in chosen))  # type: ignore[misc]


def _pointed(rng: random.Random, things: Sequence[Thing]) -> tuple[str, list[int]]:
    """Return a question for a thing by its place or looks, and the things that it fits, in reading order."""
    target = rng.choice(things)
    draw = rng.random()
    if draw < 0.3:
        chosen = [i for i, thing in enumerate(things) if thing.place == target.place]
        return f"Find the object at the {target.place}.", chosen
    if draw < 0.55:
        return f"Point at every {target.shape}.", [i for i, t in enumerate(things) if t.shape == target.shape]
    names: Sequence[str] = rng.choice(
        (("colour",), ("texture",), ("texture", "colour"), ("size", "colour"), ())
    )
    chosen = [
        i for i, t in enumerate(things) if all(getattr(t, n) == getattr(target, n) for n in (*names, "shape"))
    ]
    quantity = "the" if len(chosen) == 1 else "every"
    return f"Point at {quantity} {' '.join([*(getattr(target, n) for n in names), target.shape])}.", chosen


def _either(rng: random.Random, question: str) -> str:
    """Return the question, or one of the benchmark's that another picture goes with."""
    if rng.random() < 0.5:
        return question
    return _scenes.sample_scene(rng, one_target=rng.random() < 0.5).question


def place_text(rng: random.Random, _beside: tuple[Seen, ...]) -> Lesson:
    """Return a lesson on place and size of a box, without a picture, where the rest is a guess."""
    thing = _scenes.sample_scene(rng, one_target=True).picture.things[0]
    r = thing.radius
    box = _boxes([(thing.x - r, thing.y - r, 2 * r, 2 * r)], [0], 1)
    text = _speech.describe_thing(thing, ("size", "place"))
    return Lesson(reason_prompt(SCENES, gold_of(box, _either(rng, f"Point at the {thing.shape}."))), text, ())
