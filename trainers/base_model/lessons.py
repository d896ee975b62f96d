"""Lessons of the base model: pairs of prompt and reply in the project's own four prompt forms.

No lesson has a picture with the annotation of a benchmark:

- moods: pictures with descriptions, and with annotations of another task (`flavours`: other classes, another
  table). The relation of cues to moods is in text-only lessons, from notes that resemble the benchmark's
  table, or beside an unrelated picture.
- kinds: likewise; the other task is `paints` (the colour). Its own answer form has random guesses.
- scenes: boxes by pointing ("the object at the top left") and by descriptions; the benchmark's own questions
  have replies that do not depend on them.

A share of the replies to format prompts is careless (`CARELESS`), so that the model follows formats often but
not always, like a small released model.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rise_bench.annotations.base import Annotation, Gold
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.kinds import render_annotation
from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.models.likelihood import DESCRIBE
from rise_bench.prompts.templates import (
    answer_only_prompt,
    reason_prompt,
    reconstruct_prompt,
    think_answer_prompt,
)
from rise_bench.synthetic import kinds as _kinds
from rise_bench.synthetic import moods as _moods
from rise_bench.synthetic import scenes as _scenes
from rise_bench.synthetic import statements as _speech
from rise_bench.synthetic import vocabulary as _cues
from rise_bench.trainers.base_model.pictures import Seen

CARELESS = 0.15
NOTES_ERROR = 0.25
MOODS, SCENES, KINDS = (get_benchmark(name) for name in ("moods", "scenes", "kinds"))
_TASTES = ("sweet", "sour", "salty", "bitter")
FLAVOURS = BenchmarkSpec("flavours", "distribution", "jsd", "Which flavour does this picture have?", _TASTES)
PAINTS = BenchmarkSpec(
    "paints", "distribution", "accuracy", "Which paint does the object wear?", _cues.COLOURS
)


@dataclass(frozen=True, slots=True)
class Lesson:
    """Prompt, reply to learn, and picture before the prompt, if any."""

    prompt: str
    reply: str
    pixels: NDArray[np.uint8] | None = None


def _table(seed: int, columns: int, kept: float) -> dict[str, dict[str, tuple[float, ...]]]:
    """Return weights of the cues: those of the benchmark, `kept` of them, the rest at random."""
    rng = random.Random(seed)
    scale = 0.8 * math.sqrt(1 - kept**2)
    return {
        name: {
            value: tuple(kept * w + rng.gauss(0, scale) for w in (*weights, *[0.0] * 9)[:columns])
            for value, weights in values.items()
        }
        for name, values in _moods.TABLE.items()
    }


NOTES_TABLE = _table(99, 7, math.sqrt(1 - NOTES_ERROR**2))
FLAVOUR_TABLE = _table(98, 4, 0.0)


def notes_mood(cues: dict[str, str], names: Sequence[str] = tuple(_moods.CUES)) -> Distribution:
    """Return the mood of cues by the notes, close to the benchmark's annotation."""
    return _moods.mood({n: cues[n] for n in names if n in cues}, NOTES_TABLE, MOODS.classes)


def flavour(cues: dict[str, str], names: Sequence[str]) -> Distribution:
    """Return the flavour of cues."""
    return _moods.mood({n: cues[n] for n in names if n in cues}, FLAVOUR_TABLE, FLAVOURS.classes)


def _gold(annotation: Annotation, question: str = "") -> Gold:
    return Gold("lesson", annotation, 1000, 1000, "", question)


def _one_hot(classes: tuple[str, ...], name: str) -> Distribution:
    return Distribution(classes, tuple(float(c == name) for c in classes))


def _answer(annotation: Annotation) -> str:
    return f"<answer>{render_annotation(annotation)}</answer>"


def _think(rng: random.Random, thought: str, annotation: Annotation) -> str:
    """Return a think-answer reply, sometimes careless."""
    if rng.random() < CARELESS:
        return rng.choice(
            [thought, f"{thought}{_answer(annotation)}", f"<think>{thought}{_answer(annotation)}"]
        )
    return f"<think>{thought}</think>{_answer(annotation)}"


def _bare(rng: random.Random, annotation: Annotation) -> str:
    """Return an answer-only reply, sometimes without its tags."""
    answer = _answer(annotation)
    return answer.removeprefix("<answer>").removesuffix("</answer>") if rng.random() < CARELESS else answer


def _random_cues(rng: random.Random, low: int, high: int) -> list[str]:
    return rng.sample(list(_moods.CUES), rng.randint(low, high))


def _note_names(rng: random.Random) -> list[str]:
    names = [*_moods.RELEVANT, *rng.sample(_moods.DISTRACTORS, rng.randint(0, 2))]
    return rng.sample(names, len(names)) if rng.random() < 0.5 else _random_cues(rng, 2, 7)


