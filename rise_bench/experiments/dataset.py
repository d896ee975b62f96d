"""Drawn benchmark in a folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, cast

from rise_bench.builders import synthetic
from rise_bench.data.dataset import BenchmarkDataset, open_dataset
from rise_bench.data.manifest import MANIFEST_NAME
from rise_bench.data.writer import write_dataset
from rise_bench.errors import ConfigError
from rise_bench.synthetic import vocabulary
from rise_bench.synthetic.rows import DrawnBenchmark


def draw(
    data: Path,
    *,
    train: int,
    test: int,
    seed: int,
    test_split: Literal["validation", "test"] = "test",
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
) -> BenchmarkDataset:
    """Draw a benchmark, or open a finished one.

    Args:
        data: Folder with the name of the benchmark: moods, scenes or kinds.
        train: Training rows.
        test: Test rows.
        seed: Seed of the pictures and of the few-shot ranks.
        test_split: Kind of test rows, see `rise_bench.builders.synthetic.plan`.
        progress: Called after each picture.

    Raises:
        ConfigError: The folder holds another benchmark.
    """
    if not (data / MANIFEST_NAME).is_file():
        plan = synthetic.plan(
            cast(DrawnBenchmark, data.name),
            train=train,
            test=test,
            seed=seed,
            test_split=test_split,
            progress=progress,
        )
        write_dataset(plan, data, seed=seed)
    dataset = open_dataset(data)
    version = vocabulary.world_version(data.name)
    counts = {split: dataset.manifest.counts.get(split, 0) for split in ("train", "test")}
    made = (counts, dataset.manifest.seed, dataset.manifest.options.get("world_version"))
    if made != ({"train": train, "test": test}, seed, version):
        raise ConfigError(
            f"{data} holds {made[0]} rows of seed {made[1]} and version {made[2]}, unlike this run; "
            "choose another --out or remove it"
        )
    return dataset
