"""Paired tests over seeds: effect, interval, exact sign-flip test; Holm's correction; what is detectable."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from statistics import fmean, stdev
from typing import Any

#: Level of the tests, and coverage of the intervals as 1 - ALPHA.
ALPHA = 0.05


#: Power of the detectable difference.
POWER = 0.8


#: Number of seeds below which the power of the sign-flip test is simulated, and number of simulated studies.
_SIMULATED_BELOW = 13
_DRAWS = 4000


#: Sign patterns up to which the sign-flip test is exact: 20 seeds.
_PATTERNS = 2**20


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Paired comparison.

    Attributes:
        seeds: Number of pairs.
        gain: Mean advantage of the first; negative if it is worse.
        low: Lower end of the 95 % interval of the gain, by Student's t; NaN with fewer than two seeds.
        high: Upper end.
        sd: Standard deviation of the advantage over seeds; NaN with fewer than two seeds.
        wins: Seeds with a strictly better first.
        losses: Seeds with a strictly worse first.
        p: Two-sided p of the sign-flip test: the share of the 2^seeds assignments of signs with a mean
            advantage as large. With n seeds it is at least 2 / 2^n.
    """

    seeds: int
    gain: float
    low: float
    high: float
    sd: float
    wins: int
    losses: int
    p: float

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as plain JSON values."""
        return asdict(self)


def paired_test(first: Sequence[float], second: Sequence[float], *, lower_is_better: bool) -> PairedTest:
    """Compare two methods seed by seed.

    Args:
        first: Scores of the method that is claimed to be better, one per seed.
        second: Scores of the other, in the same order of seeds.
        lower_is_better: Direction of the score.

    Raises:
        ValueError: There are no seeds, or their numbers differ.
    """
    if not first or len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} scores make no pairs")
    sign = -1.0 if lower_is_better else 1.0
    gains = [sign * (a - b) for a, b in zip(first, second, strict=True)]
    spread = stdev(gains) if len(gains) > 1 else math.nan
    return PairedTest(
        len(gains),
        fmean(gains),
        *_interval(gains, spread),
        spread,
        sum(gain > 0 for gain in gains),
        sum(gain < 0 for gain in gains),
        _sign_flip(gains),
    )


def _interval(gains: Sequence[float], spread: float) -> tuple[float, float]:
    from scipy.stats import ttest_1samp

    if math.isnan(spread):
        return math.nan, math.nan
    if spread == 0:  # scipy divides by it
        return fmean(gains), fmean(gains)
    interval = ttest_1samp(gains, 0.0).confidence_interval(1 - ALPHA)
    return float(interval.low), float(interval.high)


def _sign_flip(gains: Sequence[float]) -> float:
    from scipy.stats import permutation_test

    if len(gains) == 1 or not any(gains):
        return 1.0
    result = permutation_test(
        (gains,),
        lambda values, axis: values.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=_PATTERNS,
        rng=0,
    )
    return float(result.pvalue)


def holm(ps: Sequence[float]) -> list[float]:
    """Return p of several tests, corrected by the step-down method of Holm (1979).

    NaN of impossible tests stays NaN and does not count.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted((i for i, p in enumerate(ps) if not math.isnan(p)), key=lambda i: ps[i])
    adjusted, highest = [math.nan] * len(ps), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * ps[i]))
        adjusted[i] = highest
    return adjusted


def least_seeds(level: float) -> int:
    """Return the number of seeds below which the sign-flip test cannot reach a level.

    >>> least_seeds(0.05), least_seeds(0.01)
    (6, 8)
    """
    return math.ceil(math.log2(2 / level))


def detectable_difference(spread: float, seeds: int, level: float = ALPHA) -> float:
    """Return the true advantage that the sign-flip test at this level finds with a probability of 80 %.

    Advantages of seeds are taken as normal. Where only equal signs of all seeds reach the level, it has a
    closed form; else it is simulated from one set of draws, and from 13 seeds on taken from the paired
    t-test, which the sign-flip test approaches. It is infinite where so few seeds cannot reach the level.

    Args:
        spread: Standard deviation of the advantage over seeds.
        seeds: Number of seeds.
        level: Level of the test, two-sided.
    """
    if math.isnan(spread) or seeds < least_seeds(level):
        return math.inf
    return spread * _detectable_effect(seeds, level)


@cache
def _detectable_effect(seeds: int, level: float) -> float:
    """Return the detectable advantage in standard deviations."""
    from scipy.optimize import brentq
    from scipy.stats import nct, norm, t

    if 4 / 2**seeds > level:  # 4 / 2^n is the second smallest p
        return float(norm.ppf(POWER ** (1 / seeds)))
    if seeds < _SIMULATED_BELOW:
        return float(brentq(lambda effect: _sign_flip_power(effect, seeds, level) - POWER, 0, 5, xtol=1e-3))
    limit, df, root = t.isf(level / 2, seeds - 1), seeds - 1, math.sqrt(seeds)
    return float(brentq(lambda effect: nct.sf(limit, df, effect * root) - POWER, 0, (limit + 10) / root))


def _sign_flip_power(effect: float, seeds: int, level: float) -> float:
    """Return the simulated probability that the sign-flip test finds an advantage in deviations."""
    import numpy as np

    gains = np.random.default_rng(0).standard_normal((_DRAWS, seeds)) + effect
    signs = 1 - 2 * ((np.arange(2 ** (seeds - 1))[:, None] >> np.arange(seeds)) & 1)  # the rest are mirrored
    share = np.zeros(_DRAWS)
    for part in np.array_split(signs, max(1, len(signs) // 256)):
        share += (np.abs(gains @ part.T) >= np.abs(gains.sum(axis=1, keepdims=True)) - 1e-9).sum(axis=1)
    return float(np.mean(share / len(signs) <= level))
