"""Rows of parquet files by position, for readers that go through a file almost in order.

The last few row groups stay in memory, so that neighbours are read from the disk once.
"""

from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from rise_bench.data.dataset import BenchmarkDataset, opened_parquet
from rise_bench.data.manifest import checked_file
from rise_bench.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_GROUPS = 8
_FILES = 64
_reading = Lock()


def row_at(dataset: BenchmarkDataset, name: str, position: int) -> dict[str, Any]:
    """Return the row at a position of a file of a dataset; may be called from several threads.

    Raises:
        DataError: If the file is not the one that was built, or has no such row.
    """
    with _reading:  # one thread checks and reads, the others find it in memory
        path = checked_file(dataset.root, name, dataset.manifest)
        starts = _starts(path)
        number = bisect_right(starts, position) - 1
        if number >= len(starts) - 1:
            raise DataError(f"{path} has {starts[-1]} rows, none at {position}; copy the folder again")
        group = _group(path, number)
    row: dict[str, Any] = group.slice(position - starts[number], 1).to_pylist()[0]
    return row


@lru_cache(_FILES)
def _starts(path: Path) -> list[int]:
    """Return the position of the first row of each row group, and the number of rows."""
    with opened_parquet(path) as file:
        metadata = file.metadata
        rows = (metadata.row_group(number).num_rows for number in range(metadata.num_row_groups))
        return list(accumulate(rows, initial=0))


@lru_cache(_GROUPS)
def _group(path: Path, number: int) -> "pa.Table":
    with opened_parquet(path) as file:
        return file.read_row_group(number, use_threads=False)
