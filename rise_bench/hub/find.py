"""Datasets and CoT datasets found by name, folder or Hub id."""

import logging
import os
from pathlib import Path
from typing import Any

from rise_bench.cot.dataset import GROUNDED, CotDataset, open_cots
from rise_bench.data.dataset import BenchmarkDataset, _named, local_folder, open_dataset
from rise_bench.data.manifest import MANIFEST_NAME
from rise_bench.errors import ConfigError, DataError
from rise_bench.files.paths import cache_folder

_log = logging.getLogger(__name__)


def open_benchmark(name: str) -> BenchmarkDataset:
    """Open a benchmark by name, or by the folder that `rise-bench build` wrote.

    Raises:
        DataError: There is none, or only without its images.
    """
    return open_dataset(name) if (Path(name) / MANIFEST_NAME).is_file() else find_dataset(name)


def find_dataset(name: str) -> BenchmarkDataset:
    """Find and open the dataset of a benchmark by name, images included.

    Raises:
        DataError: If it is nowhere, or only without its images.
    """
    dataset = open_dataset(_named(name))
    if dataset.spec.name != name:
        raise DataError(f"{dataset.root} holds {dataset.spec.name!r}, expected {name!r}; move it")
    if dataset.manifest.images == "reference":
        raise DataError(
            f"{dataset.root} holds {name} without its images, which may not be republished; run `rise-bench "
            f"build {name} --source DIR` or `rise-bench rehydrate {dataset.spec.hub_id} --source DIR`"
        )
    return dataset


def find_cots(name: str) -> CotDataset:
    """Open a CoT dataset by folder or name: `$RISE_BENCH_DATA/<name>`, the cache folder, the Hub.

    Raises:
        DataError: It is nowhere.
    """
    if (folder := local_folder(name)) is not None:
        return open_cots(folder)
    from rise_bench.data.hub_files import fetch_dataset

    hub_id = f"{os.environ.get('RISE_BENCH_ORG', 'rise-bench')}/rise-{name.replace('_', '-')}"
    try:
        return open_cots(fetch_dataset(name, hub_id))
    except DataError as error:
        raise DataError(
            f"no chains of thought {name!r} in that folder, in $RISE_BENCH_DATA, in {cache_folder('')} or on "
            "the Hub; make them with `rise-bench collect`"
        ) from error


def read_cots(
    name: str, *, min_reward: float | None = None, min_groundedness: float | None = None
) -> dict[str, str]:
    """Chains of thought by sample id.

    Args:
        name: Folder of a CoT dataset, or the name under which it is found, e.g. `emotion6-cot`.
        min_reward: Leave out rows below this reward (tau of the paper); None takes all.
        min_groundedness: Leave out rows whose least grounded sentence is below this, in nats a token; None
            takes all.

    Raises:
        ConfigError: No row is left.
        DataError: There is no such dataset, or rows without groundedness where it is asked for.
    """
    dataset = find_cots(name)
    columns = ["id", "cot", "reward", *(() if min_groundedness is None else GROUNDED[1:])]
    cots = {
        row["id"]: row["cot"]
        for row in dataset.rows(columns=columns)
        if (min_reward is None or row["reward"] >= min_reward)
        and (min_groundedness is None or _worst_sentence(row, dataset) >= min_groundedness)
    }
    if not cots:
        asked = f"reward >= {min_reward}" + (
            "" if min_groundedness is None else f" and groundedness >= {min_groundedness}"
        )
        lower = "Lower tau." if min_groundedness is None else "Lower tau or data.min_groundedness."
        raise ConfigError(f"{dataset.root} has no chain of thought with {asked}. {lower}")
    return cots


def _worst_sentence(row: dict[str, Any], dataset: CotDataset) -> float:
    found: float | None = row.get(GROUNDED[1])
    if found is None:
        raise DataError(
            f"{dataset.root}: row {row['id']} has no groundedness. Collect again with --judge MODEL, or "
            "leave data.min_groundedness out."
        )
    return found
