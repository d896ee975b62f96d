"""Seeded percentile bootstrap: how sure a score is, given that the samples are a draw."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1_000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A score with its percentile interval at level 0.95."""

    value: float
    low: float
    high: float


def draw(samples: int, resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.intp]:
    """Draw sample indices with replacement; shape (resamples, samples), the same for the same seed."""
    return np.random.default_rng(seed).integers(0, samples, size=(resamples, samples))


def interval(
    value: float, picks: NDArray[np.intp], statistic: Callable[[NDArray[np.intp]], NDArray[np.float64]]
) -> Interval:
    """Put a percentile interval around `value`.

    Args:
        value: The score on all samples.
        picks: Resampled indices, shape (resamples, N).
        statistic: Takes `picks`, returns the score of each resample, shape (resamples,).
    """
    scores = statistic(picks)
    finite = scores[np.isfinite(scores)]
    if finite.size == 0:
        return Interval(value, float("nan"), float("nan"))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(finite, [tail, 1 - tail])
    return Interval(value, float(low), float(high))


def mean_interval(values: NDArray[np.float64], picks: NDArray[np.intp]) -> Interval:
    """Mean of per-sample values (shape (N,)) with its interval."""
    return interval(float(values.mean()), picks, lambda p: values[p].mean(axis=1))
