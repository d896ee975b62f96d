"""Rewards of the paper: R of the closed loop (eq. 1) and R_R1 of think-answer training (eq. 9).

Both are the similarity of the stated annotation to the ground truth, or 0 if a term fails. The GRPO reward,
the quality score of a CoT row and `rise-bench explain` share the same verdict.
"""

import math
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import Literal

from rise_bench.annotations.answer_format import DEFAULT_FORMAT, AnswerFormat
from rise_bench.annotations.base import Annotation, Gold, SimilarityVariant
from rise_bench.annotations.kinds import kind_of, similarity
from rise_bench.errors import ConfigError
from rise_bench.prompts.clean_text import clean_cot
from rise_bench.scoring.groundedness import MEASURE, SWAPS, GroundedMeasure
from rise_bench.scoring.leaks import UNSPACED, leak_verdicts
from rise_bench.scoring.response import Reading, read_response

LeakRule = Literal["numbers", "strict"]
ResponseForm = Literal["think", "caption"]
GroundedRule = Literal["none", "gate", "multiply"]
RewardView = Literal["picture", "blind", "both"]

#: Reconstructions of a rollout in each view: whether the model sees the images.
RECONSTRUCTIONS: dict[RewardView, tuple[bool, ...]] = {
    "picture": (True,),
    "blind": (False,),
    "both": (True, False),
}

