"""Matching of stated with true calls."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from rise_bench.annotations.base import SimilarityVariant
from rise_bench.annotations.steps.values import Call, Steps

#: Worth of a call with the right name and object, or name and value, and of one with the right name only.
HALF_RIGHT, NAME_ONLY = 0.5, 0.25
#: Worth of the same calls in the variant `penalty` (train/stage_rl/reward.py of Reason-RFT).
_PENALISED = {1.0: 1.0, HALF_RIGHT: -0.25, NAME_ONLY: -0.5}


def call_weight(gold: Call, stated: Call) -> float:
    """Return what a stated call is worth: 1, `HALF_RIGHT`, `NAME_ONLY` or 0."""
    if gold.name != stated.name:
        return 0.0
    if gold == stated:
        return 1.0
    return HALF_RIGHT if gold.object == stated.object or gold.value == stated.value else NAME_ONLY


def match_calls(gold: Steps, stated: Steps) -> list[tuple[int, int, float]]:
    """Return (gold index, stated index, weight) of the pairs with the greatest summed weight."""
    if not gold.calls or not stated.calls:
        return []
    weights = _weights(gold, stated)
    rows, columns = linear_sum_assignment(weights, maximize=True)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(i, j, float(weights[i, j])) for i, j in pairs if weights[i, j] > 0]


def steps_similarity(gold: Steps, stated: Steps, variant: SimilarityVariant) -> float:
    """Return the matched weight over the larger number of calls, in [0, 1].

    The order of the calls is ignored, but in the variant `ordered`: there matched calls have to be in the
    same order on both sides. In the variant `full` a call that is partly right is worth nothing, in
    `penalty` less than nothing; a sum below 0 is 0.
    """
    larger = max(len(gold.calls), len(stated.calls))
    if not larger:
        return 1.0
    if variant == "ordered":
        return _in_order(_weights(gold, stated)) / larger
    if variant == "full":
        return sum((Counter(gold.calls) & Counter(stated.calls)).values()) / larger
    matched = [weight for _, _, weight in match_calls(gold, stated)]
    if variant == "penalty":
        return max(0.0, sum(_PENALISED[weight] for weight in matched) / larger)
    return sum(matched) / larger


def _weights(gold: Steps, stated: Steps) -> NDArray[np.float64]:
    """Return the weight of every pair; shape (N_gold, N_stated)."""
    pairs = [[call_weight(a, b) for b in stated.calls] for a in gold.calls]
    return np.array(pairs, dtype=np.float64).reshape(len(gold.calls), len(stated.calls))


def _in_order(weights: NDArray[np.float64]) -> float:
    """Return the greatest summed weight of pairs that rise on both sides."""
    best = np.zeros(weights.shape[1] + 1)
    for row in weights:
        best = np.maximum.accumulate(np.maximum(best, np.append(0.0, best[:-1] + row)))
    return float(best[-1])
