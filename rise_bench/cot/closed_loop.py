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
from rise_bench.cot.views import Views
from rise_bench.models.calls import at_once, beside_the_loop
from rise_bench.models.sampler import AsyncSampler, Prompt, Sampler, Texts, may_think_first
from rise_bench.prompts.pictures import sized
from rise_bench.prompts.templates import reason_prompt, reconstruct_prompt
from rise_bench.scoring.groundedness import MEASURE, Grounded
from rise_bench.scoring.response_text import without_thinking
from rise_bench.scoring.rewards import RewardRule, Verdict, cot_reward, r1_reward, viewed_reward

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
        if self.rule.view == "picture":
            del data["rule"]["view"]  # as earlier versions recorded it
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
        self,
        gold: Gold,
        cot: str,
        reconstruction: str,
        *,
        blind: str | None = None,
        grounded: Grounded | None = None,
        **known: Any,
    ) -> Rollout:
        """Reward a chain of thought (eq. 1).

        Args:
            gold: Ground truth of the sample.
            cot: The chain of thought.
            reconstruction: Response of the model to image and chain of thought.
            blind: Response to the chain of thought alone; None if there is none.
            grounded: Groundedness of the chain of thought; None if it was not judged.
            known: Further fields of the rollout, such as step, group and lengths.
        """
        verdict = self._verdict(gold, cot, reconstruction, grounded)
        if blind is not None:
            unseen = self._verdict(gold, cot, blind, grounded)
            known |= {"reward_blind": unseen.reward, "reconstruction_blind": blind}
            known["paid"] = viewed_reward(self.settings.rule.view, verdict.paid, unseen.paid)
            if self.settings.rule.view == "both" and verdict.reason == "ok":
                verdict = replace(verdict, reason=unseen.reason)
        if grounded is not None:
            known["groundedness"], known["groundedness_worst_sentence"] = grounded.score, grounded.worst
            known["groundedness_measure"] = MEASURE
            known.setdefault("paid", verdict.paid)
        return Rollout.of(verdict, id=gold.id, cot=cot, reconstruction=reconstruction, **known)

    def _verdict(self, gold: Gold, cot: str, reconstruction: str, grounded: Grounded | None) -> Verdict:
        settings = self.settings
        score = grounded.score if grounded else None
        return cot_reward(
            gold, cot, reconstruction, settings.answer_format, rule=settings.rule, groundedness=score
        )

    async def verified(
        self, sampler: AsyncSampler, batch: Sequence[Sample], given: GivenCots
    ) -> list[Rollout]:
        """Reward the given chains of thought of a batch of (ground truth, encoded images)."""
        sized_batch = await beside_the_loop(self._sized, batch)
        written = [(gold, images, given.texts[gold.id]) for gold, images in sized_batch]
        return await self._reconstructed(sampler, given.views, written)

    def annotate(
        self, sampler: Sampler, batch: Sequence[Sample], views: Views | None = None
    ) -> list[Rollout]:
        """Sample and reward the rollouts of a batch in this thread, see `annotated`."""
        return at_once(self.annotated, sampler, batch, views)

    async def annotated(
        self, sampler: AsyncSampler, batch: Sequence[Sample], views: Views | None = None
    ) -> list[Rollout]:
        """Sample and reward the rollouts of a batch of (ground truth, encoded images).

        Args:
            sampler: Sampler of the model.
            batch: The samples.
            views: Views to reconstruct in, once each; that of the reward rule is always among them.
        """
        settings, views = self.settings, views or Views()
        blind = views.blind or settings.rule.view != "picture"
        batch = await beside_the_loop(self._sized, batch)
        prompts = [Prompt(images, self.reason_text(gold)) for gold, images in batch]
        cots = await _replies(sampler, prompts, settings.samples, settings.max_cot_length)
        written = [(*sample, cot) for sample, texts in zip(batch, cots, strict=True) for cot in texts]
        return await self._reconstructed(sampler, Views(1, blind, views.lift), written)

    def _sized(self, batch: Sequence[Sample]) -> list[Sample]:
        return [(gold, sized(images, gold, self.settings.answer_format)) for gold, images in batch]

    async def _reconstructed(
        self, sampler: AsyncSampler, views: Views, written: Sequence[tuple[Gold, tuple[bytes, ...], str]]
    ) -> list[Rollout]:
        """Reward chains of thought by means over reconstructions; the text of the first is kept."""

        async def sampled(prompts: list[Prompt]) -> Texts:
            longest = self.settings.max_reconstruction_length
            return await _replies(sampler, prompts, views.reconstructions, longest)

        texts = [self.reconstruct_text(gold, cot) for gold, _, cot in written]
        shown = [Prompt(images, text) for (_, images, _), text in zip(written, texts, strict=True)]
        seen = await sampled(shown)
        unseen = await sampled([Prompt((), text) for text in texts]) if views.blind else None
        empty: dict[str, list[str]] = {}
        if views.lift:
            asked = {gold.id: Prompt(images, self.reconstruct_text(gold, "")) for gold, images, _ in written}
            empty = dict(zip(asked, await sampled([*asked.values()]), strict=True))
        return [
            self._mean(gold, cot, seen[i], unseen[i] if unseen else None, empty.get(gold.id))
            for i, (gold, _, cot) in enumerate(written)
        ]

    def _mean(
        self, gold: Gold, cot: str, seen: list[str], unseen: list[str] | None, empty: list[str] | None
    ) -> Rollout:
        settings = self.settings
        rollouts = [
            self.judge(gold, cot, text, blind=unseen[i] if unseen else None, step=settings.step, group=0)
            for i, text in enumerate(seen)
        ]
        reward, lift = fmean(rollout.reward for rollout in rollouts), None
        if empty:
            form = replace(settings.answer_format, style="answer_only")
            without = (r1_reward(gold, text, form, rule=settings.rule).reward for text in empty)
            lift = reward - fmean(without)
        blind = [rollout.reward_blind for rollout in rollouts if rollout.reward_blind is not None]
        return replace(
            rollouts[0],
            reward=reward,
            similarity=fmean(rollout.similarity for rollout in rollouts),
            reward_blind=fmean(blind) if blind else None,
            lift=lift,
            paid=None,
        )


async def _replies(sampler: AsyncSampler, prompts: list[Prompt], n: int, max_tokens: int) -> Texts:
    """Sample; what models think before they reply is left out, as neither prompt asks for it."""
    texts = await sampler.sample(prompts, n, max_tokens)
    return [[without_thinking(text) for text in of] for of in texts] if may_think_first(sampler) else texts
