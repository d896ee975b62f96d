"""Opening a built dataset folder, and finding the one of a benchmark.

A benchmark is looked for in this order, and the log says where it was found: `$RISE_BENCH_DATA/<name>`, the
user's cache folder (where `rise-bench build` and `rehydrate` write by default), the Hub at a pinned revision.
"""

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import KINDS
from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.data.manifest import MANIFEST_NAME, Manifest, checked_file, read_manifest
from rise_bench.data.schema import row_to_gold
from rise_bench.data.splits import CONFIGS, as_shots
from rise_bench.errors import ConfigError, DataError, of_os_error
from rise_bench.files.paths import cache_folder

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

    def files(self, split: str, config: str = "full") -> list[Path]:
        """Return the parquet files of a split in a configuration ("4-shot", "16-shot" or "full"), checked.

        Raises:
            ConfigError: If there is no such configuration or split, or these are chains of thought.
            DataError: If a file is not the one that was built.
        """
        if self.manifest.holds_cots:
            raise ConfigError(f"{self.root} holds chains of thought; name the benchmark that they are of")
        train = CONFIGS[as_shots(config)]
        if split not in self.manifest.counts:
            raise ConfigError(f"{self.root} has no split {split!r}; it has {', '.join(self.manifest.counts)}")
        shards = train if split == "train" else (split,)
        return [
            checked_file(self.root, path, self.manifest)
            for shard in shards
            for path, entry in sorted(self.manifest.files.items())
            if entry.split == split and entry.shard == shard
        ]

    def rows(
        self, split: str, config: str = "full", *, columns: Sequence[str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Stream the rows of a split; memory holds `_BATCH_ROWS` images at a time.

        Args:
            split: "train" or "test".
            config: "4-shot", "16-shot" or "full"; decides the train rows only.
            columns: Columns to read; None reads all. `image` is `{"bytes", "path"}`, or None by reference.
        """
        for path in self.files(split, config):
            yield from self.file_rows(path, columns=columns)

    def file_rows(self, path: Path, *, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """Stream the rows of one parquet file, as `rows` does."""
        yield from parquet_rows(path, columns=columns)

    def golds(self, split: str, config: str = "full") -> list[Gold]:
        """Return the truths of a split, without reading the images.

        Raises:
            DataError: If a row breaks the schema.
        """
        columns = ["id", "width", "height", "question", "category", *KINDS[self.spec.kind].columns]
        return [row_to_gold(self.spec, row) for row in self.rows(split, config, columns=columns)]

    def train_golds(self) -> list[Gold]:
        """Return the truths of the train split; none where the dataset has no such split."""
        return self.golds("train") if "train" in self.manifest.counts else []


def parquet_rows(
    path: Path, *, columns: Sequence[str] | None = None, batch_rows: int = _BATCH_ROWS
) -> Iterator[dict[str, Any]]:
    """Stream the rows of a parquet file, `batch_rows` of them in memory at a time.

    Raises:
        DataError: If it is none, or cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=batch_rows, columns=columns, use_threads=False):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is no parquet file that can be read ({error}); copy it again") from error


def open_dataset(name: Path | str) -> BenchmarkDataset:
    """Open a dataset by its folder, or by the name of a built one (`find_folder`).

    Raises:
        DataError: If it has no valid manifest, or a file that it names is missing or of another size.
    """
    root = find_folder(name)
    manifest = read_manifest(root)
    for file, entry in manifest.files.items():
        path = root / file
        if not path.is_file() or path.stat().st_size != entry.bytes:
            state = "is missing" if not path.is_file() else f"has {path.stat().st_size} bytes"
            raise DataError(
                f"{path} {state}, the manifest says {entry.bytes} bytes; copy the folder again or rebuild it"
            )
    return BenchmarkDataset(root, manifest.benchmark, manifest)


def arrow_cache(manifest: Manifest) -> str:
    """Return where `datasets` may keep its copy of these files: a folder named after what they hold.

    Its own key is a path and a time, which another build can have too.
    """
    from datasets import config

    return str(Path(config.HF_DATASETS_CACHE) / "rise-bench" / manifest.files_sha256[:32])


@contextlib.contextmanager
def full_cache_named(cache: str) -> Iterator[None]:
    """Name the file that the system refused, e.g. on a full disk, where `datasets` names none.

    Raises:
        PrerequisiteError: The cache could not be written.
    """
    from datasets.exceptions import DatasetGenerationError

    try:
        yield
    except DatasetGenerationError as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, OSError):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            raise
        raise of_os_error(cause, cache) from error


def local_folder(name: Path | str) -> Path | None:
    """Find a dataset on this machine: the folder of that path, else the built one of that name, or None.

    Names are looked for in `$RISE_BENCH_DATA`, then in the user's cache folder.
    """
    path = Path(name).expanduser()
    if (path / MANIFEST_NAME).is_file():
        return path
    return _built(str(name)) if _is_name(path) else None


def find_folder(name: Path | str) -> Path:
    """Find a dataset by its folder or its name; one of the catalogue is asked of the Hub last.

    Raises:
        DataError: If it is nowhere.
    """
    path = Path(name).expanduser()
    if (folder := local_folder(name)) is not None:
        return folder
    # Reading the manifest of a folder that has none says what is wrong with it.
    return path if path.exists() or not _is_name(path) else _named(str(name))


def _named(name: str) -> Path:
    """Find a dataset by its name: built here, or on the Hub."""
    if (folder := _built(name)) is not None:
        return folder
    looked = ", ".join(f"{place / name} ({label})" for label, place in _places())
    try:
        hub_id = get_benchmark(name).hub_id
    except ConfigError as error:
        built = {path.parent.name for _, place in _places() for path in place.glob(f"*/{MANIFEST_NAME}")}
        here = f" (built here: {', '.join(sorted(built))})" if built else ""
        raise DataError(f"no dataset {name!r} in {looked}{here}; run `rise-bench build`") from error
    from rise_bench.data.hub_files import fetch_dataset

    _log.info("%s: not in %s; asking the Hub for %s", name, looked, hub_id)
    try:
        folder = fetch_dataset(name, hub_id)
    except DataError as error:
        raise DataError(f"no dataset {name!r} in {looked}; {error}") from error
    _log.info("%s: found in %s (Hub)", name, folder)
    return folder


def _built(name: str) -> Path | None:
    for label, place in _places():
        if (place / name / MANIFEST_NAME).is_file():
            _log.info("%s: found in %s (%s)", name, place / name, label)
            return place / name
    return None


def _is_name(path: Path) -> bool:
    return len(path.parts) == 1 and path.name == str(path) != ".."


def _places() -> list[tuple[str, Path]]:
    root = os.environ.get("RISE_BENCH_DATA")
    named = [("RISE_BENCH_DATA", Path(root).expanduser())] if root else []
    return [*named, ("cache folder", cache_folder(""))]
