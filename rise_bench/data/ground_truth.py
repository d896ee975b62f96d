"""What `build` and `check` ask of a ground truth beyond its schema: the right answer is read and scores 1."""

import json
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence

from rise_bench.annotations.base import Gold
from rise_bench.annotations.boxes.metrics import MAX_STATED
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.kinds import render_gold
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.prompts.clean_text import clean_cot
from rise_bench.prompts.templates import answer_only_text, task_sentence
from rise_bench.scoring.response import read_response
from rise_bench.scoring.scores import SampleScore, score_response

#: How far the score of the right answer may be from the best one.
TOLERANCE = 1e-6

_DIGITS = 6
_PLACEHOLDER = re.compile(r"\{(category|question)\}")


def spec_problem(spec: BenchmarkSpec, categories: Sequence[str] = ()) -> str:
    """Say why a benchmark's classes or question cannot be asked about and read; empty if they can.

    Args:
        spec: The benchmark.
        categories: Classes of the boxes.
    """
    for name in (*spec.classes, *categories):
        if problem := _text_problem(name) or ("is empty" if not name.strip() else ""):
            return f"class {name!r} {problem}; rename it"
        if any(unicodedata.category(sign) == "Cc" for sign in name):
            return f"class {name!r} holds a line break or a tab; rename it"
    if problem := _text_problem(spec.question):
        return f"the question {spec.question!r} {problem}; reword it"
    if spec.kind == "boxes":
        if len(categories) > 1 and not _PLACEHOLDER.search(spec.question):
            return f"the question {spec.question!r} does not name the class; write {{category}} where it goes"
        return ""
    return _unread_class(spec.classes)


def _unread_class(classes: tuple[str, ...]) -> str:
    """Read an answer that gives every class its own number, and say which class does not get it back."""
    total = len(classes) * (len(classes) + 1) / 2
    numbers = [(i + 1) / total for i in range(len(classes))]
    read = _read(classes, {name: f"{number:.12f}" for name, number in zip(classes, numbers, strict=True)})
    wrong = [
        i for i, number in enumerate(numbers) if not (read and math.isclose(number, read[i], rel_tol=1e-6))
    ]
    alone = (problem for i in wrong if (problem := _unread_alone(classes, i)))
    together = (
        "the classes cannot be read from one answer: a name holds a number or looks like another; rename it"
    )
    return next(alone, together) if wrong else ""


def _unread_alone(classes: tuple[str, ...], index: int) -> str:
    """Read an answer that gives everything to one class."""
    read = _read(classes, {classes[index]: "1.0"})
    if 1.0 not in read:
        return f"class {classes[index]!r} cannot be read in an answer; give it a name of letters and digits"
    other = read.index(1.0)
    if other == index:
        return ""
    return (
        f"classes {classes[index]!r} and {classes[other]!r} cannot be told apart in an answer (case, signs "
        "and spaces do not count); rename one"
    )


def _read(classes: tuple[str, ...], numbers: Mapping[str, str]) -> tuple[float, ...]:
    stated = ", ".join(f"{json.dumps(name, ensure_ascii=False)}: {n}" for name, n in numbers.items())
    answer = answer_only_text(f"{{{stated}}}")
    reading = read_response(answer, "distribution", classes, style="answer_only")
    return reading.annotation.probs if isinstance(reading.annotation, Distribution) else ()


def sample_problem(spec: BenchmarkSpec, gold: Gold) -> str:
    """Say why no answer to a sample can be right; empty if the right answer scores 1 and an empty one 0."""
    return truth_problem(spec, gold) or answers_problem(spec, right_answer(gold), empty_answer(gold))


def truth_problem(spec: BenchmarkSpec, gold: Gold) -> str:
    """Say what is wrong with a sample's question or boxes; empty if nothing is."""
    for name, text in (("question", gold.question), ("class", gold.category)):
        if problem := _text_problem(text):
            return f"the {name} {text!r} {problem}"
    for name in _PLACEHOLDER.findall(spec.question):
        if not getattr(gold, name).strip():
            return f"it has no {name}, which {spec.question!r} asks for"
    if not task_sentence(spec, gold).strip():
        return "it has no question"
    return _boxes_problem(gold, gold.annotation) if isinstance(gold.annotation, Boxes) else ""


def answers_problem(spec: BenchmarkSpec, right: SampleScore, empty: SampleScore) -> str:
    """Say which of a sample's two known answers has not the score that it must have; empty if both have."""
    problems = []
    perfect = right.similarity >= 1 - 1e-3 and right.format_ok and (right.jsd or 0.0) <= TOLERANCE
    if not perfect or (spec.metric == "accuracy" and not right.correct):
        problems.append(f"its true answer scores {right.similarity:g} ({right.reason})")
    if empty.similarity:
        problems.append(f"an empty answer scores {empty.similarity:g}")
    return ", and ".join(problems)


def right_answer(gold: Gold) -> SampleScore:
    """Score the ground truth, written as a model would write it."""
    text = answer_only_text(render_gold(gold, "px", digits=_DIGITS))
    return score_response(gold, text, unit="px", style="answer_only")


def empty_answer(gold: Gold) -> SampleScore:
    """Score a response without a word."""
    return score_response(gold, "", unit="px", style="answer_only")


def _boxes_problem(gold: Gold, boxes: Boxes) -> str:
    if len(boxes.xywh) > MAX_STATED:
        return f"{len(boxes.xywh)} boxes, and AP looks at {MAX_STATED} of a class in an image"
    for box in boxes.xywh:
        x, y, w, h = box
        if not (0 <= x + w / 2 <= gold.width_px and 0 <= y + h / 2 <= gold.height_px):
            return (
                f"box {box} has its centre outside the image of {gold.width_px} x {gold.height_px} px, so "
                "that hardly a pixel of it can be seen"
            )
    return ""


def _text_problem(text: str) -> str:
    """Say what a text may not hold where it enters a prompt."""
    for sign in text:
        if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") and sign not in "\n\t":
            return f"holds the control character U+{ord(sign):04X}"
    return "holds a tag or a special token" if clean_cot(text) != text.strip() else ""
