"""Annotating samples with chains of thought: the closed loop without training, split over processes.

Each process takes the samples whose position in the dataset leaves its rank when divided by the number of
processes, skips those that any log holds already, and appends to its own log; nobody waits for anybody.
A rerun of the same command, with as many processes or fewer, finishes what a killed one left.
"""

import json
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from rise_bench.dataset import BenchmarkDataset
from rise_bench.errors import ConfigError, DataError
from rise_bench.prompts import reason_prompt, reconstruct_prompt
from rise_bench.rewards import RewardRule, Verdict, cot_reward
from rise_bench.rollout_log import RolloutLog
from rise_bench.sampling import Prompt, SampleError, Sampler
from rise_bench.schema import row_to_gold
from rise_bench.storage import atomic_write_text
from rise_bench.values import MAX_PIXELS, BoxUnit, Gold

_VERDICT = ("reward", "similarity", "leak_numbers", "leak_strict", "format_ok", "reason")


@dataclass(frozen=True, slots=True)
class Share:
    """Which of how many processes this one is."""

    rank: int = 0
    of: int = 1

    @classmethod
    def of_environment(cls) -> "Share":
        """Rank and size as accelerate, torchrun or Slurm set them; one process if nobody did."""
        for rank, size in (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS")):
            if rank in os.environ and size in os.environ:
                return cls(int(os.environ[rank]), int(os.environ[size]))
        return cls()


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """How a sample is annotated.

    Attributes:
        samples: Rollouts of each sample (G).
        max_cot_length: Tokens of a chain of thought.
        max_reconstruction_length: Tokens of a reconstruction.
        unit: Unit in which the model states boxes.
        rule: The reward.
        max_pixels: Largest image of the model's processor; matters for `resized_px` only.
        step: Optimiser step of the sampled policy; 0 for a model that was not trained here.
    """

    samples: int = 8
    max_cot_length: int = 384
    max_reconstruction_length: int = 256
    unit: BoxUnit = "norm1000"
    rule: RewardRule = field(default_factory=RewardRule)
    max_pixels: int = MAX_PIXELS
    step: int = 0


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
        ConfigError: The folder holds a sweep with other settings.
        PrerequisiteError: The model cannot be reached.
    """
    share = share or Share()
    _same_settings(log_folder, {"config": config, "sampler": sampler.describe(), "loop": asdict(settings)})
    log = RolloutLog(log_folder, share.rank, attempt=f"{time.time_ns():020d}")
    swept = Swept()
    work = _batches(_mine(dataset, config, share, covered), sampler.batch_rows)

    def annotate(batch: Sequence[tuple[Gold, bytes]]) -> list[dict[str, Any]]:
        return closed_loop(dataset, sampler, settings, batch)

    try:
        for batch, future in _in_parallel(annotate, work, sampler.workers):
            try:
                log.append(future.result())
                swept.done += len(batch)
            except SampleError as error:
                swept.refused |= dict.fromkeys((gold.id for gold, _ in batch), str(error))
            progress(len(batch))
    finally:
        log.close()
    return swept


def closed_loop(
    dataset: BenchmarkDataset,
    sampler: Sampler,
    settings: LoopSettings,
    batch: Sequence[tuple[Gold, bytes]],
) -> list[dict[str, Any]]:
    """Rows of the rollout log for a batch of samples: reason, reconstruct, judge."""
    spec, n = dataset.spec, settings.samples
    words: dict[str, Any] = {"unit": settings.unit, "max_pixels": settings.max_pixels}
    asked = [Prompt(image, reason_prompt(spec, gold, **words)) for gold, image in batch]
    drawn = sampler.sample(asked, n, settings.max_cot_length)
    pairs = [(gold, image, cot) for (gold, image), cots in zip(batch, drawn, strict=True) for cot in cots]
    again = [Prompt(image, reconstruct_prompt(spec, gold, cot, **words)) for gold, image, cot in pairs]
    answers = [texts[0] for texts in sampler.sample(again, 1, settings.max_reconstruction_length)]
    rows = []
    for (gold, _, cot), answer in zip(pairs, answers, strict=True):
        verdict = cot_reward(gold, cot, answer, rule=settings.rule, classes=spec.classes, **words)
        row = {"id": gold.id, "step": settings.step, "group": 0, "cot": cot, "reconstruction": answer}
        rows.append(row | _fields(verdict))
    return rows


def _fields(verdict: Verdict) -> dict[str, Any]:
    return {name: getattr(verdict, name) for name in _VERDICT}


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


def _same_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Write the settings of a sweep beside its logs; refuse a folder with others."""
    text = json.dumps(settings, indent=1, sort_keys=True) + "\n"
    path = folder / "settings.json"
    if not path.exists():
        atomic_write_text(path, text)
    elif (before := path.read_text(encoding="utf-8")) != text:
        changed = [a for a, b in zip(before.splitlines(), text.splitlines(), strict=False) if a != b]
        raise ConfigError(
            f"{folder} holds a sweep with other settings ({changed[0].strip() if changed else 'more'} before). "
            "Choose another --out, or delete the folder."
        )
