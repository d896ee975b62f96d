"""LoRA in TRL's trainers: the policy with its adapter, and the final model of a phase.

A phase that starts from a model trains a new adapter on it, and its reference model (`grpo.beta` above 0) is
the model without the adapter. A phase that starts from the adapter of the phase before it goes on with that
adapter, and TRL keeps a frozen copy of it as the reference. Base weights are frozen and loaded in bf16 where
the run computes in bf16; the adapter is float32.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers.integrations.deepspeed import unset_hf_deepspeed_config

from rise_bench.errors import ConfigError
from rise_bench.models.adapters import is_adapter, read_adapter, write_merged
from rise_bench.models.families import family_of
from rise_bench.models.model_files import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from rise_bench.models.names import checked_model
from rise_bench.trainers.phases.trl_arguments import load_policy
from rise_bench.trainers.runs.run_folder import is_main_process
from rise_bench.trainers.settings.config import TrainConfig
from rise_bench.trainers.settings.lora import LoraSettings

#: Files beside an adapter that peft and TRL write and nothing reads: a card, and the reference adapter.
_LEFT_OUT = ("README.md", "ref")


def policy(lora: LoraSettings, start: str, arguments: Any) -> dict[str, Any]:
    """Return the arguments of a TRL trainer for a policy with an adapter: `model`, and `peft_config` or not.

    Args:
        lora: The adapter's settings.
        start: Initial checkpoint of the phase: a model, or the adapter of the phase before.
        arguments: Arguments of the trainer.
    """
    if not is_adapter(Path(start)):
        return {"model": start, "peft_config": new_adapter(lora, start)}
    from peft import get_peft_model, set_peft_model_state_dict

    folder = base_of(Path(start))
    model = get_peft_model(load_policy(str(folder), arguments), new_adapter(lora, str(folder)))
    set_peft_model_state_dict(model, load_file(Path(start) / ADAPTER_WEIGHTS))
    return {"model": model}


def new_adapter(lora: LoraSettings, model: str) -> Any:
    """Return peft's settings of a new adapter of a model's language model."""
    from peft import LoraConfig

    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        target_modules=_pattern(family_of(model).decoder, lora),
        task_type="CAUSAL_LM",
    )


def adapted_layers(model: Any, decoder: str, lora: LoraSettings) -> dict[str, Any]:
    """Return the layers of a model that an adapter changes, by name.

    Args:
        model: The model, with or without weights.
        decoder: Attribute of its backbone that holds the language model.
        lora: The adapter's settings.

    Raises:
        ConfigError: The language model lacks a target.
    """
    pattern = re.compile(_pattern(decoder, lora))
    inside = re.compile(_pattern(decoder, None))
    linear = {name: m for name, m in model.named_modules() if isinstance(m, torch.nn.Linear)}
    names = {name.rpartition(".")[2] for name in linear if inside.fullmatch(name)}
    if missing := sorted(set(lora.targets) - names):
        raise ConfigError(
            f"model.lora.targets: the language model has no layer {', '.join(missing)}. "
            f"Name some of {', '.join(sorted(names))}."
        )
    return {name: layer for name, layer in linear.items() if pattern.fullmatch(name)}


def _pattern(decoder: str, lora: LoraSettings | None) -> str:
    """Pattern of the full names of the target layers; of all layers of the language model without `lora`."""
    return rf".*\b{re.escape(decoder)}\.(?:.*\.)?(?:{'|'.join(lora.targets) if lora else r'[^.]+'})"


def base_of(adapter: Path) -> Path:
    """Return the folder of the base model of an adapter."""
    settings = read_adapter(adapter)
    return checked_model(settings.base, settings.revision).folder


def save_final(config: TrainConfig, start: str, save_adapter: Callable[[str], Any], folder: str) -> None:
    """Write the final model of a phase with an adapter: merged, or the adapter alone.

    Args:
        config: Resolved config.
        start: Initial checkpoint of the phase.
        save_adapter: Writes the adapter and the processor into a folder; called in every process.
        folder: Folder to write.
    """
    target = Path(folder)
    own = target if config.model.lora.adapter_only else target / "adapter"
    save_adapter(str(own))
    unset_hf_deepspeed_config()  # else the base model would be sharded over processes that do not load it
    if not is_main_process():
        return
    for name in _LEFT_OUT:
        shutil.rmtree(own / name) if (own / name).is_dir() else (own / name).unlink(missing_ok=True)
    base = base_of(Path(start)) if is_adapter(Path(start)) else Path(start)
    name_base(own, config)
    if not config.model.lora.adapter_only:
        write_merged(read_adapter(own), base, target)
        shutil.rmtree(own)


def name_base(adapter: Path, config: TrainConfig) -> None:
    """Write the name of the base model into an adapter: Hub id and commit, or the absolute path."""
    path = adapter / ADAPTER_CONFIG
    settings = json.loads(path.read_text(encoding="utf-8"))
    model = config.model
    folder = Path(model.name).expanduser()
    settings["base_model_name_or_path"] = str(folder.absolute()) if folder.is_dir() else model.name
    settings["revision"] = checked_model(model.name, model.revision, weights=False).revision or None
    settings["inference_mode"] = True
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
