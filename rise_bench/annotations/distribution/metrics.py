"""Metrics of distributions: Jensen-Shannon divergence and accuracy."""

import math
from collections.abc import Sequence

from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.metric import Metric

LN2 = math.log(2.0)


def jsd(gold: Sequence[float], stated: Sequence[float]) -> float:
    """Jensen-Shannon divergence in nats (eq. 11), in [0, ln 2].

    Both sides are normalised first, negative numbers count as 0. A side without mass has the worst value, ln
    2. Natural log: docs/decisions/jsd.md.

    >>> jsd([1, 0], [1, 0]), round(jsd([1, 0], [0, 1]), 6)
    (0.0, 0.693147)
    """
    p, q = normalised(gold), normalised(stated)
    if p is None or q is None:
        return LN2
    total = 0.0
    for a, b in zip(p, q, strict=True):
        mean = (a + b) / 2
        if mean > 0:  # halving the smallest float gives 0
            total += sum(share * math.log(share / mean) for share in (a, b) if share > 0)
    return min(max(total / 2, 0.0), LN2)


def normalised(numbers: Sequence[float]) -> list[float] | None:
    """Return the numbers divided by their sum, negative ones as 0; None if they have no finite mass."""
    largest = max(numbers, default=0.0)
    if not 0 < largest < math.inf:
        return None
    shares = [max(n, 0.0) / largest for n in numbers]
    total = math.fsum(shares)
    return [share / total for share in shares]


def is_correct(gold: Sequence[float], stated: Sequence[float]) -> bool:
    """Whether both sides put most on the same class; ties go to the first class, no mass is never correct."""
    if max(stated, default=0.0) <= 0:
        return False
    return max(range(len(gold)), key=gold.__getitem__) == max(range(len(stated)), key=stated.__getitem__)


def _jsd(gold: Distribution, stated: Distribution) -> float:
    return jsd(gold.probs, stated.probs)


def _accuracy(gold: Distribution, stated: Distribution) -> float:
    return float(is_correct(gold.probs, stated.probs))


METRICS = (
    Metric(
        "jsd",
        "JSD",
        "Jensen-Shannon divergence in nats",
        higher_is_better=False,
        best=0.0,
        worst=LN2,
        scale=1.0,
        digits=4,
        ranks=True,
        sample=_jsd,
    ),
    Metric(
        "accuracy",
        "Accuracy",
        "Accuracy of the most probable class",
        ranks=True,
        sample=_accuracy,
        labels=("wrong", "right"),
    ),
)