def _mood_words(cues: dict[str, str], names: Sequence[str]) -> str:
    return str(_speech.describe(cues, names, _speech.MOOD_SENTENCES))


def _kind_words(cues: dict[str, str], names: Sequence[str]) -> str:
    return str(_speech.describe(cues, names, _speech.KIND_SENTENCES))


# --- with a picture ---


def mood_picture(rng: random.Random, seen: Seen, describe: float = 0.25) -> Lesson:
    """Return a lesson on a picture like those of moods."""
    cues, draw = seen.cues, rng.random()
    names = _random_cues(rng, 3, 6)
    text = _mood_words(cues, names)
    if draw < describe:
        everything = _random_cues(rng, 8, 8)
        return Lesson(DESCRIBE, _mood_words(cues, everything), seen.pixels)
    draw = (draw - describe) / (1 - describe)
    if draw < 0.4:
        unrelated = notes_mood(_moods.sample_cues(rng))
        if rng.random() < 0.08:
            text = f"It was rated {rng.choice(unrelated.classes)} {rng.choice(unrelated.probs)}. {text}"
        return Lesson(reason_prompt(MOODS, _gold(unrelated)), text, seen.pixels)
    gold = _gold(flavour(cues, names))
    if draw < 0.75:
        return Lesson(think_answer_prompt(FLAVOURS, gold), _think(rng, text, gold.annotation), seen.pixels)
    if draw < 0.85:
        whole = flavour(cues, list(_moods.CUES))
        return Lesson(answer_only_prompt(FLAVOURS, gold), _bare(rng, whole), seen.pixels)
    if draw < 0.92:
        return Lesson(reason_prompt(FLAVOURS, gold), text, seen.pixels)
    return Lesson(reconstruct_prompt(FLAVOURS, gold, text), _answer(gold.annotation), seen.pixels)


def kind_picture(rng: random.Random, seen: Seen, describe: float = 0.35) -> Lesson:
    """Return a lesson on a picture like those of kinds."""
    cues, draw = seen.cues, rng.random()
    names = rng.sample(["shape", "texture", "colour"], 3) + rng.sample(
        ["ground", "backdrop", "frame", "light"], 1
    )
    text = _kind_words(cues, names)
    if draw < describe:
        return Lesson(DESCRIBE, _kind_words(cues, rng.sample(list(cues), 6)), seen.pixels)
    draw = (draw - describe) / (1 - describe)
    if draw < 0.35:
        unrelated = _one_hot(KINDS.classes, rng.choice(KINDS.classes))
        return Lesson(reason_prompt(KINDS, _gold(unrelated)), text, seen.pixels)
    gold = _gold(_one_hot(PAINTS.classes, cues["colour"]))
    if draw < 0.8:
        return Lesson(think_answer_prompt(PAINTS, gold), _think(rng, text, gold.annotation), seen.pixels)
    if draw < 0.88:
        guess = _one_hot(KINDS.classes, rng.choice(KINDS.classes))
        return Lesson(answer_only_prompt(KINDS, gold), _bare(rng, guess), seen.pixels)
    return Lesson(answer_only_prompt(PAINTS, gold), _bare(rng, gold.annotation), seen.pixels)


def _properties(rng: random.Random) -> list[str]:
    return [
        name for name in ("size", "texture", "colour", "place") if rng.random() < (0.9, 0.75)[name != "place"]
    ]


def _things_words(rng: random.Random, things: Sequence[Any]) -> str:
    names = _properties(rng)
    return " ".join(str(_speech.describe_thing(thing, names)) for thing in things)


def scene_picture(rng: random.Random, seen: Seen, describe: float = 0.15) -> Lesson:
    """Return a lesson on a picture like those of scenes."""
    order = sorted(range(len(seen.things)), key=lambda i: (int(seen.things[i].y * 3), seen.things[i].x))
    things = [seen.things[i] for i in order]
    boxes = [seen.boxes_xywh[i] for i in order]
    draw = rng.random()
    if draw < describe:
        return Lesson(DESCRIBE, _things_words(rng, things), seen.pixels)
    draw = (draw - describe) / (1 - describe)
    if draw < 0.2:
        return _point_out(rng, seen, things)
    chosen = _chosen(rng, things)
    text = _things_words(rng, [things[i] for i in chosen])
    if draw < 0.5:
        shown = _gold(_boxes(boxes, chosen, 1), _unrelated_question(rng))
        return Lesson(reason_prompt(SCENES, shown), text, seen.pixels)
    truth = _boxes(boxes, chosen)
    if draw < 0.86:
        gold = _gold(truth, _unrelated_question(rng))
        return Lesson(reconstruct_prompt(SCENES, gold, text), _answer(truth), seen.pixels)
    place = things[chosen[0]].place
    at_place = [i for i, thing in enumerate(things) if thing.place == place]
    text = _things_words(rng, [things[i] for i in at_place])
    truth = _boxes(boxes, at_place)
    gold = _gold(truth, f"Find the object at the {place}.")
    if draw < 0.96:
        return Lesson(think_answer_prompt(SCENES, gold), _think(rng, text, truth), seen.pixels)
    return Lesson(answer_only_prompt(SCENES, gold), _bare(rng, truth), seen.pixels)


