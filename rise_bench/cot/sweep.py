"""Sweep: rollouts for the samples of a benchmark without training, split over processes.

Each process takes the samples with position % processes == rank, skips those that are in a log already, and
appends to its own log; no process waits for another. A rerun of the same command, with as many processes or
fewer, finishes the sweep of a killed one.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from rise_bench.cot.closed_loop import Sample
from rise_bench.cot.engines.work import ENGINE_FOLDER, REFUSED_FOLDER, refused_in
from rise_bench.cot.rollout_log import Rollout
from rise_bench.cot.row_log import SYNC_S, RowLog, next_attempt
from rise_bench.cot.share import Share
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.pictures import held_pictures
from rise_bench.data.schema import row_to_gold
from rise_bench.errors import ConfigError, DataError
from rise_bench.errors.redaction import redacted
from rise_bench.files.atomic import atomic_write_text
from rise_bench.files.settings_record import SETTINGS_NAME, settings_text
from rise_bench.models.calls import Call, in_parallel
from rise_bench.models.sampler import SampleError, Sampler

_SAMPLER, _REFUSED = "sampler.json", REFUSED_FOLDER

#: File with the hash of the dataset that a sweep is to replace.
REPLACES = "replaces"

#: Beginning of the names of folders with new reconstructions from selected texts.
RESCORED = "rescored-"


@dataclass(slots=True)
class Swept:
    """Number of samples that a sweep annotated, and the reason for each refused id."""

    done: int = 0
    refused: dict[str, str] = field(default_factory=dict)


def sweep(
    dataset: BenchmarkDataset,
    config: str,
    sampler: Sampler,
    annotate: Call[Sequence[Sample], list[Rollout]],
    log_folder: Path,
    *,
    splits: Sequence[str] = ("train",),
    wanted: Callable[[str], bool] = lambda uid: True,  # noqa: ARG005
    share: Share | None = None,
    patience: int | None = None,
    progress: Callable[[int], None] = lambda samples: None,  # noqa: ARG005
) -> Swept:
    """Sample rollouts for this process's share of the samples that are wanted.

    Args:
        dataset: Benchmark with images.
        config: 4-shot, 16-shot or full.
        sampler: Sampler of the model.
        annotate: Coroutine function that samples and rewards the rollouts of a batch.
        log_folder: Folder of the logs, shared by all processes.
        splits: Splits of the samples.
        wanted: Whether the sample of an id is to be annotated.
        share: Share of this process; None for all samples.
        patience: Samples that the model may refuse before it has annotated any; None for no limit.
        progress: Called with the number of samples just annotated.

    Raises:
        PrerequisiteError: The model cannot be reached.
    """
    share = share or Share()
    record_sampler(log_folder, sampler.describe())
    attempt = next_attempt(log_folder, log_folder / _REFUSED)
    log = RowLog(log_folder, share.rank, attempt=attempt, sync_s=SYNC_S)
    refusals = RowLog(log_folder / _REFUSED, share.rank, attempt=attempt, sync_s=SYNC_S)
    swept = Swept()
    work = batches(_own_rows(dataset, config, splits, share, wanted), sampler.batch_rows)

    try:
        for batch, future in in_parallel(annotate, sampler, work):
            try:
                log.append(rollout.to_json() for rollout in future.result())
                swept.done += len(batch)
            except SampleError as error:
                swept.refused |= dict.fromkeys((gold.id for gold, _ in batch), str(error))
                refusals.append({"id": gold.id, "reason": str(error)} for gold, _ in batch)
            progress(len(batch))
            if patience is not None and not swept.done and len(swept.refused) >= patience:
                break
    finally:
        log.close()
        refusals.close()
    return swept


def ask_again(log_folder: Path, share: Share, ids: Iterable[str]) -> None:
    """Note those of this process's samples that were refused and are asked about again.

    Another process that ends meanwhile must not take them for settled.
    """
    if before := refused_in(log_folder):
        attempt = next_attempt(log_folder, log_folder / _REFUSED)
        refusals = RowLog(log_folder / _REFUSED, share.rank, attempt=attempt)
        refusals.append({"id": uid, "reason": None} for uid in ids if uid in before)
        refusals.close()


def _own_rows(
    dataset: BenchmarkDataset,
    config: str,
    splits: Sequence[str],
    share: Share,
    wanted: Callable[[str], bool],
) -> Iterator[Sample]:
    for position, row in enumerate(dataset.rows_of(splits, config)):
        if position % share.of == share.rank and wanted(row["id"]):
            yield row_to_gold(dataset.spec, row), held_pictures(row, dataset.root)


def batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yield lists of `size` items, the last one shorter."""
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch


def discard_old_rollouts(folder: Path, settings: dict[str, Any], replaces: str, *, busy: bool) -> None:
    """Delete the rollouts in a folder, unless they were sampled to replace this same dataset.

    Args:
        folder: Folder of the logs.
        settings: Settings of the new sweep.
        replaces: Hash of the manifest of the dataset to overwrite; empty if there is none.
        busy: Whether other processes are at work in the folder.

    Raises:
        ConfigError: The rollouts have to be deleted, but other processes use them.
    """
    kept = {SETTINGS_NAME: settings_text(settings), REPLACES: replaces}
    before = {name: _text_of(folder / name) for name in kept}
    if before != kept and (before[SETTINGS_NAME] or before[REPLACES] or any(folder.glob("rank*.jsonl"))):
        if busy:
            raise ConfigError(f"{folder}: other processes are at work there. Wait for them, then overwrite.")
        for path in (*folder.glob("rank*.jsonl"), *(folder / name for name in (*kept, _SAMPLER))):
            path.unlink(missing_ok=True)
        folders = (folder / _REFUSED, folder / ENGINE_FOLDER)
        for path in (*folders, *folder.glob("judged-*"), *folder.glob(f"{RESCORED}*")):
            shutil.rmtree(path, ignore_errors=True)
    if replaces:
        atomic_write_text(folder / REPLACES, replaces)


def _text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def record_sampler(folder: Path, described: dict[str, Any]) -> None:
    """Write the description of a sweep's sampler."""
    atomic_write_text(folder / _SAMPLER, json.dumps(redacted(described), sort_keys=True) + "\n")


def read_sampler(folder: Path) -> dict[str, Any]:
    """Return the description of a sweep's sampler; empty if there was no sweep."""
    path = folder / _SAMPLER
    try:
        sampler = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        raise DataError(
            f"{path} is not JSON ({error}). Delete it, and start the same command again."
        ) from error
    return dict(sampler)
