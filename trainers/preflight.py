"""What would waste a run, found before its first step; each message says what to lower or to set.

- `check_run`: settings that cannot work together, before anything is loaded.
- `check_machine`: the batch that results from the number of processes, its memory, and the disk.
- `prompt_length.check_prompts`: every prompt fits, image tokens included.
- `first_rollouts.FirstRollouts`: the first rollouts can be read and differ in reward.
"""

from __future__ import annotations

import logging
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console

from rise_bench.errors import ConfigError, PrerequisiteError
from rise_bench.extras import require_extra
from rise_bench.trainers.config import Phase, TrainConfig
from rise_bench.trainers.memory import checkpoint_bytes, device_bytes, estimate
from rise_bench.trainers.run_folder import is_main_process

_log = logging.getLogger(__name__)
PAPER_PROMPTS_PER_STEP = 16  #: batch size 1 on 8 GPUs, gradient accumulation 2


def check_run(config: TrainConfig, phase: Phase, *, processes: int) -> None:
    """Refuse settings that cannot work.

    Args:
        config: Resolved config.
        phase: Phase that is about to start.
        processes: World size.

    Raises:
        ConfigError: A combination that makes no sense.
        PrerequisiteError: A package is missing.
    """
    if config.run.save_only_model and config.run.resume == "auto":
        raise ConfigError(
            "run.save_only_model = true keeps no optimiser state, so the run could not resume after a crash. "
            "Set run.save_only_model=false, or run.resume=never to do without."
        )
    if config.model.attn_implementation == "flash_attention_2":
        if config.compute.use_cpu:
            raise ConfigError("FlashAttention-2 needs a GPU. Set model.attn_implementation=sdpa.")
        if not find_spec("flash_attn") and not find_spec("kernels"):
            raise PrerequisiteError(
                "model.attn_implementation = flash_attention_2 needs flash-attn. "
                "Run: pip install 'rise-bench[flash-attn]', or set model.attn_implementation=sdpa."
            )
    if phase == "grpo":
        if config.grpo.vllm != "none":
            require_extra("vllm")
        _check_groups(config, processes)


def check_machine(config: TrainConfig, phase: Phase, trainer: Any) -> None:
    """Say how large a step and a checkpoint are; compare them with the GPU's memory, if any, and the disk.

    Raises:
        ConfigError: Weights, gradients and optimiser state alone do not fit.
    """
    if not config.run.preflight:
        return
    processes = trainer.args.world_size
    prompts = prompts_per_step(config, phase, processes)
    say(f"{phase}: {prompts:g} prompts a step on {processes} process(es) (paper: {PAPER_PROMPTS_PER_STEP})")
    _check_disk(config, checkpoint_bytes(config, trainer.model), Path(trainer.args.output_dir))
    total = device_bytes(config.compute.use_cpu)
    if total is None:
        return
    need = estimate(config, phase, trainer.model, processes=processes)
    say(f"GPU memory, estimated: {need} of {total / 2**30:.0f} GiB")
    if need.states > total:
        raise ConfigError(
            f"weights, gradients and optimiser state need about {need.states / 2**30:.0f} GiB a GPU, "
            f"there are {total / 2**30:.0f}. "
            "Set compute.accelerate=zero3 on more GPUs, or choose a smaller model."
        )
    if need.total > total:
        batch = "grpo.rollouts_per_device" if phase == "grpo" else "sft.rows_per_device"
        _log.warning(
            "this run may not fit: about %s, the GPU has %.0f GiB. Lower %s (and raise %s."
            "gradient_accumulation_steps to keep the batch), model.max_pixels or the completion lengths.",
            *(need, total / 2**30, batch, phase),
        )


def _check_disk(config: TrainConfig, size: int, folder: Path) -> None:
    every, keep = config.run.save_steps, config.run.save_total_limit
    text = f"{size / 2**30:.0f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
    say(f"a checkpoint is about {text}, written every {every} step(s); a crash loses as many at most")
    folder.mkdir(parents=True, exist_ok=True)
    needed, free = size * (keep + 1), shutil.disk_usage(folder).free
    if needed > free:
        _log.warning(
            "%d checkpoints are on the disk at a time, about %.1f GiB, and %s has %.1f GiB left. "
            "Choose a run.output_dir on another disk, or lower run.save_total_limit.",
            *(keep + 1, needed / 2**30, folder, free / 2**30),
        )


def prompts_per_step(config: TrainConfig, phase: Phase, processes: int) -> float:
    """Prompts (GRPO) or rows (SFT) that one optimiser step trains on, over all processes."""
    if phase == "sft":
        return config.sft.rows_per_device * config.sft.gradient_accumulation_steps * processes
    grpo = config.grpo
    rollouts = grpo.rollouts_per_device * grpo.gradient_accumulation_steps * processes
    return rollouts / grpo.num_generations


def _check_groups(config: TrainConfig, processes: int) -> None:
    grpo = config.grpo
    rollouts = grpo.rollouts_per_device * grpo.gradient_accumulation_steps * processes
    if rollouts % grpo.num_generations == 0:
        return
    fitting = next(
        steps
        for steps in range(grpo.gradient_accumulation_steps, grpo.num_generations * 10_000)
        if grpo.rollouts_per_device * steps * processes % grpo.num_generations == 0
    )
    raise ConfigError(
        f"a step samples {rollouts} rollouts ({grpo.rollouts_per_device} a device x {processes} processes x "
        f"{grpo.gradient_accumulation_steps} accumulation steps), no multiple of grpo.num_generations = "
        f"{grpo.num_generations}. Set grpo.gradient_accumulation_steps={fitting}, or change "
        "grpo.rollouts_per_device."
    )


def say(line: str) -> None:
    """Print a line of the pre-flight to stderr, on rank 0."""
    if is_main_process():
        Console(stderr=True).print(f"pre-flight: {line}", highlight=False, soft_wrap=True)
