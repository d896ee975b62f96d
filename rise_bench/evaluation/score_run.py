"""Scores of a run and of the baselines, for `rise-bench score`, `eval` and `baselines`."""

from dataclasses import dataclass
from typing import Any

from rise_bench.annotations.kinds import fit_baselines
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.evaluation.responses import Responses, score_responses
from rise_bench.evaluation.win_rate_reference import win_rate_reference
from rise_bench.scoring.bootstrap import RESAMPLES
from rise_bench.scoring.scores import Reference, Report, aggregate, score_annotation


@dataclass(frozen=True, slots=True)
class ScoredRun:
    """Scores of a run.

    Attributes:
        spec: The benchmark.
        dataset_sha256: Identity of the dataset.
        report: Scores of the run.
        baselines: Scores of the baselines, by name.
        split: Split of the run.
    """

    spec: BenchmarkSpec
    dataset_sha256: str
    report: Report
    baselines: dict[str, Report]
    split: str = "test"

    def to_json(self) -> dict[str, Any]:
        """Return the run as plain JSON values."""
        return {
            "benchmark": self.spec.name,
            "ranking_metric": self.spec.metric,
            "dataset_sha256": self.dataset_sha256,
            "split": self.split,
            **self.report.to_json(),
            "floors": {name: report.to_json() for name, report in self.baselines.items()},
        }


def score_run(
    responses: Responses,
    dataset: BenchmarkDataset,
    split: str = "test",
    *,
    rows: slice = slice(None),
    reference: Reference | None = None,
    resamples: int = RESAMPLES,
) -> ScoredRun:
    """Score a complete run from its raw responses.

    Args:
        responses: Response to each sample.
        dataset: Dataset of the run.
        split: Split of the run.
        rows: Rows of the split that were run; a part of them is a trial, not a score.
        reference: Model that the win-rate is against; that of the benchmark if None.
        resamples: Bootstrap resamples of the run; baselines get no intervals.

    Raises:
        DataError: If the run is incomplete or belongs to another version of the dataset.
    """
    golds = dataset.golds(split)[rows]
    scores = score_responses(responses, golds, dataset.sha256)
    reference = reference or win_rate_reference(dataset, split)
    report = aggregate(dataset.spec, golds, scores, reference=reference, resamples=resamples)
    baselines = score_baselines(dataset, split, rows=rows, reference=reference, resamples=0)
    return ScoredRun(dataset.spec, dataset.sha256, report, baselines, split)


def score_baselines(
    dataset: BenchmarkDataset,
    split: str = "test",
    *,
    rows: slice = slice(None),
    reference: Reference | None = None,
    resamples: int = RESAMPLES,
) -> dict[str, Report]:
    """Score the baselines, fitted to the train split if there is one, like a run."""
    golds = dataset.golds(split)[rows]
    reference = reference or win_rate_reference(dataset, split)
    return {
        name: aggregate(
            dataset.spec,
            golds,
            [score_annotation(gold, predict(gold)) for gold in golds],
            reference=reference,
            resamples=resamples,
        )
        for name, predict in fit_baselines(dataset.train_golds(), golds).items()
    }
