"""Sweep over a benchmark as the work of an engine."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rise_bench.cot.closed_loop import ClosedLoop, LoopSettings
from rise_bench.cot.engines.work import Place
from rise_bench.cot.given_cots import GivenCots
from rise_bench.cot.rollout_groups import complete, groups
from rise_bench.data.dataset import BenchmarkDataset, parquet_rows
from rise_bench.data.pictures import held_pictures
from rise_bench.data.row_access import row_at
from rise_bench.data.schema import row_to_gold
from rise_bench.errors import DataError
from rise_bench.models.sampler import Sampler, TokenCount


@dataclass(frozen=True, repr=False)
class SweepWork:
    """Rollouts, or verdicts on given chains of thought, for the samples that training did not see.

    Attributes:
        dataset: Benchmark with images.
        config: 4-shot, 16-shot or full.
        splits: Splits of the samples.
        only: Ids of the samples; None for all.
        settings: Settings of the closed loop.
        log_folder: Folder of the rollouts.
        train_log: Rollouts of a training run; None if there was none.
        given: Chains of thought to verify; None lets the model write them.
    """

    dataset: BenchmarkDataset
    config: str
    splits: tuple[str, ...]
    only: frozenset[str] | None
    settings: LoopSettings
    log_folder: Path
    train_log: Path | None = None
    given: GivenCots | None = None

    def places(self) -> Iterator[tuple[str, Place]]:
        """Yield ids, with the name of the file and the position in it."""
        names = [name for split in self.splits for name in self.dataset.file_names(split, self.config)]
        for name in names:
            rows = parquet_rows(self.dataset.root / name, columns=["id"], batch_rows=1024)
            for position, row in enumerate(rows):
                if self.only is None or row["id"] in self.only:
                    yield row["id"], [name, position]

    def done(self) -> set[str]:
        """Return the ids with a rollout of the training run or a complete group of the sweep."""
        trained = set(groups([self.train_log])) if self.train_log else set()
        return trained | set(complete(groups([self.log_folder]), self.settings.samples))

    def answer(self, sampler: Sampler, uid: str, place: Place) -> Sequence[Mapping[str, Any]]:
        """Read the sample, and return the rows of its rollouts."""
        name, position = place
        row = row_at(self.dataset, name, position)
        if row["id"] != uid:
            raise DataError(f"{name} holds {row['id']} where {uid} was; start the same command again")
        sample = row_to_gold(self.dataset.spec, row), held_pictures(row, self.dataset.root)
        loop = ClosedLoop(self.dataset.spec, self.settings)
        if self.given is not None:
            rollouts = loop.verify(sampler, self.given, [sample])
        else:
            rollouts = loop.annotate(sampler, [sample])
        return [rollout.to_json() for rollout in rollouts]

    def row(self, row: Mapping[str, Any], tokens: TokenCount) -> Mapping[str, Any]:  # noqa: ARG002
        """Return the row as it is."""
        return row
