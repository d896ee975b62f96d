"""The one scoring of rise-bench: a response becomes a `SampleScore`, many become a `Report`.

The lmms-eval tasks, `rise-bench score`, the floors and the leaderboard all call these two functions, so that
the same responses have the same score wherever they are scored.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from rise_bench.annotations.base import Annotation, Gold
from rise_bench.annotations.boxes.metrics import Matches, ap50, match_samples, resample_ap50
from rise_bench.annotations.boxes.similarity import precision_iou
from rise_bench.annotations.boxes.values import MAX_PIXELS, Boxes, BoxUnit
from rise_bench.annotations.distribution.metrics import LN2, is_correct, jsd, win_and_tie
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.kinds import similarity
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.errors import DataError
from rise_bench.prompts.answer_format import Style
from rise_bench.scoring.bootstrap import RESAMPLES, Interval, draw, interval, mean_interval
from rise_bench.scoring.rewards import read_stated


@dataclass(frozen=True, slots=True)
class SampleScore:
    """Score of one response.

    Attributes:
        id: The sample's id.
        reason: "ok", or why the response was unreadable.
        format_ok: Whether it kept to the asked form.
        similarity: S of eqs. 2-6, 0 if unreadable.
        stated: Stated annotation, boxes in pixels of the original image; None if unreadable.
        jsd: JSD in nats, ln 2 if unreadable; None for boxes.
        correct: Whether the most probable class is the true one; None for boxes.
        precision_iou: Matched IoU over the number of stated boxes; None for distributions.
    """

    id: str
    reason: str
    format_ok: bool
    similarity: float
    stated: Annotation | None
    jsd: float | None = None
    correct: bool | None = None
    precision_iou: float | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """Per-sample JSD of the model that the win-rate is against.

    Attributes:
        name: What it is, shown beside the win-rate, e.g. "train_mean".
        jsd: JSD in nats by sample id.
    """

    name: str
    jsd: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Report:
    """Scores of one model on one benchmark.

    Attributes:
        benchmark: Name of the benchmark.
        samples: Number of samples.
        metrics: Metric name -> value with its 95% interval (seeded bootstrap over samples).
        reasons: How many responses were read ("ok") or unreadable, by reason.
        reference: What the win-rate is against; empty if there is none.
    """

    benchmark: str
    samples: int
    metrics: dict[str, Interval]
    reasons: dict[str, int] = field(default_factory=dict)
    reference: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return asdict(self)


def score_response(
    gold: Gold,
    text: str,
    *,
    unit: BoxUnit = "norm1000",
    style: Style = "think_answer",
    max_pixels: int = MAX_PIXELS,
) -> SampleScore:
    """Score one raw response; never raises on the text.

    Args:
        gold: The sample's truth.
        text: Raw response of the model.
        unit: Unit in which the model was told to state boxes.
        style: Form that was asked for; it decides `format_ok` only.
        max_pixels: Largest image of the processor; matters for `resized_px` only.
    """
    stated, reading = read_stated(gold, text, unit=unit, style=style, max_pixels=max_pixels)
    return score_annotation(gold, stated, reason=reading.reason, format_ok=reading.format_ok)


def score_annotation(
    gold: Gold, stated: Annotation | None, *, reason: str = "ok", format_ok: bool = True
) -> SampleScore:
    """Score a stated annotation (boxes in pixels of the original image); None is unreadable."""
    score = 0.0 if stated is None else similarity(gold.annotation, stated)
    if isinstance(gold.annotation, Distribution):
        probs = stated.probs if isinstance(stated, Distribution) else None
        return SampleScore(
            gold.id,
            reason,
            format_ok,
            score,
            stated,
            jsd=LN2 if probs is None else jsd(gold.annotation.probs, probs),
            correct=probs is not None and is_correct(gold.annotation.probs, probs),
        )
    assert isinstance(gold.annotation, Boxes)
    precision = precision_iou(gold.annotation, stated) if isinstance(stated, Boxes) else 0.0
    return SampleScore(gold.id, reason, format_ok, score, stated, precision_iou=precision)


def aggregate(
    spec: BenchmarkSpec,
    golds: Sequence[Gold],
    scores: Sequence[SampleScore],
    *,
    reference: Reference | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    matches: Sequence[Matches] | None = None,
) -> Report:
    """Turn sample scores into a report; the order of the samples does not matter.

    Args:
        spec: The benchmark.
        golds: Every sample of the split.
        scores: One score for each of them.
        reference: What the win-rate is against (distributions only).
        resamples: Bootstrap resamples; 0 leaves the intervals out (NaN).
        seed: Seed of the bootstrap.
        matches: Matched boxes in order of ids, if they are at hand; matched here if None (boxes only).

    Raises:
        DataError: If a sample has no score, two scores, or a score has no sample; or the reference lacks one.
    """
    golds = sorted(golds, key=lambda gold: gold.id)
    scores = sorted(scores, key=lambda score: score.id)
    _check_complete([gold.id for gold in golds], [score.id for score in scores])
    picks = draw(len(golds), resamples, seed)
    columns: dict[str, Sequence[float]] = {
        "similarity": [s.similarity for s in scores],
        "parse_rate": [float(s.stated is not None) for s in scores],
        "format_rate": [float(s.format_ok) for s in scores],
    }
    metrics: dict[str, Interval] = {}
    if spec.kind == "distribution":
        columns = {
            "jsd": [s.jsd or 0.0 for s in scores],
            "accuracy": [float(bool(s.correct)) for s in scores],
        } | columns
        if reference is not None:
            columns |= _against(reference, scores)
    else:
        columns["precision_iou"] = [s.precision_iou or 0.0 for s in scores]
        if matches is None:
            matches = match_scores(golds, scores)
        found = matches
        metrics["ap50"] = interval(ap50(found), picks, lambda p: resample_ap50(found, p))
    metrics |= {
        name: mean_interval(np.asarray(values, dtype=np.float64), picks) for name, values in columns.items()
    }
    return Report(
        spec.name,
        len(golds),
        metrics,
        dict(sorted(Counter(s.reason for s in scores).items())),
        reference.name if reference and spec.kind == "distribution" else "",
    )


def match_scores(golds: Sequence[Gold], scores: Sequence[SampleScore]) -> list[Matches]:
    """Match the stated boxes of scored samples with the true ones, for AP; pairs in the order given."""
    stated = [score.stated if isinstance(score.stated, Boxes) else None for score in scores]
    return match_samples(golds, stated)


def _against(reference: Reference, scores: Sequence[SampleScore]) -> dict[str, list[float]]:
    missing = [s.id for s in scores if s.id not in reference.jsd]
    if missing:
        raise DataError(
            f"reference {reference.name!r} has no JSD for {len(missing)} samples, e.g. {missing[0]!r}; "
            "use the reference that belongs to this version of the dataset"
        )
    pairs = [win_and_tie(s.jsd or 0.0, reference.jsd[s.id]) for s in scores]
    return {"win_rate": [win for win, _ in pairs], "tie_rate": [tie for _, tie in pairs]}


def _check_complete(gold_ids: Sequence[str], score_ids: Sequence[str]) -> None:
    if not gold_ids:
        raise DataError("there is no sample to score; check the split and the dataset folder")
    if list(gold_ids) == list(score_ids):
        return
    missing = sorted(set(gold_ids) - set(score_ids))
    foreign = sorted(set(score_ids) - set(gold_ids))
    double = sorted(i for i, n in Counter(score_ids).items() if n > 1)
    found = [
        f"{len(ids)} {what} (e.g. {ids[0]!r})"
        for ids, what in ((missing, "missing"), (foreign, "unknown"), (double, "scored twice"))
        if ids
    ]
    raise DataError(
        f"the scores do not fit the {len(gold_ids)} samples: {', '.join(found)}; "
        "an incomplete run has no score: run what is missing and score again"
    )
