"""What the rest of the library needs to know of distributions."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from rise_bench.annotations.base import Gold, Predictor
from rise_bench.annotations.distribution.values import Distribution

#: How far the probabilities of a row may sum from 1.
SUM_TOLERANCE = 1e-3


def _distribution_problem(classes: tuple[str, ...], annotation: Distribution) -> str:
    if annotation.classes != classes:
        return f"classes are {annotation.classes}, expected {classes}"
    if not all(math.isfinite(p) and p >= 0 for p in annotation.probs):
        return f"probabilities {annotation.probs} are not all finite and at least 0"
    total = math.fsum(annotation.probs)
    if abs(total - 1) > SUM_TOLERANCE:
        return f"probabilities sum to {total:.6g}, expected 1 within {SUM_TOLERANCE:g}"
    return ""


def _distribution_floors(train: Sequence[Gold], classes: tuple[str, ...]) -> dict[str, Predictor]:
    probs = np.array([g.annotation.probs for g in train if isinstance(g.annotation, Distribution)])
    mean = probs.mean(axis=0)
    majority = Counter(probs.argmax(axis=1).tolist()).most_common()
    top = min((-count, index) for index, count in majority)[1]
    return {
        "uniform": _constant(classes, [1 / len(classes)] * len(classes)),
        "train_mean": _constant(classes, (mean / mean.sum()).tolist()),
        "majority_class": _constant(classes, [float(i == top) for i in range(len(classes))]),
    }


def _constant(classes: tuple[str, ...], probs: Sequence[float]) -> Predictor:
    distribution = Distribution(classes, tuple(probs))
    return lambda gold: distribution  # noqa: ARG005
