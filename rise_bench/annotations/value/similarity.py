"""Similarity of two values."""

import math

from rise_bench.annotations.base import SimilarityVariant
from rise_bench.annotations.value.values import Value

#: Largest difference of two equal numbers as a share of the true one; whole numbers have to be the same.
RELATIVE_TOLERANCE = 1e-3

_LEAST_DIFFERENCE = 1e-9


def are_equal(gold: Value, stated: Value) -> bool:
    """Whether two values are the same.

    Whole numbers have to be the same, others within `RELATIVE_TOLERANCE`. A percentage equals its share of 1
    and the number without its sign: questions that ask for "the percentage" have either as their answer.

    >>> are_equal(Value("50"), Value("50%")), are_equal(Value("7"), Value("8"))
    (True, False)
    """
    a, b = gold.number, stated.number
    if a is None or b is None:
        return gold.text == stated.text
    if gold.is_percentage == stated.is_percentage:
        return _same(gold, a, stated, b)
    share_of_gold, share = (n / 100 if value.is_percentage else n for n, value in ((a, gold), (b, stated)))
    return _near(share_of_gold, share) or _near(a, b)


def _same(gold: Value, a: float, stated: Value, b: float) -> bool:
    return a == b if gold.is_whole and stated.is_whole else _near(a, b)


def _near(gold: float, stated: float) -> bool:
    return abs(gold - stated) <= max(_LEAST_DIFFERENCE, RELATIVE_TOLERANCE * abs(gold))


def value_similarity(gold: Value, stated: Value, variant: SimilarityVariant) -> float:
    """Return 1 for equal values, else 0; the variant `graded` gives numbers exp(-|a - b| / max(1, |b|)).

    b is the true number, so that a count is worth the less the further it is off.
    """
    if are_equal(gold, stated):
        return 1.0
    a, b = stated.number, gold.number
    if variant != "graded" or a is None or b is None:
        return 0.0
    return math.exp(-min(abs(a - b) / max(1.0, abs(b)), 700.0))
