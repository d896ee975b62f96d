"""The score of Reason-RFT's script, defects included, for results that are compared with the paper's.

It reads the raw response: see docs/decisions/reason_rft_score.md for what differs from the score of the kinds
`value` and `steps`, and why. Rules of eval/cal_score_benchmarks_for_open_source.py at d0a8070.
"""

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from rise_bench.annotations.metric import Metric
from rise_bench.annotations.reason_rft_numbers import finds_number

_ITEM = re.compile(r"(?<!\w)(\w++)\((\w++),\s*+'?(\w++)'?\)")

_Item = tuple[str, str, str]
#: What has to be equal in the four passes of the script, and what a pair is worth.
_PASSES: tuple[tuple[Callable[[_Item], tuple[str, ...]], float], ...] = (
    (lambda item: item, 1.0),
    (lambda item: item[:2], 0.5),
    (lambda item: (item[0], item[2]), 0.5),
    (lambda item: item[:1], 0.25),
)


def value_score(solution: str, response: str, *, enhance: bool = False) -> float:
    """Return 1 if a response states the solution by the script's rules for counting and structure, else 0.

    Args:
        solution: The true number or letter.
        response: Raw response; its first answer counts, or all of it without tags.
        enhance: As the script scores GPT-4o and Gemini: without tags, the solution anywhere in a text counts.
    """
    solution, inside = solution.strip(), _answer(response)
    answer = (response if inside is None else inside).strip()
    if answer == solution or (enhance and inside is None and solution in response):
        return 1.0
    try:
        return float(finds_number(answer, Fraction(solution.removesuffix("%"))))
    except (ValueError, ZeroDivisionError):
        return 0.0  # a letter has to be the whole answer


def steps_score(solution: str, response: str) -> float:
    """Return the script's score of calls, in [0, 1].

    An answer on a line of its own is not found: then the whole text is scored, with its chain of thought.
    Pairs are taken greedily in four passes over sets of calls. A set has no order, so that the script's own
    result depends on Python's hash seed (0.5 or 0.375 for the same answer); here calls are taken in the order
    of the text, which gives one of its results on every machine.
    """
    inside = next(
        (answer for line in response.split("\n") if (answer := _answer(line)) is not None), response
    )
    stated, true = _items(inside), _items(solution)
    if not stated or not true:
        return 0.0
    larger, total = max(len(stated), len(true)), 0.0
    for key, worth in _PASSES:
        for item in list(stated):
            partner = next((other for other in true if key(other) == key(item)), None)
            if partner is not None:
                total += worth / larger
                stated.remove(item)
                true.remove(partner)
    return total


def _answer(text: str) -> str | None:
    """Return what stands between the first tags of an answer, or None."""
    start = text.find("<answer>")
    end = text.find("</answer>", start) if start >= 0 else -1
    return text[start + len("<answer>") : end] if end >= 0 else None


def _items(text: str) -> list[_Item]:
    return list(dict.fromkeys((name, object_, value) for name, object_, value in _ITEM.findall(text)))


def reason_rft_metric(score: Callable[[str, str], float], render: Callable[[Any], str]) -> Metric:
    """Return the metric of a kind whose annotations are written by `render`."""
    return Metric(
        "reason_rft",
        "Reason-RFT",
        "Score of Reason-RFT's script, defects included",
        sample=lambda gold, stated: score(render(gold), f"<answer>{render(stated)}</answer>"),
        response=lambda gold, response: score(render(gold), response),
        beside=True,
    )
