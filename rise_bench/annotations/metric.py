"""Metrics: what a number that judges responses is called, how it is computed, compared and shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rise_bench.annotations.base import Annotation, Gold


class Pool(Protocol):
    """All samples of a split, from which a metric and its resamples are computed."""

    def value(self) -> float:
        """Return the metric of all samples."""

    def resample(self, picks: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the metric of each resample; `picks` are sample indices, shape (resamples, samples)."""


@dataclass(frozen=True, slots=True)
class Mean:
    """Samples whose metric is the mean of their values; shape (samples,)."""

    values: NDArray[np.float64]

    def value(self) -> float:
        """Return the mean."""
        return float(self.values.mean())

    def resample(self, picks: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the mean of each resample."""
        means: NDArray[np.float64] = self.values[picks].mean(axis=1)
        return means


@dataclass(frozen=True, slots=True)
class RankedScore:
    """A score that uses the confidence of each part of an annotation, beside the same without it.

    Attributes:
        title: Name as people write it.
        ranked: With the confidences.
        unranked: With all parts alike.
        threshold: Smallest confidence that is kept for `ranked`; None if all are.
    """

    title: str
    ranked: float
    unranked: float
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """Metric of responses.

    Attributes:
        name: Name in manifests, results and submissions.
        title: Display name.
        description: Measured quantity, without its direction.
        higher_is_better: Direction.
        best: Value of the ground truth itself.
        worst: Value of unreadable responses.
        scale: Factor of displayed values: 100 for percentage points.
        digits: Decimals of displayed values.
        ranks: Whether a benchmark may rank models by it.
        sample: Value of a sample from its ground truth and a readable annotation; the metric is the mean,
            unreadable samples have `worst`. None if the metric needs all samples, or `scoring` computes it.
        pool: Collects all samples, if the metric is not a mean over samples.
        response: Value of a sample from its ground truth and the raw response, for a score that reads
            responses in its own way; `sample` is then the value of an annotation without a response.
        labels: Names of the worst and the best value of a sample, if it has no other.
        beside: Whether a board shows it below the ranking metric.
    """

    name: str
    title: str
    description: str
    higher_is_better: bool = True
    best: float = 1.0
    worst: float = 0.0
    scale: float = 100.0
    digits: int = 1
    ranks: bool = False
    sample: Callable[[Any, Any], float] | None = None
    pool: Callable[[Sequence[Gold], Sequence[Annotation | None]], Pool] | None = None
    response: Callable[[Any, str], float] | None = None
    labels: tuple[str, str] | None = None
    beside: bool = False

    def score(self, gold: Annotation, stated: Annotation | None, response: str | None = None) -> float:
        """Return the value of one sample; `response` is the text that states the annotation, if any."""
        if self.sample is None:
            raise ValueError(f"{self.name} has no value of a single sample")
        if self.response is not None and response is not None:
            return self.response(gold, response)
        return self.worst if stated is None else self.sample(gold, stated)

    def win_and_tie(self, value: float, reference: float) -> tuple[float, float]:
        """Return 1.0 or 0.0 for a strict win and for a tie of a sample; their means are the two rates."""
        return float(self.cost(value) < self.cost(reference)), float(value == reference)

    def cost(self, value: float) -> float:
        """Return a number that is smaller the better a value is: a sort key."""
        return -value if self.higher_is_better else value

    def text(self, value: float, sign: str = "") -> str:
        """Write a value for people; `sign` "+" shows the sign of a difference."""
        return f"{value * self.scale:{sign}.{self.digits}f}" if np.isfinite(value) else "–"

    @property
    def arrow(self) -> str:
        """Direction as a sign."""
        return "↑" if self.higher_is_better else "↓"

    @property
    def direction(self) -> str:
        """Direction in words."""
        return f"{'higher' if self.higher_is_better else 'lower'} is better"

    def to_json(self) -> dict[str, Any]:
        """Return what a page needs to show values."""
        names = ("title", "higher_is_better", "best", "scale", "digits", "labels")
        return {name: getattr(self, name) for name in names}


SIMILARITY = Metric("similarity", "similarity", "Similarity S of eqs. 2-6", scale=1.0, digits=3)
PARSE_RATE = Metric("parse_rate", "read", "Share of responses that were read")
FORMAT_RATE = Metric("format_rate", "in the asked form", "Share of responses in the requested format")
WIN_RATE = Metric("win_rate", "win-rate", "Share of samples on which the reference is beaten")
TIE_RATE = Metric("tie_rate", "ties", "Share of samples that are as good as the reference's")

#: Metrics of every benchmark, beside those of its kind of annotation.
SHARED = (SIMILARITY, PARSE_RATE, FORMAT_RATE, WIN_RATE, TIE_RATE)
