"""Seeded percentile bootstrap of a score over its samples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1_000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """Score with its percentile interval at level 0.95."""

    value: float
    low: float
    high: float


def draw(samples: int, resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.intp]:
    """Draw sample indices with replacement; shape (resamples, samples), the same for the same seed."""
    return np.random.default_rng(seed).integers(0, samples, size=(resamples, samples))


def interval(value: float, resampled: NDArray[np.float64]) -> Interval:
    """Return `value`, the score of all samples, with the percentile interval of the resamples."""
    finite = resampled[np.isfinite(resampled)]
    if finite.size == 0:
        return Interval(value, float("nan"), float("nan"))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(finite, [tail, 1 - tail])
    return Interval(value, float(low), float(high))
