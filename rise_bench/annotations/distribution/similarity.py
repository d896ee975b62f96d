"""Similarity of two distributions (eqs. 2-5)."""

import math
from collections.abc import Iterable

from rise_bench.annotations.base import SimilarityVariant
from rise_bench.annotations.distribution.metrics import jsd

#: "with zero values set to 1e-10" (below eq. 5).
ZERO = 1e-10


#: The same in the variant `floor`: less than a hundredth counts as a hundredth.
_FLOOR = 1e-2


def distribution_similarity(
    gold: tuple[float, ...], stated: tuple[float, ...], variant: SimilarityVariant
) -> float:
    """Eqs. 2-5 in plain floats: for a few dozen classes this is faster than arrays."""
    total = _total(stated)
    if variant != "upstream" and not (0 < total < math.inf):
        return 0.0
    positive_total = _total(max(q, 0.0) for q in stated)
    scale = 1.0 if variant in ("literal", "upstream") or positive_total == 0 else positive_total
    zero = _FLOOR if variant == "floor" else ZERO
    kld = mse = 0.0
    for p, q in zip(gold, stated, strict=True):
        p_nonzero, q_nonzero = max(p, zero), max(q / scale, zero)
        kld += p_nonzero * (math.log(p_nonzero) - math.log(q_nonzero))
        mse += min((p - q) * (p - q), 1e300)
    mse /= len(gold)
    if variant == "upstream":
        return min(1.0, math.exp(-(max(kld, 0.0) + mse) / 2))
    if variant == "jsd":
        kld = jsd(gold, stated)
    if variant != "literal":
        kld = max(kld, 0.0)
    return math.exp(-(kld + mse)) * math.exp(-abs(math.log10(total)))


def _total(numbers: Iterable[float]) -> float:
    try:
        return math.fsum(numbers)
    except OverflowError:
        return math.inf
