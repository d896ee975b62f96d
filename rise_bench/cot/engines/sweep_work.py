"""Sweep over a benchmark as the work of an engine."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rise_bench.cot.closed_loop import ClosedLoop, LoopSettings
from rise_bench.cot.engines.work import Place
from rise_bench.cot.given_cots import GivenCots
from rise_bench.cot.id_set import IdSet
from rise_bench.cot.rollout_groups import covered_ids
from rise_bench.data.dataset import BenchmarkDataset, parquet_rows
from rise_bench.data.pictures import held_pictures
from rise_bench.data.row_access import row_at
from rise_bench.data.schema import row_to_gold
from rise_bench.errors import DataError
from rise_bench.models.sampler import AsyncSampler, TokenCount


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

    def done(self) -> IdSet:
        """Return the ids with a rollout of the training run or a complete group of the sweep."""
        return covered_ids(self.log_folder, self.settings.samples, self.train_log)

    async def answer(self, sampler: AsyncSampler, uid: str, place: Place) -> Sequence[Mapping[str, Any]]:
        """Read the sample, and return the rows of its rollouts."""
        name, position = place
        row = row_at(self.dataset, name, position)
        if row["id"] != uid:
            raise DataError(f"{name} holds {row['id']} where {uid} was; start the same command again")
        sample = row_to_gold(self.dataset.spec, row), held_pictures(row, self.dataset.root)
        loop = ClosedLoop(self.dataset.spec, self.settings)
        if self.given is not None:
            rollouts = await loop.verified(sampler, [sample], self.given)
        else:
            rollouts = await loop.annotated(sampler, [sample])
        return [rollout.to_json() for rollout in rollouts]

    def row(self, row: Mapping[str, Any], tokens: TokenCount) -> Mapping[str, Any]:  # noqa: ARG002
        """Return the row as it is."""
        return row
