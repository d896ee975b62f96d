"""Lessons on counting and changes: the benchmarks' own questions, and a description of what answers them.

A chain of thought on counting describes what is counted. One on changes describes every numbered object as
it is in the second picture; the answer follows from it and the question.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from rise_bench.annotations.base import Annotation
from rise_bench.annotations.steps.values import Steps
from rise_bench.annotations.value.values import Value
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.models.likelihood import DESCRIBE
from rise_bench.prompts.templates import (
    answer_only_prompt,
    reason_prompt,
    reconstruct_prompt,
    think_answer_prompt,
)
from rise_bench.synthetic import changes as _changes
from rise_bench.synthetic import counting as _counting
from rise_bench.synthetic.statements import NOTHING, describe_thing, reading_order
from rise_bench.synthetic.vocabulary import SHAPES, Thing
from rise_bench.trainers.base_model.codes import cells_of
from rise_bench.trainers.base_model.lesson import (
    CHANGES,
    COUNTING,
    Choice,
    Lesson,
    answer,
    bare,
    choices_of,
    gold_of,
    think,
)
from rise_bench.trainers.base_model.pictures import Seen
from rise_bench.trainers.base_model.scene_lessons import description

DESCRIBE_SECOND = "Describe the second picture."


def count_picture(rng: random.Random, seen: Seen, topic: str = "any") -> Lesson:
    """Return a lesson on a picture of counting; `topic` is "describe", "point" (count) or "any"."""
    if topic == "describe" or (topic == "any" and rng.random() < 0.35):
        return description(rng, seen, DESCRIBE, (seen,))
    count, value = seen.row, Value(str(len(seen.row.counted)))
    lesson = _lesson(rng, COUNTING, value, count.question, _counted(count), (seen,))
    cells = [cells_of(seen)[i] for i in _in_order(count)]
    if lesson.prompt == answer_only_prompt(COUNTING, gold_of(value, count.question)):
        return replace(lesson, choices=(Choice(value.text, tuple(cells)),), question=count.question)
    lines = [describe_thing(count.picture.things[i]) for i in _in_order(count)]
    choices = choices_of(lines, cells) if lines else (Choice(NOTHING, ()),)
    return replace(lesson, choices=choices, question=count.question)


def change_picture(rng: random.Random, seen: Seen, topic: str = "any") -> Lesson:
    """Return a lesson on two pictures like those of changes; `topic` is "describe" or "any"."""
    draw = rng.random()
    if topic == "describe" or draw < 0.3:
        which = rng.random() < 0.5
        described = seen.second if which and seen.second else seen
        return description(rng, described, DESCRIBE_SECOND if which else DESCRIBE, seen.pictures)
    changes, cells = seen.row, cells_of(seen.second or seen)
    lesson = _lesson(rng, CHANGES, _calls(changes), changes.question, _everything(changes), seen.pictures)
    choices = choices_of([describe_thing(thing) for thing in changes.changed], cells)
    return replace(lesson, choices=choices, chosen_from=1)


def count_text(rng: random.Random, beside: tuple[Seen, ...]) -> Lesson:
    """Return a lesson on what number follows from a description of what is counted."""
    count = _counting.sample_count(rng, rng.randint(0, _counting.LARGEST_COUNT), SHAPES)
    value = Value(str(len(count.counted)))
    prompt = reconstruct_prompt(COUNTING, gold_of(value, count.question), _counted(count))
    return Lesson(prompt, answer(value), beside)


def change_text(rng: random.Random, beside: tuple[Seen, ...]) -> Lesson:
    """Return a lesson on what calls follow from the question and a description of the second picture."""
    changes = _changes.sample_changes(rng, rng.randint(1, _changes.MOST_CHANGES), out_of_domain=False)
    calls = _calls(changes)
    prompt = reconstruct_prompt(CHANGES, gold_of(calls, changes.question), _everything(changes))
    return Lesson(prompt, answer(calls), beside)


def _lesson(
    rng: random.Random,
    spec: BenchmarkSpec,
    truth: Annotation,
    question: str,
    text: str,
    shown: tuple[Seen, ...],
) -> Lesson:
    gold, draw = gold_of(truth, question), rng.random()
    if draw < 0.4:
        return Lesson(think_answer_prompt(spec, gold), think(rng, text, truth), shown)
    if draw < 0.6:
        return Lesson(reason_prompt(spec, gold), text, shown)
    if draw < 0.8:
        return Lesson(reconstruct_prompt(spec, gold, text), answer(truth), shown)
    return Lesson(answer_only_prompt(spec, gold), bare(rng, truth), shown)


def _counted(count: _counting.Count) -> str:
    return _sentences([count.picture.things[i] for i in _in_order(count)]) or NOTHING


def _in_order(count: _counting.Count) -> list[int]:
    """Return the positions of the counted things in reading order."""
    return [i for i in reading_order(count.picture.things) if i in count.counted]


def _everything(changes: _changes.Changes) -> str:
    return _sentences(changes.changed)


def _sentences(things: Sequence[Thing]) -> str:
    return " ".join(describe_thing(thing) for thing in things)


def _calls(changes: _changes.Changes) -> Steps:
    """Return the calls in the order of the objects, and of the functions for each."""
    functions = [name.split("(")[0] for name in _changes.FUNCTIONS]
    ordered = sorted(changes.calls, key=lambda call: (call.object, functions.index(call.name)))
    return Steps(_changes.FUNCTIONS, tuple(ordered))
