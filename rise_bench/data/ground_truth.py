"""Checks of ground truth by `build` and `check`: a correct answer parses and scores 1, an empty one 0."""

import re
import unicodedata
from collections.abc import Sequence

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.annotations.characters import fold_word, plain
from rise_bench.annotations.kinds import KINDS, kind_of, render_gold
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.prompts.clean_text import clean_cot
from rise_bench.prompts.templates import answer_only_text, task_sentence
from rise_bench.scoring.scores import SampleScore, score_response

#: Largest difference of a correct answer's score from the best.
TOLERANCE = 1e-6

_DIGITS = 6
_IN_PIXELS = AnswerFormat("answer_only", "px")
_PLACEHOLDER = re.compile(r"\{(category|question)\}")


def spec_problem(spec: BenchmarkSpec, categories: Sequence[str] = ()) -> str:
    """Return the problem of a benchmark's classes, those of its boxes (`categories`) or question, or ""."""
    for name in (*spec.classes, *categories):
        if problem := _text_problem(name) or ("is empty" if not name.strip() else ""):
            return f"class {name!r} {problem}; rename it"
        if any(unicodedata.category(sign) == "Cc" for sign in name):
            return f"class {name!r} holds a line break or a tab; rename it"
    if alike := look_alikes(categories):
        return (
            f"classes {alike[0]!r} and {alike[1]!r} differ only in case, blanks or Unicode form; join the two"
        )
    if problem := _text_problem(spec.question):
        return f"the question {spec.question!r} {problem}; reword it"
    if len(categories) > 1 and not _PLACEHOLDER.search(spec.question):
        return f"the question {spec.question!r} does not name the class; write {{category}} where it goes"
    return KINDS[spec.kind].class_problem(spec.classes)


def look_alikes(names: Sequence[str]) -> tuple[str, str] | None:
    """Return the first two names that differ only as `folded_category` folds them."""
    known: dict[str, str] = {}
    for name in names:
        other = known.setdefault(folded_category(name), name)
        if other != name:
            return other, name
    return None


def folded_category(name: str) -> str:
    """Return the name of a box class without case, repeated blanks, underscores and Unicode form."""
    return " ".join(map(fold_word, plain(name).replace("_", " ").split()))


def sample_problem(spec: BenchmarkSpec, gold: Gold) -> str:
    """Return why a sample's correct answer does not score 1 or an empty answer 0; empty if they do."""
    return truth_problem(spec, gold) or answers_problem(spec, right_answer(gold), empty_answer(gold))


def truth_problem(spec: BenchmarkSpec, gold: Gold) -> str:
    """Return the problem of a sample's question or annotation, or ""."""
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
    """Return which of a sample's two known answers has an unexpected score, or ""."""
    problems = []
    perfect = right.similarity >= 1 - 1e-3 and right.reading.format_ok
    judged = [metric for metric in (KINDS[spec.kind].metrics[0], spec.ranking) if metric.sample]
    if not perfect or any(abs(right.values[m.name] - m.best) > TOLERANCE for m in judged):
        problems.append(f"its true answer scores {right.similarity:g} ({right.reading.reason})")
    if empty.similarity:
        problems.append(f"an empty answer scores {empty.similarity:g}")
    return ", and ".join(problems)


def right_answer(gold: Gold) -> SampleScore:
    """Score the ground truth in the format of a response."""
    text = answer_only_text(render_gold(gold, _IN_PIXELS, digits=_DIGITS))
    return score_response(gold, text, _IN_PIXELS)


def empty_answer(gold: Gold) -> SampleScore:
    """Score an empty response."""
    return score_response(gold, "", _IN_PIXELS)


def _text_problem(text: str) -> str:
    """Return why a text may not enter a prompt, or ""."""
    for sign in text:
        if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") and sign not in "\n\t":
            return f"holds the control character U+{ord(sign):04X}"
    return "holds a tag or a special token" if clean_cot(text) != text.strip() else ""
