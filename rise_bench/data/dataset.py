"""A built dataset folder: its files, rows and ground truth."""

import contextlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import KINDS
from rise_bench.catalog.parts import as_part
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.data.manifest import Manifest, checked_file, read_manifest
from rise_bench.data.schema import row_to_gold
from rise_bench.data.splits import CONFIGS, as_shots
from rise_bench.errors import ConfigError, DataError, of_os_error

_BATCH_ROWS = 16


@dataclass(frozen=True, slots=True)
class BenchmarkDataset:
    """Complete dataset folder."""

    root: Path
    spec: BenchmarkSpec
    manifest: Manifest

    @property
    def sha256(self) -> str:
        """Hash of rows, classes, question and metric, independent of the file layout."""
        return self.manifest.content_sha256

    def part(self, name: str, split: str) -> "BenchmarkDataset":
        """Return a further test as the benchmark `name`, with the same training split.

        Raises:
            DataError: If the dataset has no such split.
        """
        if split not in self.manifest.counts:
            raise DataError(
                f"{self.root} has no split {split!r}, which {name} is; it has "
                f"{', '.join(self.manifest.counts)}. Build it again from a complete source."
            )
        spec = as_part(self.spec, name)
        return BenchmarkDataset(self.root, spec, self.manifest.of_test(split, spec))

    def files(self, split: str, config: str = "full") -> list[Path]:
        """Return the parquet files of a split in a configuration ("4-shot", "16-shot" or "full"), checked.

        Raises:
            ConfigError: If configuration or split does not exist, or the folder holds chains of thought.
            DataError: If a file is not the one that was built.
        """
        return [checked_file(self.root, name, self.manifest) for name in self.file_names(split, config)]

    def file_names(self, split: str, config: str = "full") -> list[str]:
        """Return the names of the parquet files of a split, which are not read.

        Raises:
            ConfigError: If configuration or split does not exist, or the folder holds chains of thought.
        """
        if self.manifest.holds_cots:
            raise ConfigError(f"{self.root} holds chains of thought; name the benchmark they belong to")
        train = CONFIGS[as_shots(config)]
        if split not in self.manifest.counts:
            raise ConfigError(f"{self.root} has no split {split!r}; it has {', '.join(self.manifest.counts)}")
        shards = train if split == "train" else (split,)
        return [
            path
            for shard in shards
            for path, entry in sorted(self.manifest.files.items())
            if entry.split == split and entry.shard == shard
        ]

    def rows(
        self, split: str, config: str = "full", *, columns: Sequence[str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Stream the rows of a split; memory holds `_BATCH_ROWS` images at a time.

        Args:
            split: "train", "test" or a further test.
            config: "4-shot", "16-shot" or "full"; decides the train rows only.
            columns: Columns to read; None reads all. `image` is `{"bytes", "path"}`, `images` a list of them,
                None by reference.
        """
        for path in self.files(split, config):
            yield from self.file_rows(path, columns=columns)

    def rows_of(
        self, splits: Iterable[str], config: str = "full", *, columns: Sequence[str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Stream the rows of several splits, one after the other."""
        for split in splits:
            yield from self.rows(split, config, columns=columns)

    def file_rows(self, path: Path, *, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """Stream the rows of one parquet file, as `rows` does."""
        yield from parquet_rows(path, columns=columns)

    def golds(self, split: str, config: str = "full") -> list[Gold]:
        """Return the ground truth of a split, without reading the images.

        Raises:
            DataError: If a row breaks the schema.
        """
        columns = ["id", "width", "height", "question", "category", *KINDS[self.spec.kind].columns]
        return [row_to_gold(self.spec, row) for row in self.rows(split, config, columns=columns)]

    def golds_of(self, splits: Iterable[str], config: str = "full") -> list[Gold]:
        """Return the truths of several splits, one after the other."""
        return [gold for split in splits for gold in self.golds(split, config)]

    def train_golds(self) -> list[Gold]:
        """Return the ground truth of the train split; empty if there is no such split."""
        return self.golds("train") if "train" in self.manifest.counts else []


def parquet_rows(
    path: Path, *, columns: Sequence[str] | None = None, batch_rows: int = _BATCH_ROWS
) -> Iterator[dict[str, Any]]:
    """Stream the rows of a parquet file, `batch_rows` of them in memory at a time.

    Raises:
        DataError: If it is not a readable parquet file.
    """
    with opened_parquet(path) as file:
        for batch in file.iter_batches(batch_size=batch_rows, columns=columns, use_threads=False):
            yield from batch.to_pylist()


def parquet_rows_with(
    path: Path, ids: Collection[str], *, columns: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Stream the rows with the ids, a row group in memory at a time; groups without any are not read.

    Raises:
        DataError: If it is not a readable parquet file.
    """
    with opened_parquet(path) as file:
        for number in range(file.num_row_groups):
            names = file.read_row_group(number, columns=["id"], use_threads=False)["id"].to_pylist()
            if places := [place for place, uid in enumerate(names) if uid in ids]:
                group = file.read_row_group(number, columns=columns, use_threads=False)
                yield from group.take(places).to_pylist()


def parquet_row(path: Path, position: int, columns: Sequence[str] | None = None) -> dict[str, Any]:
    """Read one row of a parquet file, of which only its row group is loaded.

    Raises:
        DataError: If the file cannot be read or has no such row.
    """
    with opened_parquet(path) as file:
        for number in range(file.num_row_groups):
            rows = file.metadata.row_group(number).num_rows
            if position < rows:
                group = file.read_row_group(number, columns=columns, use_threads=False)
                row: dict[str, Any] = group.slice(position, 1).to_pylist()[0]
                return row
            position -= rows
    raise DataError(f"{path} has fewer rows than when it was opened; open it again")


@contextlib.contextmanager
def opened_parquet(path: Path) -> Iterator[Any]:
    """Open a parquet file.

    Raises:
        DataError: If it is not a readable parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is not a readable parquet file ({error}); copy it again") from error


def open_dataset(folder: Path | str) -> BenchmarkDataset:
    """Open a dataset folder.

    Raises:
        DataError: If it has no valid manifest, or a file that it names is missing or of another size.
    """
    root = Path(folder).expanduser()
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
    """Return the cache folder of `datasets` for these files, named after their hash.

    Its own key is path and time, which another build can share.
    """
    from datasets import config

    return str(Path(config.HF_DATASETS_CACHE) / "rise-bench" / manifest.files_sha256[:32])


@contextlib.contextmanager
def full_cache_named(cache: str) -> Iterator[None]:
    """Name the cache where `datasets` fails to write it without a path, e.g. on a full disk.

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
