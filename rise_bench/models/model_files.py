"""Files of a model that are read, and the check that none of them runs code of its author."""

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from rise_bench.errors import ConfigError

#: Files of a model that are fetched and read; others are ignored.
_READ = re.compile(
    r"config\.json|generation_config\.json|tokenizer\.json|tokenizer_config\.json|special_tokens_map\.json"
    r"|added_tokens\.json|vocab\.json|merges\.txt|vocab\.txt|tokenizer\.model|spiece\.model"
    r"|processor_config\.json|preprocessor_config\.json|video_preprocessor_config\.json"
    r"|chat_template\.(?:json|jinja)|additional_chat_templates/[\w-]+\.jinja"
    r"|[\w-][\w.-]*\.safetensors|[\w-][\w.-]*\.safetensors\.index\.json",
    re.ASCII,
)
#: Files of a LoRA adapter; its base model is another one.
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
#: State of a trainer beside a checkpoint, never read as a model.
TRAINER_STATE = ("optimizer.pt", "scheduler.pt", "scaler.pt", "rng_state*.pth", "trainer_state.json")
DEEPSPEED_STATE = ("global_step*", "latest", "zero_to_fp32.py")
_NOT_OF_THE_MODEL = (*TRAINER_STATE, *DEEPSPEED_STATE, "training_args.bin")
_CODE = (".py", ".pyc", ".pyd", ".so", ".dll", ".dylib")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".npz", ".h5", ".msgpack")

#: Keys of a JSON file that make a loader run code.
_CODE_KEYS = frozenset(
    {
        *("auto_map", "auto_mapping", "parent_library", "base_model_class"),
        *("custom_generate", "custom_pipeline", "custom_pipelines", "trust_remote_code"),
        *("kernel_config", "use_kernels", "_target_", "py/object", "py/reduce"),
    }
)
#: Keys that name a class of transformers, without module or repository.
_CLASS_KEYS = frozenset(
    {
        *("tokenizer_class", "processor_class", "image_processor_class", "image_processor_type"),
        *("feature_extractor_class", "feature_extractor_type"),
        *("video_processor_class", "video_processor_type"),
    }
)
#: Quantisation methods that transformers reads without a lookup of classes by name.
_QUANTISED = frozenset({"awq", "bitsandbytes", "compressed-tensors", "fp8", "gptq"})
#: Name of a class of a repository: ORG/NAME--MODULE.CLASS.
_CLASS_OF_A_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+--[\w.]+\.\w+")

_MAX_TEXT_BYTES = 128 * 2**20


def is_read(path: str) -> bool:
    """Whether a file of a model, by its path in folder or repository, is fetched and read.

    >>> is_read("config.json"), is_read("custom_generate/generate.py"), is_read("onnx/config.json")
    (True, False, False)
    """
    return _READ.fullmatch(path) is not None


def check_model_folder(folder: Path) -> tuple[str, ...]:
    """Check that the model of a folder runs no code of its author; return the paths of its files.

    The state of a trainer beside a checkpoint is left out.

    Raises:
        ConfigError: If it lacks config.json or safetensors, holds code, pickles, an adapter or links out of
            the folder, or a JSON file names code at any depth.
    """
    if not (folder / "config.json").is_file():
        raise _no_config(str(folder))
    paths = tuple(_files(folder))
    check_model_files(folder, paths)
    return paths


def check_adapter_folder(folder: Path) -> None:
    """Check that the adapter of a folder runs no code of its author.

    Raises:
        ConfigError: If it lacks weights, holds code or pickles, or a JSON file names code at any depth.
    """
    listed = sorted(_files(folder))
    check_adapter_names(str(folder), listed)
    _check_contents(folder, listed)


def check_adapter_names(model: str, paths: Iterable[str]) -> None:
    """Check the names of the files of an adapter, called `model` in errors, for code and pickles."""
    names = list(paths)
    _check_endings(model, names)
    if ADAPTER_CONFIG not in names or ADAPTER_WEIGHTS not in names:
        raise ConfigError(
            f"{model} is not an adapter with {ADAPTER_CONFIG} and {ADAPTER_WEIGHTS}; save it by "
            "save_pretrained"
        )


def check_model_files(folder: Path, paths: Iterable[str]) -> None:
    """Check files of a model by their paths in its folder; absent files, such as weights, by name only."""
    listed = sorted(paths)
    check_names(str(folder), listed)
    _check_contents(folder, listed)


def _check_contents(folder: Path, listed: list[str]) -> None:
    for path in listed:
        if not os.path.lexists(folder / path):
            continue
        _check_link(folder, folder / path)
        if path.lower().endswith(".json"):
            _check_json(folder, path, set(listed))


