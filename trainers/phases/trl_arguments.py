"""Processor and TRL arguments, which all trainers share.

Traps that are dealt with here, once:

- The processor pads on the left: on the right, TRL misaligns `mm_token_type_ids` without a word.
- A sampled image token would corrupt the next prompt: special tokens are not sampled, end tokens excepted.
- Without DeepSpeed the weights are loaded in float32 and autocast to bf16, because a step of 2e-5 on bf16
  weights is mostly lost to rounding; ZeRO keeps float32 masters itself, and weights below an adapter are not
  trained.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from transformers import AutoProcessor
from trl.trainer.utils import create_model_from_path

from rise_bench.catalog.stages import Phase
from rise_bench.errors import ConfigError
from rise_bench.models.families import limit_pictures, supported_model
from rise_bench.models.generate_settings import special_tokens_not_sampled
from rise_bench.models.prepared_pictures import prepare_pictures_once
from rise_bench.trainers.runs.launch import ACCELERATE_DIR, launched_with_deepspeed
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.config import ModelConfig, TrainConfig
from rise_bench.trainers.settings.setting_checks import DEEPSPEED


def load_processor(model: ModelConfig, source: str | Path | None = None) -> Any:
    """Return the processor of a checkpoint (the model itself if None): left padding, image limits."""
    name = str(source or model.name)
    try:
        folder = supported_model(name, "" if source else model.revision, weights=False).folder
        processor = AutoProcessor.from_pretrained(folder, padding_side="left", trust_remote_code=False)
    except (ConfigError, OSError, ValueError) as error:
        reason = str(error) if isinstance(error, ConfigError) else f"no model {name!r}: {error}"
        raise ConfigError(
            f"{reason.splitlines()[0]}. Set model.name to a Hub id or to the folder of a checkpoint."
        ) from error
    prepare_pictures_once(processor.image_processor)
    limit_pictures(processor, model.min_pixels, model.max_pixels)
    return processor


def load_policy(folder: str, arguments: Any) -> Any:
    """Return the model of a checkpoint, loaded as TRL does by itself.

    Args:
        folder: Folder of the checkpoint.
        arguments: Arguments of the trainer that gets it.
    """
    options = dict(arguments.model_init_kwargs or {})
    if arguments.distributed_state.distributed_type in ("MULTI_GPU", "DEEPSPEED"):
        options["device_map"] = None
    for trainer in ("grpo_trainer", "sft_trainer"):
        logging.getLogger(f"trl.trainer.{trainer}").addFilter(_other_than_ignored_options)
    return create_model_from_path(folder, **options)


def _other_than_ignored_options(record: logging.LogRecord) -> bool:
    """TRL warns that `model_init_kwargs` are ignored; the models are loaded with them."""
    return "`model_init_kwargs` will be ignored" not in record.getMessage()


def common_arguments(config: TrainConfig, phase: Phase, run: RunFolder) -> dict[str, Any]:
    """Arguments that SFTConfig and GRPOConfig share."""
    optim = config.sft if phase == "sft" else config.grpo
    compute, keep = config.compute, config.run
    arguments: dict[str, Any] = {
        "output_dir": str(run.phase_dir(phase)),
        "run_name": f"{run.path.name}-{phase}",
        "seed": config.seed,
        "max_steps": optim.steps,
        "learning_rate": optim.learning_rate,
        "weight_decay": optim.weight_decay,
        "lr_scheduler_type": optim.lr_scheduler,
        "warmup_steps": optim.warmup_steps,
        "max_grad_norm": optim.max_grad_norm,
        "gradient_accumulation_steps": optim.gradient_accumulation_steps,
        "bf16": compute.bf16,
        "use_cpu": compute.use_cpu,
        "gradient_checkpointing": compute.gradient_checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
        "logging_steps": keep.logging_steps,
        "save_strategy": "steps",
        "save_steps": keep.save_steps,
        "save_only_model": keep.save_only_model,
        "report_to": list(keep.report_to),
        "remove_unused_columns": False,
    }
    sharded = launched_with_deepspeed()
    if compute.accelerate in DEEPSPEED and not sharded:
        arguments["deepspeed"] = str(ACCELERATE_DIR / DEEPSPEED[compute.accelerate])
        sharded = True
    arguments["model_init_kwargs"] = {
        "dtype": "bfloat16" if compute.bf16 and (sharded or config.model.lora.rank) else "float32",
        "attn_implementation": config.model.attn_implementation,
        "trust_remote_code": False,
        "use_safetensors": True,
    }
    return arguments


def grpo_arguments(
    config: TrainConfig, run: RunFolder, processor: Any, *, rows_per_rollout: int = 1
) -> dict[str, Any]:
    """Arguments of GRPOConfig; the closed loop has two rows a rollout (CoT and reconstruction)."""
    grpo = config.grpo
    special = special_tokens_not_sampled(processor)
    arguments = common_arguments(config, "grpo", run) | {
        "per_device_train_batch_size": grpo.rollouts_per_device * rows_per_rollout,
        "num_generations": grpo.num_generations * rows_per_rollout,
        "max_completion_length": grpo.max_completion_length,
        "temperature": grpo.temperature,
        "top_p": grpo.top_p,
        "num_iterations": grpo.num_iterations,
        "beta": grpo.beta,
        "epsilon": grpo.epsilon,
        "epsilon_high": grpo.epsilon_high,
        "mask_truncated_completions": grpo.mask_truncated,
        "loss_type": grpo.loss_type,
        "scale_rewards": grpo.scale_rewards,
        "generation_kwargs": {"suppress_tokens": special},
    }
    if grpo.vllm != "none":
        arguments |= {
            "use_vllm": True,
            "vllm_mode": grpo.vllm,
            "vllm_server_base_url": grpo.vllm_server_url or None,
            "vllm_gpu_memory_utilization": grpo.vllm_gpu_memory_utilization,
            "vllm_tensor_parallel_size": grpo.vllm_tensor_parallel_size,
            "generation_kwargs": {"bad_words": processor.tokenizer.convert_ids_to_tokens(special)},
        }
    return arguments