#: A word of two letters or more, or a character of a script without spaces.
_WORDS = re.compile(rf"{UNSPACED}|[^\W\d_]{{2,}}")
_MARKUP = re.compile(
    r"</?(?:think|answer)\s*+>|<\|[a-z_]{1,40}+\|>|\{[^{}:]{0,200}+:[^{}]{0,400}+\}", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class RewardRule:
    """Terms of the reward; the defaults are the paper's, the switches are its Table 5.

    Attributes:
        variant: Similarity variant.
        leak_term: Whether a CoT that leaks gets no reward (L of eq. 1).
        format_term: Whether a wrong format gets no reward (F of eqs. 1 and 9).
        format_bonus: Reason-RFT's sum instead of eq. 9's product: a right format is paid this much beside the
            similarity, and the sum is divided by its largest value. Needs `format_term` off; eq. 1 has none.
        response_form: Form that F of eq. 9 asks for: `think`, or `caption` of Reason-RFT, which has a summary
            and a caption before the think-answer form.
        length_weight: Weight of the length reward of Kimi k1.5 beside the similarity, Reason-RFT's 0.05; a
            response is right if its similarity is 1. Eq. 1 has none.
        length_from_step: Optimiser step from which it is paid.
        leak: Rule for leaks: the paper's `numbers` (or what a kind has in their place), or `strict`
            (class names too).
        upstream_leak_factor: Factor of the reward after a leak: 0 in the paper, 0.1 in the authors' code.
        grounded: Effect of groundedness on eq. 1, beyond the paper: `none`; `gate` gives no reward below the
            threshold; `multiply` gives a share that rises from 0 at the threshold to 1 one scale above it.
        grounded_threshold: Smallest groundedness, in nats.
        grounded_scale: Width in nats, above 0; `multiply` only.
        grounded_swaps: Number of other images that a CoT is compared on, at most.
        grounded_measure: Version of the measure; `token_mean` is that of runs by version 0.1.0.
        view: Reconstruction that eq. 1 scores: `picture`, the paper's, beside the images; `blind`, from the
            CoT alone; `both`, the smaller of the two rewards.

    Raises:
        ConfigError: `grounded_scale` is not above 0, `grounded_swaps` below 1, or `format_bonus` below 0, not
            finite, or beside `format_term`; or `length_weight` or `length_from_step` is below 0.
    """

    variant: SimilarityVariant = "paper"
    leak_term: bool = True
    format_term: bool = True
    format_bonus: float = 0.0
    response_form: ResponseForm = "think"
    length_weight: float = 0.0
    length_from_step: int = 800
    leak: LeakRule = "numbers"
    upstream_leak_factor: float = 0.0
    grounded: GroundedRule = "none"
    grounded_threshold: float = 0.0
    grounded_scale: float = 1.0
    grounded_swaps: int = SWAPS
    grounded_measure: GroundedMeasure = MEASURE
    view: RewardView = "picture"

    def __post_init__(self) -> None:
        if not 0 <= self.format_bonus < math.inf:
            raise ConfigError(
                f"reward.format_bonus = {self.format_bonus}: expected a number of at least 0. "
                "Set such a number."
            )
        if self.format_bonus and self.format_term:
            raise ConfigError(
                f"reward.format_bonus = {self.format_bonus}: a bonus replaces the format term. Set "
                "reward.format_term=false beside it."
            )
        if not (0 <= self.length_weight < math.inf and self.length_from_step >= 0):
            raise ConfigError(
                f"reward.length_weight = {self.length_weight}, reward.length_from_step = "
                f"{self.length_from_step}: expected numbers of at least 0. Set such numbers."
            )
        if not self.grounded_scale > 0:
            raise ConfigError(
                f"reward.grounded_scale = {self.grounded_scale}: expected nats above 0. Raise it."
            )
        if self.grounded_swaps < 1:
            raise ConfigError(
                f"reward.grounded_swaps = {self.grounded_swaps}: a CoT is compared on other images. "
                "Set at least 1."
            )


@dataclass(frozen=True, slots=True)
class Verdict:
    """A reward and its parts.

    Attributes:
        reward: Eq. 1 or 9, a number in [0, 1] (`literal` may exceed 1).
        similarity: S without the other terms; 0 if unreadable.
        leak_numbers: Whether the CoT contains a number, or what else is secret (always False for eq. 9).
        leak_strict: The same, or a class name (always False for eq. 9).
        format_ok: F of eqs. 1 and 9.
        reason: "ok", or why the stated annotation was unreadable.
        stated: The stated annotation, boxes in pixels of the original image; None if unreadable.
        grounded: Factor of the reward by groundedness, in [0, 1]; 1 if the rule does not use it.
    """

    reward: float
    similarity: float
    leak_numbers: bool
    leak_strict: bool
    format_ok: bool
    reason: str
    stated: Annotation | None
    grounded: float = 1.0

    @property
    def paid(self) -> float:
        """Reward of the policy: the reward times the factor of groundedness."""
        return self.reward * self.grounded


_PAPER_RULE = RewardRule()


@lru_cache
def _answer_only(answer_format: AnswerFormat) -> AnswerFormat:
    return replace(answer_format, style="answer_only")


def grounded_factor(groundedness: float, rule: RewardRule) -> float:
    """Return the factor of a reward by groundedness, in [0, 1].

    Args:
        groundedness: Groundedness of the CoT, in nats.
        rule: Terms of the reward.

    >>> grounded_factor(0.25, RewardRule(grounded="multiply", grounded_scale=0.5))
    0.5
    """
    above = groundedness - rule.grounded_threshold
    if rule.grounded == "multiply":
        return min(1.0, max(0.0, above / rule.grounded_scale))
    return 1.0 if rule.grounded == "none" or above >= 0 else 0.0


def viewed_reward(view: RewardView, reward: float, reward_blind: float) -> float:
    """Return the reward of a chain of thought in a view.

    Args:
        view: The view.
        reward: Reward of a reconstruction beside the images.
        reward_blind: Reward of a reconstruction from the chain of thought alone.

    >>> viewed_reward("both", 0.75, 0.5)
    0.5
    """
    if view == "both":
        return min(reward, reward_blind)
    return reward if view == "picture" else reward_blind


def cot_format_ok(cot: str) -> bool:
    """Whether a CoT is a narrative: at least three words, no tags, special tokens or JSON (F of eq. 1)."""
    three_words = len(list(islice(_WORDS.finditer(cot), 3))) == 3
    if "<" not in cot and "{" not in cot:
        return three_words
    return three_words and _MARKUP.search(cot) is None and clean_cot(cot) == cot.strip()


def cot_format_problem(cot: str) -> str:
    """Return the rule of F of eq. 1 that a CoT breaks; empty if its form is right.

    >>> cot_format_problem("It is blue."), cot_format_problem("A blue cup.")
    ('', 'fewer than three words of two letters or more')
    """
    if cot_format_ok(cot):
        return ""
    few = len(list(islice(_WORDS.finditer(cot), 3))) < 3
    return (
        "fewer than three words of two letters or more" if few else "tags, special tokens or JSON in the text"
    )


def read_stated(
    gold: Gold, text: str, answer_format: AnswerFormat = DEFAULT_FORMAT
) -> tuple[Annotation | None, Reading]:
    """Read a response and bring its boxes from the declared unit to pixels of the original image."""
    kind = kind_of(gold.annotation)
    reading = read_response(text, gold.kind, kind.classes_of(gold.annotation), style=answer_format.style)
    if reading.annotation is None:
        return None, reading
    return kind.rescale(reading.annotation, answer_format.frame(gold), gold.frame_px), reading


def cot_reward(
    gold: Gold,
    cot: str,
    reconstruction_text: str,
    answer_format: AnswerFormat = DEFAULT_FORMAT,
    *,
    rule: RewardRule | None = None,
    groundedness: float | None = None,
) -> Verdict:
    """Reward of a chain of thought by the annotation that was reconstructed from it (eq. 1).

    Args:
        gold: Ground truth of the sample.
        cot: Chain of thought R.
        reconstruction_text: Response of the model to the image and R alone.
        answer_format: Unit of boxes; a reconstruction is always the answer only.
        rule: Terms of the reward; the paper's if None.
        groundedness: Groundedness of the CoT, in nats, if the rule uses it.

    Raises:
        ValueError: The rule uses groundedness and none is given.
    """
    rule = rule or _PAPER_RULE
    if rule.grounded != "none" and groundedness is None:
        raise ValueError(f"the reward rule is grounded={rule.grounded}: it needs the groundedness of the CoT")
    stated, reading = read_stated(gold, reconstruction_text, _answer_only(answer_format))
    secrets = kind_of(gold.annotation).secrets(gold.annotation, gold.category)
    leak_numbers, leak_strict = leak_verdicts(clean_cot(cot), *secrets)
    score = 0.0 if stated is None else similarity(gold.annotation, stated, rule.variant)
    format_ok = reading.format_ok and cot_format_ok(cot)
    reward = score
    if rule.leak_term and (leak_strict if rule.leak == "strict" else leak_numbers):
        reward *= rule.upstream_leak_factor
    if rule.format_term and not format_ok:
        reward = 0.0
    factor = 1.0 if groundedness is None else grounded_factor(groundedness, rule)
    return Verdict(reward, score, leak_numbers, leak_strict, format_ok, reading.reason, stated, factor)


def r1_reward(
    gold: Gold,
    response: str,
    answer_format: AnswerFormat = DEFAULT_FORMAT,
    *,
    rule: RewardRule | None = None,
) -> Verdict:
    """Reward of a think-answer response (eq. 9): its similarity if the format is right, else 0.

    With `rule.format_bonus`, Reason-RFT's: (similarity + bonus of a right format) / (1 + bonus), in [0, 1].
    """
    rule = rule or _PAPER_RULE
    if rule.response_form == "caption":
        answer_format = replace(answer_format, style="caption")
    stated, reading = read_stated(gold, response, answer_format)
    score = 0.0 if stated is None else similarity(gold.annotation, stated, rule.variant)
    format_ok = reading.format_ok
    reward = 0.0 if rule.format_term and not format_ok else score
    reward = (reward + rule.format_bonus * format_ok) / (1 + rule.format_bonus)
    return Verdict(reward, score, False, False, format_ok, reading.reason, stated)
