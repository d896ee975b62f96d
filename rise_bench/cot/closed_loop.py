"""The closed loop without training: image + annotation -> CoT; image + CoT -> annotation; reward (eq. 1)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rise_bench.annotations.answer_format import DEFAULT_FORMAT, AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.models.sampler import Prompt, Sampler
from rise_bench.prompts.templates import reason_prompt, reconstruct_prompt
from rise_bench.scoring.rewards import RewardRule, Verdict, cot_reward

_VERDICT = ("reward", "similarity", "leak_numbers", "leak_strict", "format_ok", "reason")


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """How a sample is annotated.

    Attributes:
        samples: Rollouts of each sample (G).
        max_cot_length: Tokens of a chain of thought.
        max_reconstruction_length: Tokens of a reconstruction.
        answer_format: How the model states boxes.
        rule: The reward.
        step: Optimiser step of the sampled policy; 0 for a model that was not trained here.
    """

    samples: int = 8
    max_cot_length: int = 320
    max_reconstruction_length: int = 256
    answer_format: AnswerFormat = DEFAULT_FORMAT
    rule: RewardRule = field(default_factory=RewardRule)
    step: int = 0

    def to_json(self) -> dict[str, Any]:
        """The settings by the names that the record of a sweep keeps them under."""
        data = asdict(self)
        asked = data.pop("answer_format")
        return data | {"unit": asked["unit"], "max_pixels": asked["max_pixels"]}


def closed_loop(
    spec: BenchmarkSpec,
    sampler: Sampler,
    settings: LoopSettings,
    batch: Sequence[tuple[Gold, bytes]],
) -> list[dict[str, Any]]:
    """Rows of the rollout log for a batch of samples: reason, reconstruct, judge."""
    n = settings.samples
    answer_format = settings.answer_format
    prompts = [Prompt(image, reason_prompt(spec, gold, answer_format)) for gold, image in batch]
    drawn = sampler.sample(prompts, n, settings.max_cot_length)
    pairs = [(gold, image, cot) for (gold, image), cots in zip(batch, drawn, strict=True) for cot in cots]
    again = [Prompt(image, reconstruct_prompt(spec, gold, cot, answer_format)) for gold, image, cot in pairs]
    answers = [texts[0] for texts in sampler.sample(again, 1, settings.max_reconstruction_length)]
    rows = []
    for (gold, _, cot), answer in zip(pairs, answers, strict=True):
        verdict = cot_reward(gold, cot, answer, answer_format, rule=settings.rule)
        row = {"id": gold.id, "step": settings.step, "group": 0, "cot": cot, "reconstruction": answer}
        rows.append(row | verdict_fields(verdict))
    return rows


def verdict_fields(verdict: Verdict) -> dict[str, Any]:
    """The part of a verdict that a rollout log keeps."""
    return {name: getattr(verdict, name) for name in _VERDICT}
