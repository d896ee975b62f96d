"""Models by name: the embedded base model, tiny random checkpoints, folders, repositories of the Hub."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rise_bench.data.hub_client import is_offline
from rise_bench.data.hub_files import cached_snapshot, commit_of, fetch_files, list_files
from rise_bench.errors import ConfigError, PrerequisiteError
from rise_bench.files.atomic import sha256_bytes, sha256_once
from rise_bench.files.paths import cache_folder
from rise_bench.models.adapters import Adapter, is_adapter, merged_folder, read_adapter
from rise_bench.models.base_model import BASE_MODEL, base_model_folder
from rise_bench.models.model_files import (
    ADAPTER_CONFIG,
    check_adapter_names,
    check_model_files,
    check_model_folder,
    check_names,
    is_read,
)
from rise_bench.models.trained_model import final_model, run_of

TINY = "tiny-"
"""Prefix of the tiny random checkpoints, one for each family: tiny-qwen2_vl, …"""

#: Default limit of a download, in bytes.
MAX_MODEL_BYTES = 200 * 2**30
_MAX_DESCRIPTION_BYTES = 128 * 2**20


@dataclass(frozen=True, slots=True)
class CheckedModel:
    """Local model without code of its author.

    Attributes:
        folder: Folder of the model; of an adapter, that of base model and adapter merged.
        paths: Paths of its files in the folder.
        revision: Commit on the Hub, or "".
        adapter: Folder of the adapter, if it is one.
    """

    folder: Path
    paths: tuple[str, ...]
    revision: str = ""
    adapter: Path | None = None


def local_model(name: str) -> str:
    """Return the folder of a local model, or else the name unchanged.

    Args:
        name: `rise-bench-base`, `tiny-FAMILY` (made in the cache folder on first use), a folder, a finished
            training run (the model of its last phase) or a Hub id.
    """
    if name == BASE_MODEL:
        return str(base_model_folder())
    if name.startswith(TINY):
        from rise_bench.models.tiny import make_tiny_model

        family: str = name.removeprefix(TINY)
        return str(make_tiny_model(cache_folder(name), family))
    folder = Path(name).expanduser()
    if run_of(folder) == folder:
        return str(final_model(folder))
    return str(folder) if name.startswith("~") else name


def weights_of(name: str) -> dict[str, str]:
    """Return what tells the weights of a local model from others in its folder; nothing for a Hub id.

    Args:
        name: Name of a local model as `local_model` takes it; an adapter is told by its base model too.
    """
    folder = Path(local_model(name)) if name else None
    paths = sorted(folder.glob("*.safetensors")) if folder else []
    if not folder or not paths:
        return {}
    told = "".join(f"{path.name} {sha256_once(path)}\n" for path in paths)
    if is_adapter(folder):
        told += str(weights_of(read_adapter(folder).base))
    return {"weights": sha256_bytes(told.encode())[:16]}


def checked_model(name: str, revision: str = "", *, weights: bool = True) -> CheckedModel:
    """Return a model without code of its author, by a name of `local_model`; a Hub id is downloaded.

    Args:
        name: Name of the model, or of an adapter, which is merged into its base model.
        revision: Hub revision; empty means the default branch.
        weights: Whether the weights are downloaded too; without them, an adapter is described by its base
            model.

    Raises:
        ConfigError: If the model does not exist, or could run code of its author.
    """
    folder = Path(local_model(name))
    if folder.resolve() == base_model_folder().resolve():  # part of this package, beside its code
        return CheckedModel(folder, tuple(filter(is_read, (path.name for path in folder.iterdir()))))
    if folder.is_dir() and is_adapter(folder):
        return _merged(folder, lambda a: checked_model(a.base, a.revision, weights=weights), weights=weights)
    if folder.is_dir():
        return CheckedModel(folder, check_model_folder(folder))
    if name.count("/") != 1:
        raise ConfigError(f"no model {name!r}: it is neither a folder nor ORG/NAME of the Hub")
    try:
        return fetch_checked_model(name, revision, weights=weights)
    except PrerequisiteError as error:
        raise ConfigError(f"no model {name!r}: {error}") from error


def fetch_checked_model(
    repo_id: str, revision: str = "", *, max_bytes: int = MAX_MODEL_BYTES, weights: bool = True
) -> CheckedModel:
    """Download description and safetensors of a model of at most `max_bytes`, and check them.

    Raises:
        ConfigError: If it could run code of its author, or is larger.
        PrerequisiteError: If neither the Hub nor the local Hub cache has it.
    """
    if is_offline():
        return _cached(repo_id, revision, weights=weights)
    try:
        commit = commit_of(repo_id, revision or None, repo_type="model")
        files = list_files(repo_id, commit, repo_type="model")
    except PrerequisiteError:
        try:
            return _cached(repo_id, revision, weights=weights)
        except PrerequisiteError:
            pass
        raise
    is_model = "config.json" in files
    paths = tuple(path for path in files if is_read(path) or path == ADAPTER_CONFIG)
    if not is_model and ADAPTER_CONFIG in files:
        check_adapter_names(repo_id, paths)
    else:
        check_names(repo_id, paths)
    sizes = {path: files[path].size_bytes for path in paths}
    if sum(sizes.values()) > max_bytes:
        raise ConfigError(
            f"{repo_id} has {sum(sizes.values()) / 2**30:.1f} GiB, over the limit of {max_bytes / 2**30:.1f} "
            "GiB; raise the limit if that is what you want"
        )
    for path, size in sizes.items():
        if not path.endswith(".safetensors") and size > _MAX_DESCRIPTION_BYTES:
            raise ConfigError(
                f"{path} of {repo_id} has {size} bytes, too many to describe a model; not fetched"
            )
    fetched = [path for path in paths if weights or not is_model or not path.endswith(".safetensors")]
    folder = fetch_files(repo_id, fetched, commit, repo_type="model")
    if not is_model:
        return _merged_of_hub(folder, commit, max_bytes - sum(sizes.values()), weights=weights)
    check_model_files(folder, paths)
    return CheckedModel(folder, paths, commit)


def _cached(repo_id: str, revision: str, *, weights: bool) -> CheckedModel:
    folder = cached_snapshot(repo_id, revision)
    if is_adapter(folder):
        return _merged_of_hub(folder, folder.name, MAX_MODEL_BYTES, weights=weights)
    below = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    paths = tuple(sorted(path for path in below if is_read(path) or path == ADAPTER_CONFIG))
    check_model_files(folder, paths)
    return CheckedModel(folder, paths, folder.name)


def _merged_of_hub(folder: Path, commit: str, max_bytes: int, *, weights: bool) -> CheckedModel:
    """Return an adapter of the Hub merged into its base model, which must be on the Hub too."""

    def base_of(adapter: Adapter) -> CheckedModel:
        if adapter.base.count("/") != 1 or adapter.base.startswith((".", "/", "~")):
            raise ConfigError(
                f"the adapter {folder} names the base model {adapter.base!r:.120}, which is not ORG/NAME of "
                "the Hub; publish it with such a base model"
            )
        return fetch_checked_model(adapter.base, adapter.revision, max_bytes=max_bytes, weights=weights)

    return replace(_merged(folder, base_of, weights=weights), revision=commit)


def _merged(folder: Path, base_of: Callable[[Adapter], CheckedModel], *, weights: bool) -> CheckedModel:
    adapter = read_adapter(folder)
    try:
        base = base_of(adapter)
    except RecursionError as error:
        raise ConfigError(f"the adapter {folder} is its own base model; name another in it") from error
    if not weights:
        return replace(base, adapter=folder)
    merged = merged_folder(adapter, base.folder)
    return CheckedModel(merged, check_model_folder(merged), adapter=folder)


def is_model_folder(name: str) -> bool:
    """Whether a model is a local folder and not a Hub id.

    Raises:
        ConfigError: If it can only be a folder, and holds no model.
    """
    folder = Path(name).expanduser()
    if folder.is_dir() and any(folder.glob("*.json")):
        return True
    if folder.is_dir() or name.startswith((".", "/", "~")) or name.count("/") > 1:
        what = "holds no model" if folder.is_dir() else "does not exist"
        raise ConfigError(f"{folder} {what}; name a folder with config.json and weights, a run or a Hub id")
    return False
