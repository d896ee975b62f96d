"""Opening a built dataset folder, and finding the one of a benchmark.

A benchmark is looked for in this order, and the log says where it was found: `$RISE_BENCH_DATA/<name>`, the
user's cache folder (where `rise-bench build` and `rehydrate` write by default), the Hub at a pinned revision.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rise_bench.errors import ConfigError, DataError
from rise_bench.manifest import MANIFEST_NAME, Manifest, checked_file, read_manifest
from rise_bench.registry import BenchmarkSpec, get_benchmark
from rise_bench.schema import row_to_gold
from rise_bench.splits import CONFIGS
from rise_bench.values import Gold

_log = logging.getLogger(__name__)
_BATCH_ROWS = 16


@dataclass(frozen=True, slots=True)
class BenchmarkDataset:
    """A complete dataset folder.

    Attributes:
        root: The folder.
        spec: The benchmark.
        manifest: Its manifest.
    """

    root: Path
    spec: BenchmarkSpec
    manifest: Manifest

    @property
    def sha256(self) -> str:
        """Identity of the content, whatever the file layout: of rows, classes, question and metric."""
        return self.manifest.content_sha256

    def files(self, split: str, config: str = "default") -> list[Path]:
        """Return the parquet files of a split in a configuration ("4-shot", "16-shot" or "default"), checked.

        Raises:
            ConfigError: If there is no such configuration or split.
            DataError: If a file is not the one that was built.
        """
        if config not in CONFIGS:
            raise ConfigError(f"no configuration {config!r}; choose one of {', '.join(CONFIGS)}")
        if split not in self.manifest.counts:
            raise ConfigError(f"{self.root} has no split {split!r}; it has {', '.join(self.manifest.counts)}")
        shards = CONFIGS[config] if split == "train" else (split,)
        return [
            checked_file(self.root, path, self.manifest)
            for shard in shards
            for path, entry in sorted(self.manifest.files.items())
            if entry.split == split and entry.shard == shard
        ]

    def rows(
        self, split: str, config: str = "default", *, columns: Sequence[str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Stream the rows of a split; memory holds `_BATCH_ROWS` images at a time.

        Args:
            split: "train" or "test".
            config: "4-shot", "16-shot" or "default"; decides the train rows only.
            columns: Columns to read; None reads all. `image` is `{"bytes", "path"}`, or None by reference.
        """
        for path in self.files(split, config):
            yield from self.file_rows(path, columns=columns)

    def file_rows(self, path: Path, *, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """Stream the rows of one parquet file, as `rows` does."""
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=columns, use_threads=False):
                yield from batch.to_pylist()

    def golds(self, split: str, config: str = "default") -> list[Gold]:
        """Return the truths of a split, without reading the images.

        Raises:
            DataError: If a row breaks the schema.
        """
        typed = "probs" if self.spec.kind == "distribution" else "objects"
        columns = ["id", "width", "height", "question", "category", typed]
        return [row_to_gold(self.spec, row) for row in self.rows(split, config, columns=columns)]


def open_dataset(folder: Path | str) -> BenchmarkDataset:
    """Open a dataset folder.

    Raises:
        DataError: If it has no valid manifest, or a file that it names is missing or of another size.
    """
    root = Path(folder).expanduser()
    manifest = read_manifest(root)
    for name, entry in manifest.files.items():
        path = root / name
        if not path.is_file() or path.stat().st_size != entry.bytes:
            state = "is missing" if not path.is_file() else f"has {path.stat().st_size} bytes"
            raise DataError(
                f"{path} {state}, the manifest says {entry.bytes} bytes; copy the folder again or rebuild it"
            )
    return BenchmarkDataset(root, manifest.benchmark, manifest)


def cache_folder(name: str) -> Path:
    """Return where `build` and `rehydrate` put a benchmark by default."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("rise-bench")) / name


def open_benchmark(name: str) -> BenchmarkDataset:
    """Open a benchmark by name, or by the folder that `rise-bench build` wrote.

    Raises:
        DataError: There is none, or only without its images.
    """
    return open_dataset(name) if (Path(name) / MANIFEST_NAME).is_file() else find_dataset(name)


def find_dataset(name: str) -> BenchmarkDataset:
    """Find and open the dataset of a benchmark, images included.

    Args:
        name: Name of the benchmark, e.g. "emotion6"; one outside the catalogue is looked for locally only.

    Raises:
        DataError: If it is nowhere, or only without its images.
    """
    dataset = open_dataset(_locate(name))
    if dataset.spec.name != name:
        raise DataError(f"{dataset.root} holds {dataset.spec.name!r}, expected {name!r}; move it")
    if dataset.manifest.images == "reference":
        raise DataError(
            f"{dataset.root} holds {name} without its images, which may not be republished; run `rise-bench "
            f"build {name} --source DIR` or `rise-bench rehydrate {dataset.spec.hub_id} --source DIR`"
        )
    return dataset


def _locate(name: str) -> Path:
    root = os.environ.get("RISE_BENCH_DATA")
    places = [("RISE_BENCH_DATA", Path(root).expanduser() / name)] if root else []
    places.append(("cache folder", cache_folder(name)))
    for label, folder in places:
        if (folder / MANIFEST_NAME).is_file():
            _log.info("%s: found in %s (%s)", name, folder, label)
            return folder
    looked = ", ".join(f"{folder} ({label})" for label, folder in places)
    try:
        hub_id = get_benchmark(name).hub_id
    except ConfigError as error:
        raise DataError(f"no dataset {name!r} in {looked}; run `rise-bench build`") from error
    from rise_bench.hub import fetch_dataset

    _log.info("%s: not in %s; asking the Hub for %s", name, looked, hub_id)
    try:
        folder = fetch_dataset(name, hub_id)
    except DataError as error:
        raise DataError(f"no dataset {name!r} in {looked}; {error}") from error
    _log.info("%s: found in %s (Hub)", name, folder)
    return folder
