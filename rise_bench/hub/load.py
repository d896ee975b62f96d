"""Loading from the Hub (`rise_bench.load`): a dataset at one commit, its files checked by its manifest."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rise_bench.data.dataset import arrow_cache, full_cache_named
from rise_bench.data.hub_client import hub_errors
from rise_bench.data.hub_files import list_files
from rise_bench.data.manifest import Manifest, checked_file
from rise_bench.errors import ConfigError
from rise_bench.hub.find import Found, check_sha256, find, paths_of

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict


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

    found = find(name, config=config, revision=revision, fetch=not streaming)
    say(name, found, config)
    if not streaming or not found.repo_id:
        return load_files(found.folder, found.manifest, config, split=split, streaming=streaming)
    repo_id, commit = found.repo_id, found.commit
    remote = list_files(repo_id, commit)
    paths = paths_of(repo_id, found.manifest, config)
    for path in paths:  # the Hub states the hashes of its large files
        sha256 = (remote[path].sha256 or "unknown") if path in remote else None
        check_sha256(repo_id, commit, path, found.manifest, sha256)
    files = _by_split(found.manifest, paths, split, repo_id)
    with hub_errors(repo_id):
        return load_dataset(repo_id, data_files=files, split=split, revision=commit, streaming=True)


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
        for name, paths in _by_split(manifest, paths_of(folder, manifest, config), split, folder).items()
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


def say(name: Path | str, found: Found, config: str) -> None:
    """Print which folder or commit a dataset is from."""
    from rich.console import Console

    text = f"{name}: taken from {found.folder}; pass revision= for what the Hub has."
    if found.repo_id:
        text = f'{found.repo_id}, {config}: commit {found.commit} (pin it with revision="{found.commit}").'
        if found.manifest.images == "reference":
            text += (
                " The images are not in it; join yours with `rise-bench rehydrate "
                f"{found.repo_id} --source DIR`."
            )
    Console(stderr=True).print(text, highlight=False, soft_wrap=True, markup=False)
