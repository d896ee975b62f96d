"""Closed loop: image + annotation -> CoT; image + CoT -> annotation; reward (eq. 1)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import fmean
from typing import Any

from rise_bench.annotations.answer_format import DEFAULT_FORMAT, AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.cot.given_cots import GivenCots
from rise_bench.cot.rollout_log import Rollout
from rise_bench.models.sampler import Prompt, Sampler
from rise_bench.prompts.templates import reason_prompt, reconstruct_prompt
from rise_bench.scoring.groundedness import MEASURE, Grounded
from rise_bench.scoring.rewards import RewardRule, cot_reward, r1_reward

#: Ground truth of a row, and its encoded pictures in order.
Sample = tuple[Gold, tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """Settings of the closed loop.

    Attributes:
        samples: Rollouts per sample (G).
        max_cot_length: Largest length of a chain of thought in tokens.
        max_reconstruction_length: Largest length of a reconstruction in tokens.
        answer_format: Style and unit of the answers.
        rule: Rule of the reward.
        step: Optimiser step of the sampled policy; 0 for a model that was not trained by this project.
    """

    samples: int = 8
    max_cot_length: int = 320
    max_reconstruction_length: int = 256
    answer_format: AnswerFormat = DEFAULT_FORMAT
    rule: RewardRule = field(default_factory=RewardRule)
    step: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the settings by the names under which a sweep records them."""
        data = asdict(self)
        del data["answer_format"]
        del data["rule"]["format_bonus"]  # of think-answer rewards only
        return data | {"unit": self.answer_format.unit, "max_pixels": self.answer_format.max_pixels}


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """Closed loop on a benchmark; training samples by itself, `annotate` uses a sampler."""

    spec: BenchmarkSpec
    settings: LoopSettings

    def reason_text(self, gold: Gold) -> str:
        """Return the prompt for a chain of thought."""
        return reason_prompt(self.spec, gold, self.settings.answer_format)

    def reconstruct_text(self, gold: Gold, cot: str) -> str:
        """Return the prompt for a reconstruction from a chain of thought."""
        return reconstruct_prompt(self.spec, gold, cot, self.settings.answer_format)

    def judge(
        self, gold: Gold, cot: str, reconstruction: str, *, grounded: Grounded | None = None, **known: Any
    ) -> Rollout:
        """Reward a chain of thought (eq. 1).

        Args:
            gold: Ground truth of the sample.
            cot: The chain of thought.
            reconstruction: Response of the model to image and chain of thought.
            grounded: Groundedness of the chain of thought; None if it was not judged.
            known: Further fields of the rollout, such as step, group and lengths.
        """
        verdict = cot_reward(
            gold,
            cot,
            reconstruction,
            self.settings.answer_format,
            rule=self.settings.rule,
            groundedness=grounded.score if grounded else None,
        )
        if grounded is not None:
            known["groundedness"], known["groundedness_worst_sentence"] = grounded.score, grounded.worst
            known["groundedness_measure"] = MEASURE
            known["paid"] = verdict.paid
        return Rollout.of(verdict, id=gold.id, cot=cot, reconstruction=reconstruction, **known)

    def verify(self, sampler: Sampler, given: GivenCots, batch: Sequence[Sample]) -> list[Rollout]:
        """Reward the given chains of thought of a batch of (ground truth, encoded images).

        Reward and similarity are means over the reconstructions; the text of the first is kept.
        """
        texts = [self.reconstruct_text(gold, given.texts[gold.id]) for gold, _ in batch]
        seen = self._reconstruct(sampler, given, [images for _, images in batch], texts)
        unseen = self._reconstruct(sampler, given, [()] * len(batch), texts) if given.blind else None
        empty = None
        if given.lift:
            asked = [self.reconstruct_text(gold, "") for gold, _ in batch]
            empty = self._reconstruct(sampler, given, [images for _, images in batch], asked)
        return [
            self._verified(
                gold,
                given.texts[gold.id],
                seen[i],
                unseen[i] if unseen else None,
                empty[i] if empty else None,
            )
            for i, (gold, _) in enumerate(batch)
        ]

    def _reconstruct(
        self,
        sampler: Sampler,
        given: GivenCots,
        images: Sequence[tuple[bytes, ...]],
        texts: Sequence[str],
    ) -> list[list[str]]:
        prompts = [Prompt(shown, text) for shown, text in zip(images, texts, strict=True)]
        return sampler.sample(prompts, given.reconstructions, self.settings.max_reconstruction_length)

    def _verified(
        self, gold: Gold, cot: str, seen: list[str], unseen: list[str] | None, empty: list[str] | None
    ) -> Rollout:
        rollouts = [self.judge(gold, cot, text, step=self.settings.step, group=0) for text in seen]
        reward = fmean(rollout.reward for rollout in rollouts)
        blind = lift = None
        if unseen:
            blind = fmean(self.judge(gold, cot, text, step=0, group=0).reward for text in unseen)
        if empty:
            form = replace(self.settings.answer_format, style="answer_only")
            rule = self.settings.rule
            lift = reward - fmean(r1_reward(gold, text, form, rule=rule).reward for text in empty)
        similarity = fmean(rollout.similarity for rollout in rollouts)
        return replace(rollouts[0], reward=reward, similarity=similarity, reward_blind=blind, lift=lift)

    def annotate(self, sampler: Sampler, batch: Sequence[Sample]) -> list[Rollout]:
        """Sample and reward the rollouts of a batch of (ground truth, encoded images)."""
        settings = self.settings
        prompts = [Prompt(images, self.reason_text(gold)) for gold, images in batch]
        cots = sampler.sample(prompts, settings.samples, settings.max_cot_length)
        triples = [(*sample, cot) for sample, texts in zip(batch, cots, strict=True) for cot in texts]
        prompts = [Prompt(images, self.reconstruct_text(gold, cot)) for gold, images, cot in triples]
        answers = sampler.sample(prompts, 1, settings.max_reconstruction_length)
        return [
            self.judge(gold, cot, texts[0], step=settings.step, group=0)
            for (gold, _, cot), texts in zip(triples, answers, strict=True)
        ]
