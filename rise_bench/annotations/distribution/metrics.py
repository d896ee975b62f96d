"""Benchmark metrics on paired sequences: Jensen-Shannon divergence, accuracy, win-rate.

Average precision is in `average_precision`, intervals are in `bootstrap`.
"""

import math
from collections.abc import Sequence

LN2 = math.log(2.0)


def jsd(gold: Sequence[float], stated: Sequence[float]) -> float:
    """Jensen-Shannon divergence in nats (eq. 11), in [0, ln 2].

    Both sides are normalised first, negative numbers count as 0. A side without any mass states nothing and
    gets the worst value, ln 2. Natural log: docs/decisions/jsd.md.

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


def win_and_tie(jsd_model: float, jsd_reference: float) -> tuple[float, float]:
    """Count one sample for the win-rate and the tie-rate; their means over the samples are the two rates.

    Returns:
        1.0 if the model's JSD is strictly below the reference's, else 0.0; 1.0 if both are equal, else 0.0.
    """
    return float(jsd_model < jsd_reference), float(jsd_model == jsd_reference)
