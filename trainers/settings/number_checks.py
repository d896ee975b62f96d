"""Ranges of the numbers of a `TrainConfig`."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from rise_bench.errors import ConfigError

#: Settings that are positive; the other numbers of a section are not negative.
_POSITIVE = {
    *("steps", "gradient_accumulation_steps", "rows_per_device", "rollouts_per_device"),
    *("max_completion_length", "max_cot_length", "max_reconstruction_length", "num_iterations"),
    *("temperature", "top_p", "epsilon", "epsilon_high", "max_pixels", "max_prompt_length"),
    *("samples", "keep"),
    *("logging_steps", "save_steps", "unreadable_groups", "vllm_gpu_memory_utilization"),
    "vllm_tensor_parallel_size",
}


#: Settings of any sign.
_SIGNED = {"min_groundedness", "min_reward_blind", "min_lift", "tau"}


def check_numbers(config: Any) -> None:
    """Refuse numbers out of range: no steps, a rate below 0, not a number."""
    for section in ("model", "data", "sft", "grpo", "metis", "run"):
        for name, value in asdict(getattr(config, section)).items():
            if isinstance(value, bool) or not isinstance(value, int | float) or name in _SIGNED:
                continue
            if not math.isfinite(value) or value < 0 or (value == 0 and name in _POSITIVE):
                least = "greater than 0" if name in _POSITIVE else "0 or greater"
                others = [phase for phase in config.declared_stage.phases if phase != section]
                skip = f", or leave the phase out by phases={others[0]}" if name == "steps" and others else ""
                raise ConfigError(f"{section}.{name} = {value}: it must be {least}. Set such a number{skip}.")
    for section in ("data", "reward"):
        for name, value in asdict(getattr(config, section)).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ConfigError(f"{section}.{name} = {value}: it must be a finite number. Set one.")
    if not 0 <= config.seed < 2**32:
        raise ConfigError(f"seed = {config.seed}: it must be from 0 to {2**32 - 1}. Set such a number.")
    if config.metis.solved_reward > 1 or config.metis.keep > config.metis.samples:
        raise ConfigError(
            f"metis.solved_reward = {config.metis.solved_reward}, metis.keep = {config.metis.keep}: rewards "
            f"are at most 1, and {config.metis.samples} responses are sampled (metis.samples). Lower it."
        )
    if config.model.min_pixels > config.model.max_pixels:
        raise ConfigError(
            f"model.min_pixels = {config.model.min_pixels} is above model.max_pixels = "
            f"{config.model.max_pixels}. Lower it."
        )
    if config.grpo.top_p > 1:
        raise ConfigError(f"grpo.top_p = {config.grpo.top_p}: it is a share. Set at most 1.")
