"""Paired tests over seeds, and Holm's correction."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any, Literal

Verdict = Literal["reproduced", "not reproduced", "undecided"]


ALPHA = 0.05


MIN_SEEDS = 3


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Paired comparison.

    Attributes:
        seeds: Number of pairs.
        gain: Mean advantage of the first; negative if it is worse.
        wins: Seeds with a strictly better first.
        losses: Seeds with a strictly worse first.
        p: Two-sided p of the paired t-test; NaN with fewer than two seeds.
        verdict: By the rule of this module.
    """

    seeds: int
    gain: float
    wins: int
    losses: int
    p: float
    verdict: Verdict

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
    gain, p = fmean(gains), _p(gains)
    decided = len(gains) >= MIN_SEEDS and p < ALPHA and gain != 0
    verdict: Verdict = "undecided" if not decided else "reproduced" if gain > 0 else "not reproduced"
    return PairedTest(len(gains), gain, sum(g > 0 for g in gains), sum(g < 0 for g in gains), p, verdict)


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


def _p(gains: Sequence[float]) -> float:
    from scipy.stats import ttest_rel

    if len(gains) < 2:
        return math.nan
    if len(set(gains)) == 1:  # without spread the t-test divides by zero
        return 1.0 if gains[0] == 0 else 0.0
    return float(ttest_rel(gains, [0.0] * len(gains)).pvalue)
