"""What `build` and `check` ask of a ground truth beyond its schema: the right answer is read and scores 1."""

import re
import unicodedata
from collections.abc import Sequence

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import KINDS, kind_of, render_gold
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.prompts.clean_text import clean_cot
from rise_bench.prompts.templates import answer_only_text, task_sentence
from rise_bench.scoring.scores import SampleScore, score_response

#: How far the score of the right answer may be from the best one.
TOLERANCE = 1e-6

_DIGITS = 6
_IN_PIXELS = AnswerFormat("answer_only", "px")
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
    if len(categories) > 1 and not _PLACEHOLDER.search(spec.question):
        return f"the question {spec.question!r} does not name the class; write {{category}} where it goes"
    return KINDS[spec.kind].class_problem(spec.classes)


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
    return kind_of(gold.annotation).build_problem(gold)


def answers_problem(spec: BenchmarkSpec, right: SampleScore, empty: SampleScore) -> str:
    """Say which of a sample's two known answers has not the score that it must have; empty if both have."""
    problems = []
    perfect = right.similarity >= 1 - 1e-3 and right.reading.format_ok
    judged = [metric for metric in (KINDS[spec.kind].metrics[0], spec.ranking) if metric.sample]
    if not perfect or any(abs(right.values[m.name] - m.best) > TOLERANCE for m in judged):
        problems.append(f"its true answer scores {right.similarity:g} ({right.reading.reason})")
    if empty.similarity:
        problems.append(f"an empty answer scores {empty.similarity:g}")
    return ", and ".join(problems)


def right_answer(gold: Gold) -> SampleScore:
    """Score the ground truth, written as a model would write it."""
    text = answer_only_text(render_gold(gold, _IN_PIXELS, digits=_DIGITS))
    return score_response(gold, text, _IN_PIXELS)


def empty_answer(gold: Gold) -> SampleScore:
    """Score a response without a word."""
    return score_response(gold, "", _IN_PIXELS)


def _text_problem(text: str) -> str:
    """Say what a text may not hold where it enters a prompt."""
    for sign in text:
        if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") and sign not in "\n\t":
            return f"holds the control character U+{ord(sign):04X}"
    return "holds a tag or a special token" if clean_cot(text) != text.strip() else ""
