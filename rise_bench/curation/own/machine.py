"""Trainings that this machine can do: its GPUs, and settings under which a model fits."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

from rise_bench.curation.own.recipe import Recipe, Settings
from rise_bench.trainers.settings.setting_checks import PAPER_PROMPTS_PER_STEP

#: Share of a GPU's memory that is planned for.
_USED = 0.9

#: Times that each picture is seen in a phase, within the steps below.
_PASSES = 10
_STEPS = (20, 200)


@dataclass(frozen=True, slots=True)
class Machine:
    """GPUs of this machine: their number, and the memory of the smallest in bytes."""

    gpus: int = 0
    gpu_bytes: int = 0

    def __str__(self) -> str:
        return f"{self.gpus} GPU(s) of {self.gpu_bytes / 2**30:.0f} GiB" if self.gpus else "no GPU"


def this_machine() -> Machine:
    """Return the GPUs that NVIDIA's driver lists and CUDA_VISIBLE_DEVICES allows; nothing is imported."""
    if not shutil.which("nvidia-smi"):
        return Machine()
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
        sizes = [int(line) * 2**20 for line in printed.split()]
    except (OSError, ValueError, subprocess.SubprocessError):
        return Machine()
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        names = [name.strip() for name in allowed.split(",") if name.strip() not in ("", "-1")]
        by_number = [sizes[int(name)] for name in names if name.isdigit() and int(name) < len(sizes)]
        sizes = by_number or [min(sizes, default=0)] * len(names)  # or by UUID
    return Machine(len(sizes), min(sizes)) if sizes else Machine()


def fitted(recipe: Recipe, machine: Machine, shape: Any, train_rows: int) -> Recipe | None:
    """Return the recipe with settings under which its trainings fit on the GPUs; None if there are none.

    The first of these is taken: all weights, then an adapter (LoRA); each with as many rollouts at a time as
    in the paper, then fewer. The batch of a step stays the paper's.

    Args:
        recipe: With both trainings.
        machine: With a GPU.
        shape: The model without weights (`trainers.checks.memory.shape_of`).
        train_rows: Rows of the train split.
    """
    from rise_bench.trainers.checks.memory import estimate

    full, adapter = (_candidates(r, machine, train_rows) for r in (recipe, _with_adapter(recipe)))
    for candidate in (*full, *adapter):
        configs = [candidate.training_config(stage) for stage in candidate.trainings]
        needs = [
            estimate(config, phase, shape, processes=machine.gpus).total
            for config in configs
            for phase in config.active_phases
        ]
        if max(needs) <= _USED * machine.gpu_bytes:
            return candidate
    return None


def smallest(recipe: Recipe, machine: Machine, train_rows: int) -> Recipe:
    """Return the settings for all weights that need least, for a model that cannot be looked at yet."""
    return list(_candidates(recipe, machine, train_rows))[-1]


def _candidates(recipe: Recipe, machine: Machine, train_rows: int) -> Iterator[Recipe]:
    adapter = "lora" in recipe.model
    many = ("zero2", "zero3") if find_spec("deepspeed") and not adapter else ("ddp",)
    rate = {"learning_rate": _ADAPTER_RATE} if adapter else {}
    for accelerate in ("none",) if machine.gpus == 1 else many:
        for at_a_time in (8, 4, 2):
            yield replace(
                recipe,
                compute={"accelerate": accelerate, "bf16": True, "gradient_checkpointing": True},
                rise_cot={"grpo": _grpo(at_a_time, machine, train_rows) | rate | _LENGTHS},
                rise_r1={
                    "sft": _sft(machine, train_rows) | rate,
                    "grpo": _grpo(at_a_time, machine, train_rows) | rate | {"max_completion_length": 512},
                },
            )


def _with_adapter(recipe: Recipe) -> Recipe:
    return replace(recipe, model={**recipe.model, "lora": {"rank": 16}})


#: As in the recipes `…-lora`: ten times the paper's, which is for all weights.
_ADAPTER_RATE = 2e-4
_LENGTHS = {"max_cot_length": 320, "max_reconstruction_length": 256}
_GENERATIONS = 8


def _grpo(at_a_time: int, machine: Machine, train_rows: int) -> Settings:
    rollouts, at_once = PAPER_PROMPTS_PER_STEP * _GENERATIONS, at_a_time * machine.gpus
    accumulated = math.ceil(rollouts / at_once)
    whole = _GENERATIONS // math.gcd(_GENERATIONS, at_once)  # a step holds whole groups
    return {
        "steps": steps_for(train_rows),
        "num_generations": _GENERATIONS,
        "rollouts_per_device": at_a_time,
        "gradient_accumulation_steps": math.ceil(accumulated / whole) * whole,
    }


def _sft(machine: Machine, train_rows: int) -> Settings:
    return {
        "steps": steps_for(train_rows),
        "rows_per_device": 1,
        "gradient_accumulation_steps": math.ceil(PAPER_PROMPTS_PER_STEP / machine.gpus),
    }


def steps_for(train_rows: int) -> int:
    """Return optimiser steps: ten passes over the training rows, at least 20, at most the paper's 200.

    >>> steps_for(10), steps_for(100), steps_for(5000)
    (20, 63, 200)
    """
    least, most = _STEPS
    return min(most, max(least, math.ceil(_PASSES * train_rows / PAPER_PROMPTS_PER_STEP)))
