"""Duration of a phase: measured by its own steps once it has some, a guess from shapes before.

The guess counts two floating-point operations per parameter and token forward, four for the backward
pass, two more where activations are recomputed or a reference model looks on, at a share of the speed that a
matrix product reaches on this device. Sampling a token needs the weights read once, or its layers' overhead.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch

from rise_bench.catalog.stages import Phase
from rise_bench.scoring.rewards import RECONSTRUCTIONS
from rise_bench.trainers.checks.memory import completion_length, rows_per_device
from rise_bench.trainers.settings.config import TrainConfig

_EFFICIENCY = 0.3  #: of the speed of a large matrix product
_LAYER_SECONDS = 5e-4  #: of one layer for one token, however small
_BYTES_A_SECOND = {"cuda": 1e12, "cpu": 2e10}  #: of memory


def guessed_hours(config: TrainConfig, phase: Phase, model: Any, *, prompt_tokens: int) -> float:
    """Estimate the hours of a phase on this machine, within a factor of a few.

    Args:
        config: Resolved config.
        phase: `sft` or `grpo`.
        model: The model, with or without weights.
        prompt_tokens: Tokens of the longest prompt.
    """
    optim = config.sft if phase == "sft" else config.grpo
    parameters = sum(p.numel() for p in model.parameters())
    device = "cuda" if torch.cuda.is_available() and not config.compute.use_cpu else "cpu"
    speed = _EFFICIENCY * _operations_a_second(device)
    length = completion_length(config, phase)
    passes = 3 + config.compute.gradient_checkpointing + (phase == "grpo" and config.grpo.beta > 0)
    rows = rows_per_device(config, phase) * optim.gradient_accumulation_steps
    seconds = rows * (prompt_tokens + length) * 2 * parameters * passes / speed
    if phase == "grpo" and config.grpo.vllm == "none":
        sampled = config.grpo.rollouts_per_device * optim.gradient_accumulation_steps
        layers = model.config.get_text_config().num_hidden_layers
        read = max(layers * _LAYER_SECONDS, parameters * 2 / _BYTES_A_SECOND[device])
        again = len(RECONSTRUCTIONS[config.reward.view]) if config.declared_stage.is_closed_loop else 0
        loop_length = config.grpo.max_cot_length + again * config.grpo.max_reconstruction_length
        tokens = loop_length if again else length
        a_token = max(read, sampled * 2 * parameters / speed)
        prefill = sampled * prompt_tokens * 2 * parameters / speed * (1 + again)
        seconds += (tokens * a_token + prefill) / config.grpo.num_iterations
    return seconds * optim.steps / 3600


def measured_hours(steps: int, logged: list[dict[str, Any]]) -> float | None:
    """Return the remaining hours of a phase from its rows of metrics.jsonl; None with fewer than three."""
    times = [(row["step"], row["time"]) for row in logged if "step" in row and "time" in row]
    paces = [(u - t) / (n - m) for (m, t), (n, u) in pairwise(times) if n > m]
    if len(paces) < 2:
        return None
    return max(steps - times[-1][0], 0) * statistics.median(paces) / 3600


def _operations_a_second(device: str) -> float:
    """Floating-point operations per second of the fastest of some matrix products on this device."""
    size, dtype = (4096, torch.bfloat16) if device == "cuda" else (512, torch.float32)
    matrix = torch.ones(size, size, device=device, dtype=dtype)
    wait: Callable[[], None] = torch.cuda.synchronize if device == "cuda" else (lambda: None)
    matrix @ matrix
    wait()
    seconds: list[float] = []
    while sum(seconds) < 0.05 or len(seconds) < 10:
        start = time.perf_counter()
        matrix @ matrix
        wait()
        seconds.append(time.perf_counter() - start)
    return 2 * float(size) ** 3 / min(seconds)
