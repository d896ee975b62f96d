"""A GRPO run that goes on from a checkpoint as if it had never stopped.

TRL's own trainer does not, in three ways, all dealt with here:

- its sampler draws the order of an epoch from whatever it drew before, so that a resumed run repeats that of
  the first epoch;
- its reference model (`beta` above 0) is loaded by the name of the policy, which is the checkpoint then;
- rollouts that serve several optimiser steps (`num_iterations`) are not in a checkpoint, so none is written
  while such rollouts are in use.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from transformers import TrainerCallback
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.utils import RepeatSampler

from rise_bench.trainers.phases.lora import policy
from rise_bench.trainers.phases.trl_arguments import load_policy
from rise_bench.trainers.rollouts.sampling_trainer import SamplingGRPOTrainer
from rise_bench.trainers.settings.lora import LoraSettings


class ResumableGRPOTrainer(SamplingGRPOTrainer):
    """GRPO whose data order, reference model and checkpoints do not depend on where it was interrupted."""

    def __init__(
        self, *, model: str, start: str, args: Any, lora: LoraSettings | None = None, **arguments: Any
    ) -> None:
        """Build the trainer.

        Args:
            model: Checkpoint of the policy.
            start: Initial checkpoint of the phase, the reference model of `beta` above 0.
            args: A GRPOConfig.
            lora: The adapter that is trained, if it has a rank; `model` is `start` then.
            arguments: Other arguments of `SamplingGRPOTrainer`.
        """
        if lora and lora.rank:
            arguments |= policy(lora, start, args)
        else:
            arguments["model"] = model if model == start else _named(model, start, args)
        super().__init__(args=args, **arguments)
        self.add_callback(WholeGenerations(self))

    def _get_train_sampler(self, dataset: Any = None) -> EpochSampler:
        return EpochSampler(
            data_source=self.train_dataset if dataset is None else dataset,
            mini_repeat_count=self.num_generations,
            batch_size=self.args.generation_batch_size // self.num_generations,
            repeat_count=self.num_iterations * self.args.steps_per_generation,
            shuffle=self.shuffle_dataset,
            seed=self.args.seed,
        )


class EpochSampler(RepeatSampler):
    """TRL's sampler, whose order in an epoch depends on seed and epoch alone; the orders are TRL's."""

    epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration is."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        if self.shuffle:
            self.generator.manual_seed(self.seed)
            for _ in range(self.epoch):
                torch.randperm(self.num_samples, generator=self.generator)
        return iter(super().__iter__())


class EpochOfData(TrainerCallback):
    """Tells the sampler its epoch, however deep accelerate wraps it when batches are skipped."""

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **parts: Any) -> None:  # noqa: ARG002
        """Set the epoch."""
        sampler = parts["train_dataloader"].batch_sampler
        while hasattr(sampler, "batch_sampler") or hasattr(sampler, "sampler"):
            sampler = getattr(sampler, "batch_sampler", None) or sampler.sampler
        if hasattr(sampler, "set_epoch"):
            sampler.set_epoch(int(state.epoch or 0))


class WholeGenerations(TrainerCallback):
    """Puts a checkpoint off until the rollouts in use have served all their steps."""

    def __init__(self, trainer: GRPOTrainer) -> None:
        self._trainer, self._due = trainer, False

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Save now what was put off, or put it off."""
        steps = args.steps_per_generation * self._trainer.num_iterations
        if self._trainer._step % steps and state.global_step < state.max_steps:
            self._due, control.should_save = self._due or control.should_save, False
        elif self._due:
            self._due, control.should_save = False, True


def _named(model: str, start: str, args: Any) -> Any:
    """The policy, loaded from `model` and named `start`, which is where TRL then loads the reference from."""
    named = load_policy(model, args)
    named.config._name_or_path = start
    return named
