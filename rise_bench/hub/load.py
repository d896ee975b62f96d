"""`rise_bench.load`: a dataset from this machine or one commit of the Hub, checked against its manifest."""

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
    """Load a benchmark or CoT dataset; prints its folder or commit on stderr.

    Args:
        name: Folder, name of a built dataset, "coco_sub", "coco_sub-cot", or any "ORG/NAME" on the Hub.
        config: "4-shot", "16-shot" or "full" of a benchmark; "high" or "default" of a CoT dataset;
            "default" is the whole of either.
        split: "train" or "test"; None returns a dictionary of the splits. The test of "counting_ood" and
            its like is that further test.
        revision: Commit, tag or branch on the Hub; None takes a local dataset, else the pinned commit, else
            the head of main.
        streaming: Iterate over rows without downloading the files first.

    Returns:
        The result of `datasets.load_dataset`.

    Raises:
        ConfigError: If name or configuration does not exist, or a part of a split is to be streamed.
        DataError: If the manifest is not valid, or a file differs from it.
        PrerequisiteError: If the Hub cannot be reached or refuses it.

    Example:
        >>> import rise_bench
        >>> cots = rise_bench.load("coco_sub-cot", "high", split="train")  # doctest: +SKIP
    """
    from datasets import load_dataset

    if streaming and "[" in (split or ""):
        raise ConfigError(
            f"split={split!r}: expected a whole split, since streaming has no slices. Load without "
            "streaming, or use .take(n) of the streamed rows."
        )
    dataset = find(name, config=config, revision=revision, fetch=not streaming)
    say(name, dataset, config)
    manifest = dataset.benchmark(name).manifest if dataset.part else dataset.manifest
    if not streaming or not dataset.repo_id:
        return load_files(dataset.folder, manifest, config, split=split, streaming=streaming)
    repo_id, commit = dataset.repo_id, dataset.commit
    remote = list_files(repo_id, commit)
    paths = paths_of(repo_id, manifest, config)
    for path in paths:  # the Hub states the hashes of its large files
        sha256 = (remote[path].sha256 or "unknown") if path in remote else None
        check_sha256(repo_id, commit, path, manifest, sha256)
    files = _by_split(manifest, paths, split, repo_id)
    with hub_errors(repo_id):
        return load_dataset(repo_id, data_files=files, split=split, revision=commit, streaming=True)


def load_files(
    folder: Path, manifest: Manifest, config: str, *, split: str | None = None, streaming: bool = False
) -> "DatasetDict | Dataset | IterableDatasetDict | IterableDataset":
    """Load the files of a manifest, each compared with it; the card is not read."""
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
    """Group files by split; `split` has the syntax of `load_dataset`, e.g. "train[:10]"."""
    files = {name: [path for path in paths if manifest.files[path].split == name] for name in manifest.counts}
    files = {name: part for name, part in files.items() if part}
    asked = [] if split is None else [re.split(r"\[", part)[0].strip() for part in split.split("+")]
    if not files or not {*asked} <= {*files, "all"}:
        has = ", ".join(files) or "none"
        raise ConfigError(f"{where} has no rows of split {split!r} in that configuration; it has {has}")
    return files


def say(name: Path | str, dataset: Found, config: str) -> None:
    """Print the folder or commit of a dataset."""
    from rich.console import Console

    text = f"{name}: taken from {dataset.folder}; pass revision= for what the Hub has."
    if dataset.repo_id:
        commit = dataset.commit
        text = f'{dataset.repo_id}, {config}: commit {commit} (pin it with revision="{commit}").'
        if dataset.manifest.images == "reference":
            text += (
                " The images are not in it; join yours with `rise-bench rehydrate "
                f"{dataset.repo_id} --source DIR`."
            )
    Console(stderr=True).print(text, highlight=False, soft_wrap=True, markup=False)
