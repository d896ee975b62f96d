"""Explanation of a score: reading, leaks, matched boxes, and reward."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from rise_bench.annotations.answer_format import DEFAULT_FORMAT, AnswerFormat
from rise_bench.annotations.base import Frame, Gold
from rise_bench.annotations.kinds import kind_of
from rise_bench.prompts.clean_text import clean_cot
from rise_bench.scoring.leaks import LeakSpan, find_leaks
from rise_bench.scoring.rewards import RewardRule, Verdict, cot_format_problem, cot_reward, r1_reward
from rise_bench.scoring.scores import SampleScore, score_response


@dataclass(frozen=True, slots=True)
class Explanation:
    """All inputs of a score.

    Attributes:
        gold: Ground truth.
        response: Text with the answer.
        cot: Text that is checked for leaks: the think part, or the chain of thought in the prompt of the
            closed loop.
        frame: Size of the full image in the unit of boxes.
        verdict: Reward and its terms (eq. 9, or eq. 1 for the closed loop); boxes in pixels.
        score: Reading of the answer, and metrics of this sample.
        leaks: Pieces of `cot` that reveal the annotation, class names included.
        matches: (index of the true box, index of the stated box, IoU), for boxes.
        equation: 9 or 1; leaks count in eq. 1 only.
        format_problem: Rule of the form that is broken; empty if none is.
    """

    gold: Gold
    response: str
    cot: str
    frame: Frame
    verdict: Verdict
    score: SampleScore
    leaks: tuple[LeakSpan, ...]
    matches: tuple[tuple[int, int, float], ...]
    equation: int
    format_problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the explanation as plain JSON values."""
        return asdict(self)


def explain_response(
    gold: Gold,
    response: str,
    *,
    cot: str | None = None,
    answer_format: AnswerFormat = DEFAULT_FORMAT,
    rule: RewardRule | None = None,
) -> Explanation:
    """Explain the score of a response.

    Args:
        gold: Ground truth of the sample.
        response: Raw response; with `cot`, the reconstruction.
        cot: Chain of thought of a reconstruction (eq. 1); None for a think-answer or answer-only response
            (eq. 9).
        answer_format: Format of the answer; a reconstruction is always the answer only.
        rule: Terms of the reward; the paper's if None.
    """
    kind = kind_of(gold.annotation)
    if cot is None:
        verdict = r1_reward(gold, response, answer_format, rule=rule)
    else:
        answer_format = replace(answer_format, style="answer_only")
        verdict = cot_reward(gold, cot, response, answer_format, rule=rule)
    score = score_response(gold, response, answer_format)
    text = score.reading.think if cot is None else clean_cot(cot)
    return Explanation(
        gold=gold,
        response=response,
        cot=text,
        frame=answer_format.frame(gold),
        verdict=verdict,
        score=score,
        leaks=find_leaks(text, **kind.secrets(gold.annotation, gold.category)._asdict()),
        matches=() if verdict.stated is None else kind.matches(gold.annotation, verdict.stated),
        equation=9 if cot is None else 1,
        format_problem="" if verdict.format_ok else _format_problem(cot, answer_format),
    )


def _format_problem(cot: str | None, answer_format: AnswerFormat) -> str:
    problem = "" if cot is None else cot_format_problem(cot)
    if problem:
        return f"chain of thought: {problem}"
    think = "<think>…</think>, with a word in it, and " if answer_format.style != "answer_only" else ""
    return f"expected {think}<answer>…</answer> around a valid annotation, and no other text"
