"""Settings that cannot work together, known before anything is opened; each error says what to set."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

from rise_bench.catalog.extras import require_extra
from rise_bench.catalog.stages import Phase
from rise_bench.errors import ConfigError, PrerequisiteError
from rise_bench.models.families import family_of
from rise_bench.trainers.settings.config import TrainConfig

#: Accelerate configs of DeepSpeed, and its file of each.
DEEPSPEED = {"zero2": "zero2.json", "zero3": "zero3.json", "multi_node": "zero3.json"}

PAPER_PROMPTS_PER_STEP = 16  #: batch size 1 on 8 GPUs, gradient accumulation 2


def check_resuming(config: TrainConfig, phase: Phase, processes: int) -> None:  # noqa: ARG001
    """Check that a run that is to resume keeps its optimiser."""
    if config.run.save_only_model and config.run.resume == "auto":
        raise ConfigError(
            "run.save_only_model = true keeps no optimiser state, so the run could not resume after a crash. "
            "Set run.save_only_model=false, or run.resume=never to do without."
        )


def check_attention(config: TrainConfig, phase: Phase, processes: int) -> None:  # noqa: ARG001
    """Check that FlashAttention-2 has its GPU and its package."""
    if config.model.attn_implementation != "flash_attention_2":
        return
    if config.compute.use_cpu:
        raise ConfigError("FlashAttention-2 needs a GPU. Set model.attn_implementation=sdpa.")
    if not find_spec("flash_attn") and not find_spec("kernels"):
        raise PrerequisiteError(
            "model.attn_implementation = flash_attention_2 needs flash-attn. "
            "Run: pip install flash-attn --no-build-isolation, or set model.attn_implementation=sdpa."
        )


def check_deepspeed(config: TrainConfig, phase: Phase, processes: int) -> None:  # noqa: ARG001
    """Check that DeepSpeed is installed if the settings need it."""
    if config.compute.accelerate in DEEPSPEED and not find_spec("deepspeed"):
        raise PrerequisiteError(
            f"compute.accelerate = {config.compute.accelerate} needs DeepSpeed. "
            "Run: pip install 'rise-bench[deepspeed]', or set compute.accelerate=ddp."
        )


def check_vllm(config: TrainConfig, phase: Phase, processes: int) -> None:  # noqa: ARG001
    """Check that vLLM is installed if the settings need it, and samples the family here."""
    if phase != "grpo" or config.grpo.vllm == "none":
        return
    require_extra("vllm")
    family = family_of(config.model.name)
    if not family.by_vllm:
        raise ConfigError(
            f"grpo.vllm = {config.grpo.vllm}: prompts of {family.label} are not handed to vLLM here. "
            "Set grpo.vllm=none."
        )


def check_groups(config: TrainConfig, phase: Phase, processes: int) -> None:
    """Check that the rollouts of a step are whole groups."""
    grpo = config.grpo
    rollouts = grpo.rollouts_per_device * grpo.gradient_accumulation_steps * processes
    if phase != "grpo" or rollouts % grpo.num_generations == 0:
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


def check_response_form(config: TrainConfig, phase: Phase, processes: int) -> None:  # noqa: ARG001
    """Check that SFT does not teach another form than the one that GRPO pays and evaluation asks for."""
    if phase == "sft" and config.reward.response_form == "caption":
        raise ConfigError(
            "reward.response_form = caption pays for a summary and a caption, and SFT teaches the form "
            "without them. Set reward.response_form=think, or phases=grpo."
        )


def check_length_reward(config: TrainConfig, phase: Phase, processes: int) -> None:  # noqa: ARG001
    """Check that GRPO reaches the step from which length is paid, before any phase: later phases keep it."""
    reward, steps = config.reward, config.grpo.steps
    grpo = "grpo" in config.declared_stage.phases
    if grpo and reward.length_weight and reward.length_from_step >= steps:
        raise ConfigError(
            f"reward.length_weight = {reward.length_weight} is paid from reward.length_from_step = "
            f"{reward.length_from_step} on, which a run of grpo.steps = {steps} does not reach. "
            f"Set reward.length_from_step below {steps}, or reward.length_weight=0."
        )


#: Each takes the config, a phase and the number of processes, and raises a ConfigError or PrerequisiteError.
PHASE_CHECKS: tuple[Callable[[TrainConfig, Phase, int], None], ...] = (
    check_resuming,
    check_attention,
    check_deepspeed,
    check_vllm,
    check_groups,
    check_response_form,
    check_length_reward,
)


def prompts_per_step(config: TrainConfig, phase: Phase, processes: int) -> float:
    """Prompts (GRPO) or rows (SFT) that one optimiser step trains on, over all processes."""
    if phase == "sft":
        return config.sft.rows_per_device * config.sft.gradient_accumulation_steps * processes
    grpo = config.grpo
    rollouts = grpo.rollouts_per_device * grpo.gradient_accumulation_steps * processes
    return rollouts / grpo.num_generations
