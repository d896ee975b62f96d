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
from rise_bench.trainers.base_model.codes import cells_of
from rise_bench.trainers.base_model.lesson import (
    SCENES,
    Lesson,
    answer,
    bare,
    choices_of,
    gold_of,
    think,
)
from rise_bench.trainers.base_model.pictures import Seen

HUNDREDTH = 10
"""Step of the sides of boxes, in thousandths: a side is then a single token and a nought."""


def sentences(rng: random.Random, things: Sequence[Thing], complete: float = 0.7) -> list[str]:
    """Return a sentence for each thing, with all properties or some."""
    names = ["size", "texture", "colour", "place"]
    if rng.random() > complete:
        names = [name for name in names if rng.random() < 0.75]
    return [_speech.describe_thing(thing, names) for thing in things]


def description(rng: random.Random, seen: Seen, prompt: str, shown: tuple[Seen, ...]) -> Lesson:
    """Return the lesson that describes all things of a picture."""
    order = _speech.reading_order(seen.things)
    lines = sentences(rng, [seen.things[i] for i in order], 0.9)
    cells = cells_of(seen)
    choices = choices_of(lines, [cells[i] for i in order])
    return Lesson(prompt, " ".join(lines), shown, choices, chosen_from=int(seen is not shown[0]))


def scene_picture(rng: random.Random, seen: Seen, topic: str = "any") -> Lesson:
    """Return a lesson on a picture like those of scenes; `topic` is "describe", "point" (boxes) or "any"."""
    draw = rng.random()
    if topic == "describe" or (topic == "any" and draw < 0.35):
        return description(rng, seen, DESCRIBE, (seen,))
    question, chosen = _pointed(rng, seen.things)
    things, cells = [seen.things[i] for i in chosen], [cells_of(seen)[i] for i in chosen]
    lines = sentences(rng, things)
    text, describing = " ".join(lines), choices_of(lines, cells)
    draw = rng.random()
    if topic == "any" and draw < 0.25:
        prompt = question.replace("Point at", "Describe").replace("Find", "Describe")
        return Lesson(prompt, text, (seen,), describing, question=question)
    if topic == "any" and draw < 0.6:
        shown = gold_of(_boxes(seen.boxes_xywh, chosen, 1), _either(rng, question))
        return Lesson(reason_prompt(SCENES, shown), text, (seen,), describing)
    truth = _boxes(seen.boxes_xywh, chosen, HUNDREDTH)
    pointing = choices_of([", ".join(f"{side:g}" for side in box) for box in truth.xywh], cells)
    draw = rng.random()
    if draw < 0.3:
        prompt = reconstruct_prompt(SCENES, gold_of(truth, _either(rng, question)), text)
        return Lesson(prompt, answer(truth), (seen,), pointing)
    if draw < 0.7:
        lines = sentences(rng, things, 0.9)
        reply = think(rng, " ".join(lines), truth)
        choices = (*choices_of(lines, cells), *pointing)
        prompt = think_answer_prompt(SCENES, gold_of(truth, question))
        return Lesson(prompt, reply, (seen,), choices, question=question)
    prompt = answer_only_prompt(SCENES, gold_of(truth, question))
    return Lesson(prompt, bare(rng, truth), (seen,), pointing, question=question)


def _boxes(boxes: Sequence[Sequence[float]], chosen: Sequence[int], step: int) -> Boxes:
    """Return boxes in thousandths, rounded to `step`."""
    return Boxes(tuple(tuple(step * round(1000 * s / step) for s in boxes[i]) for i in chosen))  # type: ignore[misc]


def _pointed(rng: random.Random, things: Sequence[Thing]) -> tuple[str, list[int]]:
    """Return a question for a thing by its place or looks, and the things that it fits, in reading order."""
    target, order = rng.choice(things), _speech.reading_order(things)
    draw = rng.random()
    if draw < 0.2:
        chosen = [i for i in order if things[i].place == target.place]
        return f"Find the object at the {target.place}.", chosen
    if draw < 0.55:
        return f"Point at every {target.shape}.", [i for i in order if things[i].shape == target.shape]
    names: Sequence[str] = rng.choice(
        (("colour",), ("texture",), ("texture", "colour"), ("size", "colour"), ())
    )
    chosen = [i for i in order if all(getattr(things[i], n) == getattr(target, n) for n in (*names, "shape"))]
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
