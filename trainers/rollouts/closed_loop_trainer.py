"""The closed loop of RISE-CoT on TRL: image + annotation -> CoT -> image + CoT -> annotation.

What is experimental or private in TRL is in this module, `sampling_trainer`, `prefix_tree_trainer` and
`resuming`, and nowhere else: here `rollout_func`, `_tokenize_prompts` and `_generate_single_turn` of
`GRPOTrainer`, and an override of `_generate`. It is written against TRL 1.16; the tests compare
log-probabilities, masks and advantages with an independent recompute, so a release that moves one of them is
noticed.

A rollout is a pair of rows, CoT and reconstruction, which carry one reward. The policy gradient over both is
that of pi(R, A' | I, A), eq. 7 of the paper; with `gradient="cot"` the reconstruction is sampled but not
trained on. The reconstruction starts from a fresh prompt that holds the image and the CoT, never the
annotation. TRL rebuilds the image inputs of the forward from the prompts of the dataset, so `_generate`
writes the reconstruction prompts back into the caller's list.

With `reward.view=blind` the prompt of the reconstruction holds the CoT alone. With `both` a rollout has two
reconstructions, one beside the image and one without, and so three rows with one reward.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, TypeVar

from rise_bench.annotations.base import Gold
from rise_bench.cot.closed_loop import ClosedLoop
from rise_bench.scoring.rewards import RECONSTRUCTIONS, RewardView
from rise_bench.trainers.phases.resuming import ResumableGRPOTrainer

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # else TRL warns of `rollout_func` at every start

T = TypeVar("T")
Messages = list[dict[str, Any]]


Gradient = Literal["both", "cot"]


def rows_per_rollout(gradient: Gradient, view: RewardView = "picture") -> int:
    """Rows that a rollout takes in TRL's batches; `num_generations` is this times G."""
    return 1 + len(RECONSTRUCTIONS[view]) if gradient == "both" else 1


class ClosedLoopTrainer(ResumableGRPOTrainer):
    """GRPO whose rollouts close the loop; the last message of each prompt carries the sample's `id`."""

    _name = "RISE-CoT"

    def __init__(
        self, *, loop: ClosedLoop, golds: Mapping[str, Gold], gradient: Gradient = "both", **arguments: Any
    ) -> None:
        """Build the trainer.

        Args:
            loop: The closed loop.
            golds: Ground truth by sample id.
            gradient: Train CoT and reconstructions (`both`), or the `cot` only.
            arguments: Those of `ResumableGRPOTrainer`, except `rollout_func`. The reward function receives
                the columns of the dataset, `cot`, `reconstruction`, `cot_tokens` and `reconstruction_tokens`,
                and `reconstruction_blind` if the view is `both`; the rows of a rollout must get one reward.
        """
        self.loop, self.golds, self.gradient = loop, golds, gradient
        self._reconstruction_prompts: list[list[Messages]] = []
        rollout: Any = _rollout
        super().__init__(rollout_func=rollout, **arguments)

    def _generate(self, prompts: list[Messages]) -> Any:
        *output, images, tool_images = super()._generate(prompts)
        if self.gradient == "both":
            segments = self._reconstruction_prompts
            for place, segment in enumerate(segments, start=1):
                prompts[place :: 1 + len(segments)] = segment
            if self.loop.settings.rule.view != "picture":  # else each row has the images of the dataset
                images = [[part["image"] for part in _images(prompt)] for prompt in prompts]
        return (*output, images, tool_images)


def reconstruction_prompt(cot_prompt: Messages, text: str, *, shown: bool = True) -> Messages:
    """A fresh prompt without the texts of a CoT prompt, which hold the annotation, and with its image."""
    images = _images(cot_prompt) if shown else []
    return [{"role": "user", "content": [*images, {"type": "text", "text": text}]}]


def _images(prompt: Messages) -> list[dict[str, Any]]:
    return [part for message in prompt for part in message["content"] if part["type"] == "image"]


def _rollout(prompts: list[Messages], trainer: Any) -> dict[str, Any]:
    """Sample CoTs, then reconstructions, for the rows of this process; every rank does both."""
    loop: ClosedLoop = trainer.loop
    view = loop.settings.rule.view
    rows = rows_per_rollout(trainer.gradient, view)
    generations = trainer.num_generations if trainer.model.training else trainer.num_generations_eval
    asked = prompts[::rows]
    first = _sample(trainer, asked, generations // rows, loop.settings.max_cot_length)
    cots = first.texts(trainer)
    texts = [
        loop.reconstruct_text(trainer.golds[prompt[-1]["id"]], cot)
        for prompt, cot in zip(asked, cots, strict=True)
    ]
    trainer._reconstruction_prompts = [
        [reconstruction_prompt(prompt, text, shown=shown) for prompt, text in zip(asked, texts, strict=True)]
        for shown in RECONSTRUCTIONS[view]
    ]
    again = [
        _sample(trainer, segment, 1, loop.settings.max_reconstruction_length)
        for segment in trainer._reconstruction_prompts
    ]
    segments = [first, *again]

    def per_row(parts: Sequence[Sequence[T]]) -> list[T]:
        """One of each part for each rollout; the first part alone if only CoTs are trained."""
        return list(chain.from_iterable(zip(*parts[:rows], strict=True)))

    def repeated(values: Sequence[T]) -> list[T]:
        return [value for value in values for _ in range(rows)]

    blind = {"reconstruction_blind": repeated(again[1].texts(trainer))} if view == "both" else {}
    return {
        "prompt_ids": per_row([segment.prompt_ids for segment in segments]),
        "completion_ids": per_row([segment.completion_ids for segment in segments]),
        "logprobs": None
        if first.logprobs is None
        else per_row([segment.logprobs or [] for segment in segments]),
        "cot": repeated(cots),
        "reconstruction": repeated(again[0].texts(trainer)),
        "cot_tokens": repeated([len(ids) for ids in first.completion_ids]),
        "reconstruction_tokens": repeated([len(ids) for ids in again[0].completion_ids]),
        **blind,
    }


@dataclass(frozen=True, slots=True)
class _Segment:
    prompt_ids: list[list[int]]
    completion_ids: list[list[int]]
    logprobs: list[list[float]] | None

    def texts(self, trainer: Any) -> list[str]:
        decode = trainer.processing_class.batch_decode
        texts: list[str] = decode(self.completion_ids, skip_special_tokens=True)
        return texts


def _sample(trainer: Any, prompts: list[Messages], generations: int, limit: int) -> _Segment:
    """Sample one completion for each row; `generations` consecutive rows hold the same prompt."""
    prompt_ids, images, multimodal = trainer._tokenize_prompts(prompts)
    holder: Any
    if trainer.use_vllm:
        holder, name = trainer.vllm_generation, "max_completion_length"
    else:
        holder, name = trainer.generation_config, "max_new_tokens"
    usual = getattr(holder, name)
    setattr(holder, name, limit)
    try:
        completion_ids, logprobs = trainer._generate_single_turn(prompt_ids, images, multimodal, generations)
    finally:
        setattr(holder, name, usual)
    return _Segment(prompt_ids, completion_ids, logprobs)
