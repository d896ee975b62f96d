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
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, TypeVar

from rise_bench.annotations.base import Gold
from rise_bench.cot.closed_loop import ClosedLoop
from rise_bench.trainers.phases.resuming import ResumableGRPOTrainer

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # else TRL warns of `rollout_func` at every start

T = TypeVar("T")
Messages = list[dict[str, Any]]


Gradient = Literal["both", "cot"]


def rows_per_rollout(gradient: Gradient) -> int:
    """Rows that a rollout takes in TRL's batches; `num_generations` is this times G."""
    return 2 if gradient == "both" else 1


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
            gradient: Train `both` segments, or the `cot` only.
            arguments: Those of `ResumableGRPOTrainer`, except `rollout_func`. The reward function receives
                the columns of the dataset, `cot`, `reconstruction`, `cot_tokens` and `reconstruction_tokens`;
                a pair must get one reward.
        """
        self.loop, self.golds, self.gradient = loop, golds, gradient
        self._reconstruction_prompts: list[Messages] = []
        rollout: Any = _rollout
        super().__init__(rollout_func=rollout, **arguments)

    def _generate(self, prompts: list[Messages]) -> Any:
        output = super()._generate(prompts)
        if self.gradient == "both":
            prompts[1::2] = self._reconstruction_prompts
        return output


def reconstruction_prompt(cot_prompt: Messages, text: str) -> Messages:
    """A fresh prompt with the image of a CoT prompt; its texts, which hold the annotation, are not kept."""
    images = [part for message in cot_prompt for part in message["content"] if part["type"] == "image"]
    return [{"role": "user", "content": [*images, {"type": "text", "text": text}]}]


def _rollout(prompts: list[Messages], trainer: Any) -> dict[str, Any]:
    """Sample CoTs, then reconstructions, for the rows of this process; every rank does both."""
    loop: ClosedLoop = trainer.loop
    rows = rows_per_rollout(trainer.gradient)
    generations = trainer.num_generations if trainer.model.training else trainer.num_generations_eval
    asked = prompts[::rows]
    first = _sample(trainer, asked, generations // rows, loop.settings.max_cot_length)
    cots = first.texts(trainer)
    trainer._reconstruction_prompts = [
        reconstruction_prompt(prompt, loop.reconstruct_text(trainer.golds[prompt[-1]["id"]], cot))
        for prompt, cot in zip(asked, cots, strict=True)
    ]
    second = _sample(trainer, trainer._reconstruction_prompts, 1, loop.settings.max_reconstruction_length)

    def per_row(left: Sequence[T], right: Sequence[T]) -> list[T]:
        return list(chain.from_iterable(zip(left, right, strict=True))) if rows == 2 else list(left)

    answers = second.texts(trainer)
    lengths, other_lengths = [len(c) for c in first.completion_ids], [len(c) for c in second.completion_ids]
    return {
        "prompt_ids": per_row(first.prompt_ids, second.prompt_ids),
        "completion_ids": per_row(first.completion_ids, second.completion_ids),
        "logprobs": None if first.logprobs is None else per_row(first.logprobs, second.logprobs or []),
        "cot": per_row(cots, cots),
        "reconstruction": per_row(answers, answers),
        "cot_tokens": per_row(lengths, lengths),
        "reconstruction_tokens": per_row(other_lengths, other_lengths),
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
