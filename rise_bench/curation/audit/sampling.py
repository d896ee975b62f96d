"""Sampling for rows of a dataset: each row's result is logged once it is there, so that a rerun goes on."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rise_bench.cot.closed_loop import Sample
from rise_bench.cot.row_log import SYNC_S, RowLog, next_attempt, read_rows
from rise_bench.cot.sweep import batches
from rise_bench.data.dataset import BenchmarkDataset, parquet_rows_with
from rise_bench.data.pictures import held_pictures
from rise_bench.data.schema import row_to_gold
from rise_bench.errors import DataError
from rise_bench.models.calls import Call, in_parallel
from rise_bench.models.sampler import SampleError, Sampler

#: Rows that a model may refuse before it answers the first one.
_PATIENCE = 20

#: A row with its label, and its images as the bytes of files.
Item = Sample


def items(dataset: BenchmarkDataset, splits: Iterable[str], ids: Collection[str]) -> Iterator[Item]:
    """Stream the rows with the ids.

    Raises:
        DataError: The dataset has no images.
    """
    for path in (path for split in splits for path in dataset.files(split)):
        for row in parquet_rows_with(path, ids):
            yield row_to_gold(dataset.spec, row), held_pictures(row, dataset.root)


def sample_rows(
    log_folder: Path,
    ids: Collection[str],
    rows: Callable[[set[str]], Iterable[Item]],
    load: Callable[[], Sampler],
    call: Call[list[Item], list[Mapping[str, Any]]],
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
    *,
    about: Mapping[str, str] | None = None,
) -> dict[str, dict[str, Any]]:
    """Call a model for the rows that are not in the log or were refused, and log what it gives.

    Args:
        log_folder: Folder of the log.
        ids: Rows to call it for.
        rows: Streams the rows with some ids.
        load: Loads the model, which decides how many rows a batch has, and how many calls run at a time.
        call: Gives a result (`id` and more) for each row of a batch.
        progress: Called with (rows done, rows in all).
        about: Question about each row, if that may change: results of another one are not taken.

    Returns:
        Results by row id; of a row that the model refused, `refused` says why.

    Raises:
        PrerequisiteError: The model cannot be reached.
        DataError: It refuses the first twenty rows, none of which is logged then.
    """
    earlier = logged(log_folder, about)
    todo = set(ids) - {uid for uid, row in earlier.items() if "refused" not in row}
    done = len(ids) - len(todo)
    progress(done, len(ids))
    if todo:
        sampler, log = load(), RowLog(log_folder, 0, attempt=next_attempt(log_folder), sync_s=SYNC_S)
        refused: list[dict[str, Any]] = []
        answered = any("refused" not in row for row in earlier.values())
        try:
            work = batches(rows(todo), sampler.batch_rows)
            for batch, future in in_parallel(call, sampler, work):
                try:
                    log.append(_about(future.result(), about))
                    answered = True
                except SampleError as error:
                    refused += _about(({"id": gold.id, "refused": str(error)} for gold, _ in batch), about)
                if not answered and len(refused) >= _PATIENCE:
                    raise DataError(
                        f"the model refused the first {len(refused)} rows: {refused[0]['refused']}. "
                        "Fix that, and run the same command again"
                    )
                if answered:
                    log.append(refused)
                    refused = []
                done += len(batch)
                progress(done, len(ids))
            log.append(refused)
        finally:
            log.close()
            sampler.close()
    kept = logged(log_folder, about)
    return {uid: kept[uid] for uid in ids}


def _about(rows: Iterable[Mapping[str, Any]], about: Mapping[str, str] | None) -> list[dict[str, Any]]:
    return [dict(row) if about is None else {**row, "about": about[row["id"]]} for row in rows]


def logged(log_folder: Path, about: Mapping[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """Return the last result of each row; only those about what is named, if anything is."""
    rows = (located.row for located in read_rows([log_folder]))
    return {row["id"]: row for row in rows if about is None or row.get("about") == about.get(row["id"])}
