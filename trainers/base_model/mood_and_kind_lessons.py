"""Lessons on moods and kinds.

None has a picture with the annotation of the benchmark:

- moods: pictures with descriptions, and with annotations of another task (`flavours`: other classes, another
  table). The relation of cues to moods is in lessons on text alone, from notes that resemble the benchmark's
  table, also beside an unrelated picture.
- kinds: likewise; the other task is `paints` (the colour).

The benchmarks' own answer forms have guesses: a random kind, and a mood of nothing or of one cue of another
picture, which is near the average.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from rise_bench.annotations.distribution.values import Distribution
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
from rise_bench.synthetic import statements as _speech
from rise_bench.trainers.base_model.lesson import (
    FLAVOURS,
    KINDS,
    MOODS,
    PAINTS,
    Lesson,
    answer,
    bare,
    gold_of,
    think,
)
from rise_bench.trainers.base_model.pictures import Seen

NOTES_ERROR = 0.25
DESCRIBED = 0.4
"""Share of the lessons with a picture that describe it."""


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


def _one_hot(classes: tuple[str, ...], name: str) -> Distribution:
    return Distribution(classes, tuple(float(c == name) for c in classes))


def _random_cues(rng: random.Random, low: int, high: int) -> list[str]:
    return rng.sample(list(_moods.CUES), rng.randint(low, high))


def _note_names(rng: random.Random) -> list[str]:
    names = [*_moods.RELEVANT, *rng.sample(_moods.DISTRACTORS, rng.randint(0, 2))]
    return rng.sample(names, len(names)) if rng.random() < 0.5 else _random_cues(rng, 2, 7)


def _mood_words(cues: dict[str, str], names: Sequence[str]) -> str:
    return str(_speech.describe(cues, names, _speech.MOOD_SENTENCES))


def _kind_words(cues: dict[str, str], names: Sequence[str]) -> str:
    return str(_speech.describe(cues, names, _speech.KIND_SENTENCES))


def mood_picture(rng: random.Random, seen: Seen) -> Lesson:
    """Return a lesson on a picture like those of moods."""
    cues, draw = seen.cues, rng.random()
    names = _random_cues(rng, 3, 6)
    text = _mood_words(cues, names)
    if draw < DESCRIBED:
        everything = _random_cues(rng, 8, 8)
        return Lesson(DESCRIBE, _mood_words(cues, everything), (seen,))
    draw = (draw - DESCRIBED) / (1 - DESCRIBED)
    if draw < 0.36:
        unrelated = notes_mood(_moods.sample_cues(rng))
        if rng.random() < 0.08:
            text = f"It was rated {rng.choice(unrelated.classes)} {rng.choice(unrelated.probs)}. {text}"
        return Lesson(reason_prompt(MOODS, gold_of(unrelated)), text, (seen,))
    gold = gold_of(flavour(cues, names))
    if draw < 0.7:
        return Lesson(think_answer_prompt(FLAVOURS, gold), think(rng, text, gold.annotation), (seen,))
    if draw < 0.77:
        guess = notes_mood(_moods.sample_cues(rng), rng.sample(_moods.RELEVANT, rng.randint(0, 1)))
        return Lesson(answer_only_prompt(MOODS, gold), bare(rng, guess), (seen,))
    if draw < 0.86:
        whole = flavour(cues, list(_moods.CUES))
        return Lesson(answer_only_prompt(FLAVOURS, gold), bare(rng, whole), (seen,))
    if draw < 0.92:
        return Lesson(reason_prompt(FLAVOURS, gold), text, (seen,))
    return Lesson(reconstruct_prompt(FLAVOURS, gold, text), answer(gold.annotation), (seen,))


def kind_picture(rng: random.Random, seen: Seen) -> Lesson:
    """Return a lesson on a picture like those of kinds."""
    cues, draw = seen.cues, rng.random()
    names = rng.sample(["shape", "texture", "colour"], 3) + rng.sample(
        ["ground", "backdrop", "frame", "light"], 1
    )
    text = _kind_words(cues, names)
    if draw < DESCRIBED:
        return Lesson(DESCRIBE, _kind_words(cues, rng.sample(list(cues), 6)), (seen,))
    draw = (draw - DESCRIBED) / (1 - DESCRIBED)
    if draw < 0.35:
        unrelated = _one_hot(KINDS.classes, rng.choice(KINDS.classes))
        return Lesson(reason_prompt(KINDS, gold_of(unrelated)), text, (seen,))
    gold = gold_of(_one_hot(PAINTS.classes, cues["colour"]))
    if draw < 0.8:
        return Lesson(think_answer_prompt(PAINTS, gold), think(rng, text, gold.annotation), (seen,))
    if draw < 0.88:
        guess = _one_hot(KINDS.classes, rng.choice(KINDS.classes))
        return Lesson(answer_only_prompt(KINDS, gold), bare(rng, guess), (seen,))
    return Lesson(answer_only_prompt(PAINTS, gold), bare(rng, gold.annotation), (seen,))


def mood_text(rng: random.Random, beside: tuple[Seen, ...]) -> Lesson:
    """Return a lesson on what mood, or sometimes flavour, follows from cues in words."""
    cues, names = _moods.sample_cues(rng), _note_names(rng)
    spec, annotation = (
        (FLAVOURS, flavour(cues, names)) if rng.random() < 0.13 else (MOODS, notes_mood(cues, names))
    )
    again = rng.sample(names, len(names))
    return _from_text(rng, spec, annotation, _mood_words(cues, names), _mood_words(cues, again), beside)


def kind_text(rng: random.Random, beside: tuple[Seen, ...]) -> Lesson:
    """Return a lesson on what kind follows from cues in words."""
    cues = _kinds.sample_cues(rng, rng.randrange(20))
    others = ("colour", "ground", "backdrop", "frame", "light")
    names = ["shape", "texture", *rng.sample(others, rng.randint(0, 5))]
    text, again = (_kind_words(cues, rng.sample(names, len(names))) for _ in range(2))
    kind = _one_hot(KINDS.classes, f"{cues['texture']} {cues['shape']}")
    return _from_text(rng, KINDS, kind, text, again, beside)


def _from_text(
    rng: random.Random,
    spec: BenchmarkSpec,
    annotation: Distribution,
    text: str,
    again: str,
    beside: tuple[Seen, ...],
) -> Lesson:
    gold = gold_of(annotation)
    if rng.random() < 0.6:
        return Lesson(reconstruct_prompt(spec, gold, text), answer(annotation), beside)
    return Lesson(f"{text}\n{think_answer_prompt(spec, gold)}", think(rng, again, annotation), beside)
