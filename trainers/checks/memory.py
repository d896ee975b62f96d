"""Estimates from shapes: the GPU memory of a training step, a guide and no measurement, and a checkpoint.

Bytes per parameter: weights 2 (bf16) or 4, gradients as the weights, AdamW's float32 master copy and moments
12 (8 where the weights are float32 already); ZeRO-2 shards all but the weights, ZeRO-3 everything. Sampling
under ZeRO-3 gathers the bf16 weights once more. With gradient checkpointing a layer keeps its input only and
one layer at a time is recomputed. TRL scores completions with a fused head, so full logits never exist.

With LoRA the weights are frozen, 2 bytes (bf16) or 4 without gradients, and each parameter of the adapter has
16: weight, gradient and moments in float32. The reference model is the model without its adapter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rise_bench.catalog.families import FAMILIES
from rise_bench.catalog.stages import Phase
from rise_bench.errors import ConfigError
from rise_bench.models.families import supported_model
from rise_bench.scoring.rewards import RECONSTRUCTIONS
from rise_bench.trainers.runs.launch import zero_stage
from rise_bench.trainers.settings.config import ModelConfig, TrainConfig


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes on one GPU.

    Attributes:
        states: Weights, gradients, optimiser state.
        frozen: Weights of the reference model (`grpo.beta` above 0) and of the judge (`reward.grounded`).
        activations: Activations of the backward pass, and a layer's recompute.
        sampling: Key-value cache, and gathered weights under ZeRO-3 (GRPO without vLLM).
    """

    states: float
    activations: float
    sampling: float
    frozen: float = 0.0

    @property
    def total(self) -> float:
        """Peak: training and sampling do not overlap, states and frozen models are always there."""
        return self.states + self.frozen + max(self.activations, self.sampling)

    def __str__(self) -> str:
        parts = {"states": self.states, "frozen models": self.frozen}
        parts |= {"activations": self.activations, "sampling": self.sampling}
        inside = ", ".join(f"{name} {size / 2**30:.1f}" for name, size in parts.items() if size)
        return f"{self.total / 2**30:.1f} GiB ({inside})"


def shape_of(model: ModelConfig) -> Any:
    """Return the model without weights, from its config.json."""
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText

    folder = supported_model(model.name, model.revision, weights=False).folder
    try:
        shape = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        with torch.device("meta"):
            return AutoModelForImageTextToText.from_config(shape)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"config.json of {model.name} describes no model: {error}. Copy the checkpoint again."
        ) from error


def device_bytes(use_cpu: bool) -> int | None:
    """Memory of this process's GPU in bytes; None without one."""
    import torch

    if use_cpu or not torch.cuda.is_available():
        return None
    return int(torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory)


def estimate(config: TrainConfig, phase: Phase, model: Any, *, processes: int) -> Need:
    """Estimate the memory of a process; `processes` is the world size."""
    parameters, adapter = _parameters(model), adapter_parameters(config, model)
    text = model.config.get_text_config()
    zero = zero_stage(config.compute.accelerate)
    tokens = config.data.max_prompt_length + completion_length(config, phase)
    rows = rows_per_device(config, phase)
    width = 2 if config.compute.bf16 else 4
    kept = text.hidden_size if config.compute.gradient_checkpointing else _layer_width(text)
    activations = rows * tokens * width * (text.num_hidden_layers * kept + 2 * _layer_width(text))
    sampling = 0.0
    if phase == "grpo" and config.grpo.vllm == "none":
        head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        cache = 2 * text.num_hidden_layers * text.num_key_value_heads * head * width
        sampled = config.grpo.rollouts_per_device * config.grpo.gradient_accumulation_steps
        sampling = sampled * tokens * cache + (2 * parameters if zero == 3 else 0)
    frozen = _frozen_bytes(config, zero, processes) * parameters if phase == "grpo" else 0.0
    states = parameters * _state_bytes(zero, processes)
    if adapter:
        states = parameters * width / (processes if zero == 3 else 1)
        states += adapter * _state_bytes(zero, processes)
        activations += rows * tokens * 4 * config.model.lora.rank * len(config.model.lora.targets)
    return Need(states, activations, sampling, frozen)


def checkpoint_bytes(config: TrainConfig, model: Any) -> int:
    """Return the bytes of a checkpoint of all processes: the trained weights and AdamW's state."""
    if adapter := adapter_parameters(config, model):
        return adapter * (4 if config.run.save_only_model else 12)
    zero = zero_stage(config.compute.accelerate)
    optimizer = 0 if config.run.save_only_model else 12 if zero else 8
    copies = 2 if zero in (1, 2) else 1  # DeepSpeed keeps the whole weights beside ours
    return copies * final_bytes(config, model) + _parameters(model) * optimizer


def final_bytes(config: TrainConfig, model: Any) -> int:
    """Return the bytes of a phase's model."""
    if adapter := adapter_parameters(config, model):
        merged = (
            0 if config.model.lora.adapter_only else _parameters(model) * (2 if config.compute.bf16 else 4)
        )
        return adapter * 4 + merged
    return _parameters(model) * (2 if zero_stage(config.compute.accelerate) and config.compute.bf16 else 4)


def _parameters(model: Any) -> int:
    return sum(getattr(p, "ds_numel", p.numel()) for p in model.parameters())


def adapter_parameters(config: TrainConfig, model: Any) -> int:
    """Return the number of parameters of the adapter; 0 without one.

    Raises:
        ConfigError: The language model lacks a target of the adapter.
    """
    lora = config.model.lora
    if not lora.rank:
        return 0
    from rise_bench.trainers.phases.lora import adapted_layers

    layers = adapted_layers(model, FAMILIES[model.config.model_type].decoder, lora).values()
    return sum(lora.rank * (layer.in_features + layer.out_features) for layer in layers)


def _state_bytes(zero: int, processes: int) -> float:
    return {0: 16.0, 1: 4 + 12 / processes, 2: 2 + 14 / processes, 3: 16 / processes}[zero]


def _frozen_bytes(config: TrainConfig, zero: int, processes: int) -> float:
    """Bytes per parameter of frozen models: ZeRO-3 shards the reference model, each process has its judge."""
    reference = (2 if zero and config.compute.bf16 else 4) / (processes if zero == 3 else 1)
    judge = 4 if config.compute.use_cpu else 2
    beside = config.grpo.beta > 0 and not config.model.lora.rank
    return reference * beside + judge * (config.reward.grounded != "none")


def completion_length(config: TrainConfig, phase: Phase) -> int:
    """Largest number of tokens after a prompt; of a GRPO response where SFT has no limit of its own."""
    grpo = config.grpo
    if phase == "grpo" and config.declared_stage.is_closed_loop:
        return max(grpo.max_cot_length, grpo.max_reconstruction_length)
    return grpo.max_completion_length


def rows_per_device(config: TrainConfig, phase: Phase) -> int:
    """Rows of one forward and backward pass on a device."""
    if phase == "sft":
        return config.sft.rows_per_device
    reconstructions = 0
    if config.declared_stage.is_closed_loop and config.grpo.gradient == "both":
        reconstructions = len(RECONSTRUCTIONS[config.reward.view])
    return config.grpo.rollouts_per_device * (1 + reconstructions)


def _layer_width(text: Any) -> int:
    """Numbers per token that one layer keeps without checkpointing: attention, norms, MLP products."""
    return int(8 * text.hidden_size + 3 * text.intermediate_size)
