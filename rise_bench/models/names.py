"""Models by name: the embedded base model, tiny random checkpoints, folders, repositories of the Hub."""

from dataclasses import dataclass
from pathlib import Path

from rise_bench.data.hub_client import is_offline
from rise_bench.data.hub_files import cached_snapshot, commit_of, fetch_files, list_files
from rise_bench.errors import ConfigError, PrerequisiteError
from rise_bench.files.paths import cache_folder
from rise_bench.models.base_model import BASE_MODEL, base_model_folder
from rise_bench.models.model_files import check_model_files, check_model_folder, check_names, is_read
from rise_bench.models.trained_model import final_model, run_of

TINY = "tiny-"
"""Prefix of the tiny random checkpoints, one for each family: tiny-qwen2_vl, …"""

#: Default limit of a download, in bytes.
MAX_MODEL_BYTES = 200 * 2**30
_MAX_DESCRIPTION_BYTES = 128 * 2**20


@dataclass(frozen=True, slots=True)
class CheckedModel:
    """Local model without code of its author: folder, paths in it, and commit on the Hub (or "")."""

    folder: Path
    paths: tuple[str, ...]
    revision: str = ""


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


def checked_model(name: str, revision: str = "", *, weights: bool = True) -> CheckedModel:
    """Return a model without code of its author, by a name of `local_model`; a Hub id is downloaded.

    Args:
        name: Name of the model.
        revision: Hub revision; empty means the default branch.
        weights: Whether the weights are downloaded too.

    Raises:
        ConfigError: If the model does not exist, or could run code of its author.
    """
    folder = Path(local_model(name))
    if folder.resolve() == base_model_folder().resolve():  # part of this package, beside its code
        return CheckedModel(folder, tuple(filter(is_read, (path.name for path in folder.iterdir()))))
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
        return _cached(repo_id, revision)
    try:
        commit = commit_of(repo_id, revision or None, repo_type="model")
        files = list_files(repo_id, commit, repo_type="model")
    except PrerequisiteError:
        try:
            return _cached(repo_id, revision)
        except PrerequisiteError:
            pass
        raise
    paths = tuple(path for path in files if is_read(path))
    check_names(repo_id, [*paths, *(path for path in files if path == "adapter_config.json")])
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
    fetched = [path for path in paths if weights or not path.endswith(".safetensors")]
    folder = fetch_files(repo_id, fetched, commit, repo_type="model")
    check_model_files(folder, paths)
    return CheckedModel(folder, paths, commit)


def _cached(repo_id: str, revision: str) -> CheckedModel:
    folder = cached_snapshot(repo_id, revision)
    below = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    paths = tuple(sorted(path for path in below if is_read(path) or path == "adapter_config.json"))
    check_model_files(folder, paths)
    return CheckedModel(folder, paths, folder.name)


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
