"""LoRA adapters: folders with the low-rank change of a base model, and merging into it.

An adapter has `adapter_config.json` and `adapter_model.safetensors`, as peft writes them, and may have the
files of the processor. Its settings are read here and never handed to peft: they can name libraries to
import. The new weight of a layer is W + alpha / rank * B A.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rise_bench.errors import BusyError, ConfigError
from rise_bench.files.atomic import atomic_directory, sha256_once
from rise_bench.files.paths import cache_folder
from rise_bench.models.model_files import ADAPTER_CONFIG, ADAPTER_WEIGHTS, check_adapter_folder, is_read

#: Settings of peft without an effect on merging; others than these and those read must not be set.
_WITHOUT_EFFECT = frozenset(
    {
        *("task_type", "peft_version", "inference_mode", "lora_dropout", "target_modules", "exclude_modules"),
        *("layers_to_transform", "layers_pattern", "megatron_core", "qalora_group_size"),
    }
)
_READ = frozenset(
    {"peft_type", "r", "lora_alpha", "base_model_name_or_path", "revision", "init_lora_weights"}
)
_NOT_SET: tuple[Any, ...] = (None, False, "", "none", [], {})
_KEY = re.compile(r"base_model\.model\.(?P<layer>.+)\.lora_(?P<part>[AB])\.weight")
#: Largest rank of an adapter.
MAX_RANK = 4096
_PATIENCE_S = 1800


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter.

    Attributes:
        folder: Its folder.
        base: Name of its base model, see `local_model`.
        revision: Revision of the base model on the Hub; empty for the default branch.
        scaling: Factor of B A.
    """

    folder: Path
    base: str
    revision: str
    scaling: float


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter and no model."""
    return (folder / ADAPTER_CONFIG).is_file() and not (folder / "config.json").is_file()


def read_adapter(folder: Path) -> Adapter:
    """Read the settings of an adapter, whose files must run no code of its author.

    Raises:
        ConfigError: It is not a LoRA adapter, or has settings that cannot be merged.
    """
    check_adapter_folder(folder)
    path = folder / ADAPTER_CONFIG
    settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    kind, base = settings.get("peft_type"), settings.get("base_model_name_or_path")
    rank: Any = settings.get("r")
    alpha: Any = settings.get("lora_alpha")
    revision = settings.get("revision")
    if kind != "LORA":
        raise ConfigError(f"{path}: peft_type is {kind!r:.40}; only LORA adapters can be read")
    if not isinstance(base, str) or not base:
        raise ConfigError(f"{path} names no base model; set base_model_name_or_path to its Hub id or folder")
    if not _is_whole(rank) or not 0 < rank <= MAX_RANK:
        raise ConfigError(f"{path}: r is {rank!r:.40}; it must be a whole number of 1 to {MAX_RANK}")
    if not (_is_whole(alpha) or isinstance(alpha, float)) or not math.isfinite(alpha):
        raise ConfigError(f"{path}: lora_alpha is {alpha!r:.40}; it must be a number")
    if not (revision is None or isinstance(revision, str)):
        raise ConfigError(f"{path}: revision is {revision!r:.40}; it must be a revision of the Hub")
    unknown = {key for key in settings.keys() - _READ - _WITHOUT_EFFECT if settings[key] not in _NOT_SET}
    if settings.get("init_lora_weights", True) not in (True, False, "gaussian"):
        unknown.add("init_lora_weights")  # others change the base model too
    if unknown:
        raise ConfigError(
            f"{path} sets {', '.join(sorted(unknown))}, which is not merged here; merge it with peft and "
            "name the folder of the merged model"
        )
    return Adapter(folder, base, revision or "", alpha / rank)


def merged_folder(adapter: Adapter, base: Path) -> Path:
    """Return the folder of base model and adapter merged, made in the cache folder on first use.

    Args:
        adapter: The adapter.
        base: Folder of its base model, checked.
    """
    target = cache_folder(f"merged-{_identity(adapter, base)}")
    deadline = time.monotonic() + _PATIENCE_S
    while not (target / "config.json").is_file():
        try:
            with atomic_directory(target) as folder:
                write_merged(adapter, base, folder)
        except BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        except ConfigError:
            if not (target / "config.json").is_file():  # another process has just finished
                raise
    return target


def write_merged(adapter: Adapter, base: Path, folder: Path) -> None:
    """Write base model and adapter as one model into an existing folder, in the dtype of the base model.

    The sum is computed in float32 and rounded once.

    Raises:
        ConfigError: The adapter does not fit the base model.
    """
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText, GenerationConfig

    settings = AutoConfig.from_pretrained(base, trust_remote_code=False)
    model: Any = AutoModelForImageTextToText.from_pretrained(
        base, dtype=torch.float32, trust_remote_code=False, use_safetensors=True
    )
    add_to_weights(model, adapter)
    model.to(settings.dtype or torch.float32)
    model.generation_config = GenerationConfig()  # that of the base model is copied below
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    for source in (base, adapter.folder):  # the processor of the adapter counts
        for path in source.iterdir():
            weights = ".safetensors" in path.name
            if path.is_file() and is_read(path.name) and not weights and path.name != "config.json":
                shutil.copyfile(path, folder / path.name)


def add_to_weights(model: Any, adapter: Adapter) -> None:
    """Add an adapter to the weights of a model, in place.

    Args:
        model: The base model.
        adapter: Adapter with matrices A (rank, inputs) and B (outputs, rank) of some linear layers.

    Raises:
        ConfigError: The adapter does not fit the base model.
    """
    import torch
    from safetensors.torch import load_file

    path = adapter.folder / ADAPTER_WEIGHTS
    tensors = load_file(path)
    layers: dict[str, dict[str, Any]] = {}
    for key, tensor in tensors.items():
        match = _KEY.fullmatch(key)
        if match is None:
            raise ConfigError(f"{path} holds {key!r:.120}, which is not of a LoRA adapter; train it again")
        layers.setdefault(match["layer"], {})[match["part"]] = tensor
    weights: dict[str, Any] = dict(model.named_parameters())
    with torch.no_grad():
        for layer, parts in layers.items():
            weight: Any = weights.get(f"{layer}.weight")
            shapes = {part: tuple(tensor.shape) for part, tensor in parts.items()}
            fits = weight is not None and shapes.keys() == {"A", "B"} and len(shapes["A"]) == 2
            if not fits or (*shapes["B"][:1], *shapes["A"][1:]) != tuple(weight.shape):
                raise ConfigError(
                    f"{path} does not fit its base model {adapter.base} at {layer!r:.120}; name the base "
                    f"model that it was trained on in {ADAPTER_CONFIG}"
                )
            change = adapter.scaling * (parts["B"].float() @ parts["A"].float())
            weight += change.to(weight)


def without_peft(model: Any) -> Any:
    """Return the model of transformers inside a `PeftModel`, adapter layers included; others unchanged."""
    inside = getattr(model, "get_base_model", None)
    return model if inside is None else inside()


def _identity(adapter: Adapter, base: Path) -> str:
    """Return a digest that changes with the adapter or its base model."""
    own = [sha256_once(path) for path in sorted(adapter.folder.iterdir()) if _matters(path)]
    of_base = [
        (path.name, path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(base.iterdir())
        if path.is_file() and is_read(path.name)
    ]
    text = json.dumps([own, str(base.resolve()), of_base])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _matters(path: Path) -> bool:
    return path.is_file() and (is_read(path.name) or path.name == ADAPTER_CONFIG)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
