"""Annotating samples with chains of thought: the closed loop without training, split over processes.

Each process takes the samples whose position in the dataset leaves its rank when divided by the number of
processes, skips those that any log holds already, and appends to its own log; nobody waits for anybody.
A rerun of the same command, with as many processes or fewer, finishes what a killed one left.
"""

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from rise_bench.dataset import BenchmarkDataset
from rise_bench.errors import ConfigError, DataError
from rise_bench.launcher import place_among_processes
from rise_bench.loop import LoopSettings, closed_loop
from rise_bench.rollout_log import RolloutLog, read_rollouts
from rise_bench.sampling import SampleError, Sampler
from rise_bench.schema import row_to_gold
from rise_bench.storage import atomic_write_text
from rise_bench.values import Gold

_SAMPLER, _REFUSED = "sampler.json", "refused"


@dataclass(frozen=True, slots=True)
class Share:
    """Which of how many processes this one is."""

    rank: int = 0
    of: int = 1

    @classmethod
    def of_environment(cls) -> "Share":
        """Rank and size as accelerate, torchrun or Slurm set them; one process if nobody did."""
        return cls(*place_among_processes(("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS")))


@dataclass(slots=True)
class Swept:
    """What a sweep did: samples annotated, and the refused ones with the reason."""

    done: int = 0
    refused: dict[str, str] = field(default_factory=dict)


def sweep(
    dataset: BenchmarkDataset,
    config: str,
    sampler: Sampler,
    settings: LoopSettings,
    log_folder: Path,
    *,
    covered: Collection[str] = (),
    share: Share | None = None,
    progress: Callable[[int], None] = lambda samples: None,  # noqa: ARG005
) -> Swept:
    """Annotate this process's share of the train samples that are not covered.

    Args:
        dataset: Benchmark with images.
        config: 4-shot, 16-shot or default.
        sampler: The model.
        settings: How a sample is annotated.
        log_folder: Folder of the logs, shared by all processes.
        covered: Ids to leave out.
        share: Which part is this process's; all of it if None.
        progress: Called with the number of samples just done.

    Raises:
        PrerequisiteError: The model cannot be reached.
    """
    share = share or Share()
    atomic_write_text(log_folder / _SAMPLER, json.dumps(sampler.describe(), sort_keys=True) + "\n")
    attempt = f"{time.time_ns():020d}"
    log = RolloutLog(log_folder, share.rank, attempt=attempt)
    refusals = RolloutLog(log_folder / _REFUSED, share.rank, attempt=attempt)
    swept = Swept()
    work = _batches(_mine(dataset, config, share, covered), sampler.batch_rows)

    def annotate(batch: Sequence[tuple[Gold, bytes]]) -> list[dict[str, Any]]:
        return closed_loop(dataset.spec, sampler, settings, batch)

    try:
        for batch, future in _in_parallel(annotate, work, sampler.workers):
            try:
                log.append(future.result())
                swept.done += len(batch)
            except SampleError as error:
                swept.refused |= dict.fromkeys((gold.id for gold, _ in batch), str(error))
                refusals.append({"id": gold.id, "reason": str(error)} for gold, _ in batch)
            progress(len(batch))
    finally:
        log.close()
        refusals.close()
    return swept


def refused_ids(log_folder: Path) -> set[str]:
    """Ids of the samples that the model refused, whichever process asked."""
    return {located.row["id"] for located in read_rollouts([log_folder / _REFUSED])}


def _mine(
    dataset: BenchmarkDataset, config: str, share: Share, covered: Collection[str]
) -> Iterator[tuple[Gold, bytes]]:
    for position, row in enumerate(dataset.rows("train", config)):
        if position % share.of != share.rank or row["id"] in covered:
            continue
        if row["image"] is None:
            raise DataError(f"{dataset.root} holds no images; run `rise-bench rehydrate` on it first")
        yield row_to_gold(dataset.spec, row), row["image"]["bytes"]


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch


def _in_parallel(
    call: Callable[[Any], Any], items: Iterator[Any], workers: int
) -> Iterator[tuple[Any, Future[Any]]]:
    """Calls as they finish, at most `workers` at a time; items are taken only when there is room."""
    with ThreadPoolExecutor(workers) as pool:
        running: dict[Future[Any], Any] = {}
        try:
            while True:
                for item in islice(items, workers - len(running)):
                    running[pool.submit(call, item)] = item
                if not running:
                    return
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield running.pop(future), future
        finally:
            for future in running:
                future.cancel()


def same_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Write what was asked beside what is kept of it, and refuse a folder where something else was asked.

    Settings under which nothing was sampled yet (the model could not be loaded, say) may be corrected.

    Raises:
        ConfigError: The settings differ; the message holds the first difference.
    """
    text = json.dumps(settings, indent=1, sort_keys=True) + "\n"
    path = folder / "settings.json"
    if not path.exists() or not any(folder.rglob("rank*.jsonl")):
        atomic_write_text(path, text)
    elif (before := path.read_text(encoding="utf-8")) != text:
        pairs = zip(before.splitlines(), text.splitlines(), strict=False)
        first = next((f"{a.strip()} was, {b.strip()} is" for a, b in pairs if a != b), "fewer of them")
        raise ConfigError(
            f"{folder} was begun with other settings ({first}). Choose another --out, or delete it."
        )


def read_sampler(folder: Path) -> dict[str, Any]:
    """What the sampler of a sweep said of itself; empty if there was no sweep."""
    path = folder / _SAMPLER
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found
