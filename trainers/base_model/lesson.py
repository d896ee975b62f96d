"""A lesson of the base model, the tasks that are taught, and forms of replies.

A lesson is a pair of prompt and reply in the project's own prompt forms. A share of the replies to format
prompts is careless (`CARELESS`), so that the model follows formats often but not always, like a small
released model.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from rise_bench.annotations.base import Annotation, Gold
from rise_bench.annotations.kinds import render_annotation
from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.synthetic import vocabulary as _cues
from rise_bench.trainers.base_model.pictures import Seen

CARELESS = 0.15
MOODS, SCENES, KINDS, COUNTING, CHANGES = (
    get_benchmark(name) for name in ("moods", "scenes", "kinds", "drawn_counting", "drawn_changes")
)
_TASTES = ("sweet", "sour", "salty", "bitter")
FLAVOURS = BenchmarkSpec("flavours", "distribution", "jsd", "Which flavour does this picture have?", _TASTES)
PAINTS = BenchmarkSpec(
    "paints", "distribution", "accuracy", "Which paint does the object wear?", _cues.COLOURS
)
TAUGHT = (MOODS, SCENES, KINDS, COUNTING, CHANGES, FLAVOURS, PAINTS)


@dataclass(frozen=True, slots=True)
class Choice:
    """A point of a reply where an object of the picture is chosen.

    Attributes:
        text: Part of the reply that begins there; empty where nothing is left to choose.
        cells: Tokens of the objects that are asked for and not said yet.
    """

    text: str
    cells: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lesson:
    """Prompt, reply to learn, and the pictures before the prompt, if any.

    Attributes:
        prompt: Prompt.
        reply: Reply to learn.
        shown: Pictures.
        choices: Objects that the reply chooses, in order.
        chosen_from: Position of the picture that they are chosen from.
        question: Question that they answer; empty if something else than a question decides.
    """

    prompt: str
    reply: str
    shown: tuple[Seen, ...] = ()
    choices: tuple[Choice, ...] = ()
    chosen_from: int = 0
    question: str = ""


def choices_of(texts: Sequence[str], cells: Sequence[int]) -> tuple[Choice, ...]:
    """Return the choices of a list: a text for each object, and the end."""
    each = [Choice(text, tuple(cells[i:])) for i, text in enumerate(texts)]
    return (*each, Choice("", ()))


def gold_of(annotation: Annotation, question: str = "") -> Gold:
    """Return an annotation as that of a picture in thousandths."""
    return Gold("lesson", annotation, 1000, 1000, "", question)


def answer(annotation: Annotation) -> str:
    """Return a careful answer."""
    return f"<answer>{render_annotation(annotation)}</answer>"


def think(rng: random.Random, thought: str, annotation: Annotation) -> str:
    """Return a think-answer reply, sometimes careless."""
    if rng.random() < CARELESS:
        return rng.choice(
            [thought, f"{thought}{answer(annotation)}", f"<think>{thought}{answer(annotation)}"]
        )
    return f"<think>{thought}</think>{answer(annotation)}"


def bare(rng: random.Random, annotation: Annotation) -> str:
    """Return an answer-only reply, sometimes without its tags."""
    careful = answer(annotation)
    return careful.removeprefix("<answer>").removesuffix("</answer>") if rng.random() < CARELESS else careful
