"""Settings that a stage does not read: given on the command line, they would do nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rise_bench.trainers.settings.config import TrainConfig

#: Beginnings of settings; whether a run reads them; who does.
_READERS: tuple[tuple[tuple[str, ...], Callable[[TrainConfig], bool], str], ...] = (
    (("sft.",), lambda c: "sft" in c.active_phases, "a phase of SFT"),
    (("grpo.",), lambda c: "grpo" in c.active_phases, "a phase of GRPO"),
    (("reward.",), lambda c: "grpo" in c.declared_stage.phases, "a phase of GRPO"),
    (("metis.",), lambda c: c.stage == "metis_rise", "metis_rise"),
    (("data.cots",), lambda c: c.declared_stage.cots == "cots", "a stage that begins with chains of thought"),
    (("data.expert_cots",), lambda c: c.declared_stage.cots == "expert_cots", "metis_rise"),
    (
        ("data.cot_", "data.min_"),
        lambda c: bool(c.declared_stage.cots),
        "a stage that trains on chains of thought",
    ),
    (
        ("data.tau",),
        lambda c: bool(c.declared_stage.cots) or c.declared_stage.is_closed_loop,
        "a stage of chains of thought",
    ),
    (
        ("grpo.max_cot_length", "grpo.max_reconstruction_length", "grpo.gradient=", "reward.leak"),
        lambda c: c.declared_stage.is_closed_loop,
        "rise_cot",
    ),
    (
        ("grpo.max_completion_length",),
        lambda c: not c.declared_stage.is_closed_loop,
        "a stage other than rise_cot",
    ),
    (("grpo.vllm_server_url",), lambda c: c.grpo.vllm == "server", "grpo.vllm=server"),
    (
        ("grpo.vllm_gpu_memory_utilization", "grpo.vllm_tensor_parallel_size"),
        lambda c: c.grpo.vllm == "colocate",
        "grpo.vllm=colocate",
    ),
)


def unread(config: TrainConfig, overrides: Iterable[str]) -> list[str]:
    """Return a warning for each `key=value` that the run would not read."""
    return [
        f"{text} does nothing here: only {readers} reads it, and this run is {_named(config)}. Leave it out."
        for text in overrides
        for beginnings, reads, readers in _READERS
        if text.startswith(beginnings) and not reads(config)
    ]


def _named(config: TrainConfig) -> str:
    phases = f" phases=[{','.join(config.phases)}]" if config.phases else ""
    return f"{config.stage}{phases}"