def check_names(model: str, paths: Iterable[str]) -> None:
    """Check the names of the files of a model, called `model` in errors, for code, pickles and adapters."""
    names = list(paths)
    _check_endings(model, names)
    for path in names:
        if PurePosixPath(path).name.lower() == ADAPTER_CONFIG:
            raise ConfigError(
                f"{model} is a model and an adapter ({path}), which names another model and a library to "
                "import; keep the adapter in a folder of its own, or merge it"
            )
    if "config.json" not in names:
        raise _no_config(model)
    if not any(path.endswith(".safetensors") for path in names):
        raise ConfigError(
            f"{model} has no .safetensors; other weights can run code and are not loaded, save them with "
            "save_pretrained"
        )


def _check_endings(model: str, names: list[str]) -> None:
    for path in names:
        name = PurePosixPath(path).name.lower()
        if name.endswith(_CODE):
            raise ConfigError(f"{model} holds {path}, which is code; use a model of transformers without it")
        if name.endswith(_PICKLES):
            raise ConfigError(
                f"{model} holds {path}, a file that can run code when it is loaded; save the weights as "
                "safetensors (save_pretrained does) and remove it"
            )


def _no_config(model: str) -> ConfigError:
    return ConfigError(f"no model in {model}: config.json is missing; name the folder of a checkpoint")


def _files(folder: Path) -> Iterator[str]:
    for path in folder.iterdir():
        if any(path.match(pattern) for pattern in _NOT_OF_THE_MODEL):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from (f"{path.name}/{below}" for below in _files(path))
        else:
            yield path.name


def _check_link(folder: Path, path: Path) -> None:
    """Refuse links out of the folder, except those of the Hub's cache to its blobs."""
    target = path.resolve()
    blobs = folder.absolute().parent.parent / "blobs"
    inside = target.is_relative_to(folder.resolve()) or target.parent == blobs.resolve()
    if not (inside and target.is_file()):
        raise ConfigError(f"{path} is a link out of the model's folder or no file; put the file itself there")


def _check_json(folder: Path, name: str, listed: set[str]) -> None:
    path = folder / name
    if path.stat().st_size > _MAX_TEXT_BYTES:
        raise ConfigError(f"{path} is over {_MAX_TEXT_BYTES} bytes; a description of a model is smaller")
    vocabulary = path.name in ("tokenizer.json", "vocab.json")  # its keys and texts are tokens

    def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for key, value in pairs:
            if not (vocabulary and isinstance(value, int)) and (reason := _names_code(key, value)):
                raise ConfigError(f"{path} names code ({reason}), which is never run; use a model without it")
        return dict(pairs)

    try:
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=object_of)
    except RecursionError as error:
        raise ConfigError(f"{path} is nested too deep to describe a model; remove it") from error
    except ValueError as error:
        if is_read(name):
            raise ConfigError(f"{path} is not JSON ({error}); fetch the model again") from error
        return
    if is_read(name) and not isinstance(content, dict):
        raise ConfigError(f"{path} holds no JSON object; fetch the model again")
    if name.endswith(".safetensors.index.json"):
        _check_index(path, content, listed)


def _names_code(key: str, value: Any) -> str:
    """Return how a key and its value lead to code, or ""."""
    if key in _CODE_KEYS and value:
        return key
    if key.endswith("_implementation"):
        texts = list(_texts(list(value.values()) if isinstance(value, dict) else value))
        return f"{key}: a repository" if any("/" in text for text in texts) else ""
    if key in _CLASS_KEYS and not all(text.isidentifier() for text in _texts(value)):
        return f"{key}: not the name of a class"
    if key == "quant_method" and str(value) not in _QUANTISED:
        return f"{key} {value!r:.40}, supported are {', '.join(sorted(_QUANTISED))}"
    if any(_CLASS_OF_A_REPOSITORY.fullmatch(text) for text in _texts(value)):
        return f"{key}: a class of a repository"
    return ""


def _texts(value: Any) -> Iterator[str]:
    """Yield the strings of a value; its objects are checked when they are decoded."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, list):
            stack += item


def _check_index(path: Path, content: Any, listed: set[str]) -> None:
    shards = content.get("weight_map")
    if not isinstance(shards, dict):
        raise ConfigError(f"{path} has no weight_map; fetch the model again")
    for name in set(map(str, shards.values())):
        if not name.endswith(".safetensors") or "/" in name or name not in listed:
            raise ConfigError(
                f"{path} names {name!r:.120}, not a safetensors file beside it; fetch the model again"
            )