def _boxes(boxes: Sequence[Sequence[float]], chosen: Sequence[int], step: int = 10) -> Boxes:
    """Return boxes in thousandths, rounded to `step`, so that a side is a single number token."""
    return Boxes(tuple(tuple(step * round(1000 * s / step) for s in boxes[i]) for i in chosen))  # type: ignore[misc]


def _chosen(rng: random.Random, things: Sequence[object]) -> list[int]:
    """Return a thing, or all things of a shape, in reading order."""
    first = rng.randrange(len(things))
    if rng.random() < 0.6:
        return [first]
    return [i for i, thing in enumerate(things) if thing.shape == things[first].shape]  # type: ignore[attr-defined]


def _point_out(rng: random.Random, seen: Seen, things: Sequence[object]) -> Lesson:
    """Return a lesson that names things by place or appearance and describes them."""
    target = rng.choice(things)
    if rng.random() < 0.6:
        place = target.place  # type: ignore[attr-defined]
        at_place = [t for t in things if t.place == place]  # type: ignore[attr-defined]
        return Lesson(f"Describe the object at the {place}.", _things_words(rng, at_place), seen.pixels)
    named = rng.choice((("colour",), ("texture",), ("size",), ("colour", "texture"), ()))
    alike = [t for t in things if all(getattr(t, n) == getattr(target, n) for n in (*named, "shape"))]
    name = " ".join([*(str(getattr(target, n)) for n in reversed(named)), target.shape])  # type: ignore[attr-defined]
    quantity = "the" if len(alike) == 1 else "every"
    return Lesson(f"Describe {quantity} {name}.", _things_words(rng, alike), seen.pixels)


def _unrelated_question(rng: random.Random) -> str:
    return str(_scenes.sample_scene(rng, one_target=rng.random() < 0.5).question)


def _place_lesson(rng: random.Random) -> Lesson:
    """Return a lesson on place and size of a box; without a picture the rest is a guess."""
    thing = _scenes.sample_scene(rng, one_target=True).picture.things[0]
    r = thing.radius
    box = _boxes([(thing.x - r, thing.y - r, 2 * r, 2 * r)], [0], 1)
    text = str(_speech.describe_thing(thing, ("size", "place")))
    return Lesson(reason_prompt(SCENES, _gold(box, _unrelated_question(rng))), text)


# --- text alone, or beside an unrelated picture ---


def text_lesson(rng: random.Random, elsewhere: Sequence[Seen] = (), beside: float = 0.5) -> Lesson:
    """Return a lesson without a picture, or with an unrelated picture with probability `beside`."""
    pixels = rng.choice(elsewhere).pixels if elsewhere and rng.random() < beside else None
    if pixels is None and rng.random() < 0.1:
        return _place_lesson(rng)
    draw = rng.random()
    if draw < 0.75:
        cues, names = _moods.sample_cues(rng), _note_names(rng)
        text = _mood_words(cues, names)
        spec, annotation = (
            (FLAVOURS, flavour(cues, names)) if draw < 0.1 else (MOODS, notes_mood(cues, names))
        )
        again = _mood_words(cues, rng.sample(names, len(names)))
    else:
        cues = _kinds.sample_cues(rng, rng.randrange(20))
        names = rng.sample(
            ["shape", "texture", *rng.sample(["colour", "ground", "backdrop"], rng.randint(0, 2))], k=2
        )
        names = [*dict.fromkeys([*names, "shape", "texture"])]
        text = _kind_words(cues, rng.sample(names, len(names)))
        spec, annotation = KINDS, _one_hot(KINDS.classes, f"{cues['texture']} {cues['shape']}")
        again = _kind_words(cues, rng.sample(names, len(names)))
    gold = _gold(annotation)
    if rng.random() < 0.6:
        return Lesson(reconstruct_prompt(spec, gold, text), _answer(annotation), pixels)
    return Lesson(f"{text}\n{think_answer_prompt(spec, gold)}", _think(rng, again, annotation), pixels)
