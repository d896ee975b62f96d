"""Scores of responses (`SampleScore`) and of a benchmark (`Report`).

The lmms-eval tasks, `rise-bench score`, the baselines and the leaderboard share these functions, so that the
same responses have the same score everywhere.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from rise_bench.annotations.answer_format import DEFAULT_FORMAT, AnswerFormat
from rise_bench.annotations.base import Annotation, Gold
from rise_bench.annotations.kinds import KINDS, similarity
from rise_bench.annotations.metric import (
    FORMAT_RATE,
    PARSE_RATE,
    SIMILARITY,
    TIE_RATE,
    WIN_RATE,
    Mean,
    Metric,
    Pool,
)
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.errors import DataError
from rise_bench.scoring.bootstrap import RESAMPLES, Interval, draw, interval
from rise_bench.scoring.response import Reading
from rise_bench.scoring.rewards import read_stated


@dataclass(frozen=True, slots=True)
class SampleScore:
    """Score of a response.

    Attributes:
        id: Id of the sample.
        reading: Result of reading the response.
        stated: Stated annotation, boxes in pixels of the original image; None if unreadable.
        similarity: S of eqs. 2-6, 0 if unreadable.
        values: Value of this sample by name of metric, for metrics that are means over samples.
    """

    id: str
    reading: Reading
    stated: Annotation | None
    similarity: float
    values: Mapping[str, float]

    def value(self, metric: Metric) -> float:
        """Return the value of a metric; the similarity for metrics of all samples."""
        return self.values[metric.name] if metric.sample else self.similarity


@dataclass(frozen=True, slots=True)
class Reference:
    """Opponent of the win-rate.

    Attributes:
        name: Name shown beside the win-rate, e.g. "train_mean".
        values: Value by the main metric of the kind, by sample id.
    """

    name: str
    values: Mapping[str, float]

    @classmethod
    def of(cls, name: str, kind: str, scores: Sequence[SampleScore]) -> "Reference":
        """Return the reference of a model by its scores on the same samples."""
        main = KINDS[kind].metrics[0].name
        return cls(name, {score.id: score.values[main] for score in scores})


@dataclass(frozen=True, slots=True)
class Report:
    """Scores of a model on a benchmark.

    Attributes:
        benchmark: Name of the benchmark.
        samples: Number of samples.
        metrics: Metric name -> value with its 95% interval (seeded bootstrap over samples).
        reasons: Number of responses by reason: "ok", or why they are unreadable.
        reference: Opponent of the win-rate, or "".
    """

    benchmark: str
    samples: int
    metrics: dict[str, Interval]
    reasons: dict[str, int] = field(default_factory=dict)
    reference: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return asdict(self)


def score_response(gold: Gold, text: str, answer_format: AnswerFormat = DEFAULT_FORMAT) -> SampleScore:
    """Score a raw response; no text raises an error."""
    stated, reading = read_stated(gold, text, answer_format)
    return _score(gold, reading, stated, text)


def score_annotation(gold: Gold, stated: Annotation) -> SampleScore:
    """Score an annotation without a response; boxes in pixels of the original image."""
    return _score(gold, Reading(stated, "ok", True, "", ""), stated)


def score_unreadable(gold: Gold, reading: Reading) -> SampleScore:
    """Score a response of which only is known that it states no annotation, and why."""
    return _score(gold, reading, None)


def _score(gold: Gold, reading: Reading, stated: Annotation | None, text: str | None = None) -> SampleScore:
    metrics = (metric for metric in KINDS[gold.kind].metrics if metric.sample)
    values = {metric.name: metric.score(gold.annotation, stated, text) for metric in metrics}
    score = SIMILARITY.worst if stated is None else similarity(gold.annotation, stated)
    return SampleScore(gold.id, reading, stated, score, values)


def aggregate(
    spec: BenchmarkSpec,
    golds: Sequence[Gold],
    scores: Sequence[SampleScore],
    *,
    reference: Reference | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    ranking: Pool | None = None,
) -> Report:
    """Aggregate sample scores to a report, independent of their order.

    Args:
        spec: The benchmark.
        golds: All samples of the split.
        scores: Score of each sample.
        reference: Opponent of the win-rate, if any.
        resamples: Bootstrap resamples; 0 leaves the intervals out (NaN).
        seed: Seed of the bootstrap.
        ranking: Samples of the ranking metric in order of ids; collected here if None.

    Raises:
        DataError: A sample has no score or two, a score has no sample, or the reference lacks a sample.
    """
    golds = sorted(golds, key=lambda gold: gold.id)
    scores = sorted(scores, key=lambda score: score.id)
    _check_complete([gold.id for gold in golds], [score.id for score in scores])
    kind, picks = KINDS[spec.kind], draw(len(golds), resamples, seed)
    pools = {
        metric.name: ranking if ranking and metric is spec.ranking else collect(metric, golds, scores)
        for metric in kind.metrics
    }
    columns = {
        SIMILARITY: [score.similarity for score in scores],
        PARSE_RATE: [float(score.stated is not None) for score in scores],
        FORMAT_RATE: [float(score.reading.format_ok) for score in scores],
    }
    if reference is not None:
        columns |= _against(reference, kind.metrics[0], scores)
    pools |= {metric.name: Mean(np.array(values)) for metric, values in columns.items()}
    return Report(
        spec.name,
        len(golds),
        {name: interval(pool.value(), pool.resample(picks)) for name, pool in pools.items()},
        dict(sorted(Counter(score.reading.reason for score in scores).items())),
        reference.name if reference else "",
    )


def collect(metric: Metric, golds: Sequence[Gold], scores: Sequence[SampleScore]) -> Pool:
    """Collect scored samples for a metric of their kind, in the order given."""
    if metric.pool is not None:
        return metric.pool(golds, [score.stated for score in scores])
    return Mean(np.array([score.values[metric.name] for score in scores]))


def _against(reference: Reference, main: Metric, scores: Sequence[SampleScore]) -> dict[Metric, list[float]]:
    missing = [score.id for score in scores if score.id not in reference.values]
    if missing:
        raise DataError(
            f"reference {reference.name!r} has no {main.title} for {len(missing)} samples, e.g. "
            f"{missing[0]!r}; use the reference that belongs to this version of the dataset"
        )
    pairs = [main.win_and_tie(score.values[main.name], reference.values[score.id]) for score in scores]
    return {WIN_RATE: [win for win, _ in pairs], TIE_RATE: [tie for _, tie in pairs]}


def _check_complete(gold_ids: Sequence[str], score_ids: Sequence[str]) -> None:
    if not gold_ids:
        raise DataError("there is no sample to score; check the split and the dataset folder")
    if list(gold_ids) == list(score_ids):
        return
    missing = sorted(set(gold_ids) - set(score_ids))
    foreign = sorted(set(score_ids) - set(gold_ids))
    double = sorted(i for i, n in Counter(score_ids).items() if n > 1)
    problems = [
        f"{len(ids)} {what} (e.g. {ids[0]!r})"
        for ids, what in ((missing, "missing"), (foreign, "unknown"), (double, "scored twice"))
        if ids
    ]
    raise DataError(
        f"the scores do not fit the {len(gold_ids)} samples: {', '.join(problems)}; "
        "an incomplete run has no score: run what is missing and score again"
    )
