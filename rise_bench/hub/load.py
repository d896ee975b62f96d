"""Loading from the Hub (`rise_bench.load`): a dataset at one commit, its files checked by its manifest."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rise_bench.catalog.benchmarks import BENCHMARKS, get_benchmark
from rise_bench.cot.dataset import COT_CONFIGS
from rise_bench.data.dataset import arrow_cache, full_cache_named, local_folder
from rise_bench.data.hub_files import (
    PINNED_REVISIONS,
    check_repo_id,
    commit_of,
    fetch_file,
    fetch_files,
    hub_errors,
    is_offline,
    list_files,
)
from rise_bench.data.manifest import MANIFEST_NAME, Manifest, checked_file, read_manifest
from rise_bench.data.splits import CONFIGS, as_shots
from rise_bench.errors import ConfigError, DataError
from rise_bench.files.atomic import sha256_file

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict

_COMMIT = re.compile(r"[0-9a-f]{40}")


def load(
    name: str,
    config: str = "default",
    *,
    split: str | None = None,
    revision: str | None = None,
    streaming: bool = False,
) -> "DatasetDict | Dataset | IterableDatasetDict | IterableDataset":
    """Load a benchmark or CoT dataset; says on stderr which folder or commit it is.

    Args:
        name: A folder, the name of a dataset that was built here, "coco_sub", "coco_sub-cot", or any
            "ORG/NAME" on the Hub.
        config: "4-shot", "16-shot" or "full" of a benchmark; "high" or "default" of a CoT dataset;
            "default" is the whole of either.
        split: "train" or "test"; None gives a dictionary of the splits.
        revision: Commit, tag or branch on the Hub; None is what is on this machine, else the pinned commit,
            else the head of main.
        streaming: Read rows as they are asked for, without downloading the files first.

    Returns:
        What `datasets.load_dataset` returns.

    Raises:
        ConfigError: If there is no such name or configuration.
        DataError: If the manifest is not valid, or a file is not the one that it names.
        PrerequisiteError: If the Hub does not give it.

    Example:
        >>> import rise_bench
        >>> cots = rise_bench.load("coco_sub-cot", "high", split="train")  # doctest: +SKIP
    """
    from datasets import load_dataset

    if revision is None and (here := local_folder(name)) is not None:
        _print(f"{name}: taken from {here}; pass revision= for what the Hub has.")
        return load_files(here, read_manifest(here), config, split=split, streaming=streaming)
    repo_id = repo_of(name)
    if streaming:
        commit = commit_of(repo_id, revision or PINNED_REVISIONS.get(name))
        manifest = _check_remote(repo_id, commit, config)
        _say(repo_id, commit, config, manifest)
        files = _by_split(manifest, _paths(repo_id, manifest, config), split, repo_id)
        with hub_errors(repo_id):
            return load_dataset(repo_id, data_files=files, split=split, revision=commit, streaming=True)
    folder, commit, manifest = fetch_checked(name, config, revision=revision)
    _say(repo_id, commit, config, manifest)
    return load_files(folder, manifest, config, split=split)


def load_files(
    folder: Path, manifest: Manifest, config: str, *, split: str | None = None, streaming: bool = False
) -> "DatasetDict | Dataset | IterableDatasetDict | IterableDataset":
    """Load the files that a manifest names, each compared with it; what the card says is not asked.

    Raises:
        ConfigError: If there is no such configuration or split.
        DataError: If a file is not the one that was built.
        PrerequisiteError: If the disk is full.
    """
    from datasets import load_dataset

    files = {
        name: [str(checked_file(folder, path, manifest)) for path in paths]
        for name, paths in _by_split(manifest, _paths(str(folder), manifest, config), split, folder).items()
    }
    cache = arrow_cache(manifest)
    with full_cache_named(cache):
        return load_dataset("parquet", data_files=files, split=split, cache_dir=cache, streaming=streaming)


def _by_split(
    manifest: Manifest, paths: Sequence[str], split: str | None, where: Path | str
) -> dict[str, list[str]]:
    """Group files by split; `split` is as `load_dataset` takes it, e.g. "train[:10]"."""
    files = {name: [path for path in paths if manifest.files[path].split == name] for name in manifest.counts}
    files = {name: part for name, part in files.items() if part}
    asked = [] if split is None else [re.split(r"\[", part)[0].strip() for part in split.split("+")]
    if not files or not {*asked} <= {*files, "all"}:
        has = ", ".join(files) or "none"
        raise ConfigError(f"{where} has no rows of split {split!r} in that configuration; it has {has}")
    return files


def fetch_checked(
    name: str, config: str = "default", *, revision: str | None = None
) -> tuple[Path, str, Manifest]:
    """Download what a configuration needs, and check each file's sha256 against the manifest.

    Args:
        name: As in `load`.
        config: As in `load`.
        revision: As in `load`; without network, what the local Hub cache holds of it.

    Returns:
        The folder, the commit, and the manifest.

    Raises:
        ConfigError, DataError, PrerequisiteError: As `load`.
    """
    repo_id = repo_of(name)
    revision = revision or PINNED_REVISIONS.get(name)
    # Asked for a branch, the client falls back to its cache without a word when the Hub refuses or is down.
    commit = (revision or "main") if is_offline() else commit_of(repo_id, revision)
    folder = fetch_file(repo_id, MANIFEST_NAME, commit).parent
    commit = folder.name
    if not _COMMIT.fullmatch(commit):
        raise DataError(f"{folder} is no commit of the local Hub cache; delete it and load again")
    manifest = read_manifest(folder)
    paths = _paths(repo_id, manifest, config)
    fetch_files(repo_id, ["README.md", "eval.yaml", MANIFEST_NAME, *paths], commit)
    for path in paths:
        if not (folder / path).is_file():
            raise DataError(
                f"{repo_id} at {commit} lacks {path}, which its manifest names; ask its publisher"
            )
        _check(repo_id, commit, path, manifest, sha256_file(folder / path))
    return folder, commit, manifest


def repo_of(name: str) -> str:
    """Return the Hub id of a short name, e.g. "coco_sub-cot" -> "rise-bench/rise-coco-sub-cot".

    Raises:
        ConfigError: If there is no such benchmark.
    """
    if "/" in name:
        return check_repo_id(name)
    base = name.removesuffix("-cot")
    if base not in BENCHMARKS:
        raise ConfigError(
            f"no dataset {name!r}; name one of {', '.join(sorted(BENCHMARKS))}, the same with -cot, "
            "or ORG/NAME"
        )
    return get_benchmark(base).hub_id + name[len(base) :]


def _paths(repo_id: str, manifest: Manifest, config: str) -> list[str]:
    """Return the parquet files of a configuration."""
    if {entry.shard for entry in manifest.files.values()} <= {"high", "low"}:
        wanted = next((shards for name, shards in COT_CONFIGS.items() if name == config), None)
        if wanted is None:
            known = ", ".join(COT_CONFIGS)
            raise ConfigError(f"{repo_id} has no configuration {config!r}; choose one of {known}")
    else:
        wanted = (*CONFIGS[as_shots(config)], "test")
    return [path for path, entry in sorted(manifest.files.items()) if entry.shard in wanted]


def _check_remote(repo_id: str, commit: str, config: str) -> Manifest:
    """Compare the hashes that the Hub states for its large files with the manifest; nothing is downloaded."""
    manifest = read_manifest(fetch_file(repo_id, MANIFEST_NAME, commit).parent)
    remote = list_files(repo_id, commit)
    for path in _paths(repo_id, manifest, config):
        if path not in remote:
            raise DataError(
                f"{repo_id} at {commit} lacks {path}, which its manifest names; ask its publisher"
            )
        _check(repo_id, commit, path, manifest, remote[path].sha256 or "unknown")
    return manifest


def _check(repo_id: str, commit: str, path: str, manifest: Manifest, sha256: str) -> None:
    if sha256 != manifest.files[path].sha256:
        raise DataError(
            f"{path} of {repo_id} at {commit} has sha256 {sha256}, its manifest says "
            f"{manifest.files[path].sha256}; delete it from the Hub cache and load again, "
            "or ask its publisher"
        )


def _say(repo_id: str, commit: str, config: str, manifest: Manifest) -> None:
    hint = ""
    if manifest.images == "reference":
        hint = f" The images are not in it; join yours with `rise-bench rehydrate {repo_id} --source DIR`."
    _print(f'{repo_id}, {config}: commit {commit} (pin it with revision="{commit}").{hint}')


def _print(text: str) -> None:
    from rich.console import Console

    Console(stderr=True).print(text, highlight=False, soft_wrap=True, markup=False)


def open_folder(
    name: str | Path, config: str = "default", *, revision: str | None = None, built: bool = True
) -> tuple[Path, Manifest]:
    """Return a dataset's folder, whether it is one already or lies on the Hub, and its manifest.

    Args:
        name: As in `load`.
        config: As in `load`.
        revision: As in `load`.
        built: Whether the name of a dataset that was built here may be meant.

    Raises:
        ConfigError, DataError, PrerequisiteError: As `load`.
    """
    if built and revision is None and (here := local_folder(name)) is not None:
        return here, read_manifest(here)
    if Path(name).expanduser().is_dir():
        folder = Path(name).expanduser()
        return folder, read_manifest(folder)
    folder, commit, manifest = fetch_checked(str(name), config, revision=revision)
    _say(repo_of(str(name)), commit, config, manifest)
    return folder, manifest
