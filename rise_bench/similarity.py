"""Similarity S of two annotations (eqs. 2-6): the one number behind reward, quality score and `check`.

Variants (docs/decisions/similarity.md says why):

- `paper` (default): as eqs. 2-5, but the stated numbers are normalised inside the KLD; eq. 6 for boxes. In
  [0, 1], and 1 for a distribution only if it is stated exactly.
- `literal`: eqs. 2-5 as printed. Not bounded by 1: stating twice the truth scores 1.43.
- `upstream`: what the authors' code computes: exp(-(KLD + MSE) / 2) without the sum factor, and IoU over the
  number of stated boxes.
- `jsd`: as `paper`, but with the Jensen-Shannon divergence for the KLD: a stated zero is charged for the mass
  that it misses and not by its 1e-10; eq. 6 for boxes.
- `floor`: as `paper`, but with 1e-2 for its 1e-10: a stated zero costs as much as a hundredth; eq. 6
  for boxes.
- `f1`: as `paper`, but boxes are scored 2 x sum(IoU) / (N_gold + N_stated), so that extra boxes cost.
"""

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from rise_bench.metrics import jsd
from rise_bench.values import Annotation, Box, Boxes, Distribution

SimilarityVariant = Literal["paper", "literal", "upstream", "jsd", "floor", "f1"]

#: "with zero values set to 1e-10" (below eq. 5).
ZERO = 1e-10

#: What it is in the variant `floor`: less than a hundredth counts as a hundredth.
_FLOOR = 1e-2

_FAR, _TINY = 1e100, 1e-300

#: Up to so many pairs of boxes plain floats are faster than arrays.
_FEW_PAIRS = 12


def similarity(gold: Annotation, stated: Annotation, variant: SimilarityVariant = "paper") -> float:
    """Return how well a stated annotation matches the truth; finite on any finite input.

    Args:
        gold: The truth.
        stated: What a model stated, in the same frame (boxes) and class order (distribution).
        variant: See the module's docstring.

    Returns:
        A number in [0, 1] (`literal` may exceed 1).
    """
    if isinstance(gold, Distribution) and isinstance(stated, Distribution):
        if gold.classes != stated.classes:
            raise ValueError("the two distributions name different classes")
        return _distribution_similarity(gold.probs, stated.probs, variant)
    if isinstance(gold, Boxes) and isinstance(stated, Boxes):
        return _boxes_similarity(gold, stated, variant)
    raise TypeError(f"cannot compare {type(gold).__name__} with {type(stated).__name__}")


def _distribution_similarity(
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


def _boxes_similarity(gold: Boxes, stated: Boxes, variant: SimilarityVariant) -> float:
    if not gold.xywh:
        return float(not stated.xywh)
    if not stated.xywh:
        return 0.0
    total = _summed_iou(gold, stated)
    if variant == "upstream":
        return total / len(stated.xywh)
    if variant == "f1":
        return 2 * total / (len(gold.xywh) + len(stated.xywh))
    return total / len(gold.xywh)


def iou_matrix(gold: tuple[Box, ...], stated: tuple[Box, ...]) -> NDArray[np.float64]:
    """Intersection over union of every pair; shape (N_gold, N_stated), values in [0, 1]."""
    if len(gold) * len(stated) <= _FEW_PAIRS and all(abs(n) <= _FAR for box in gold + stated for n in box):
        return np.array([[_iou(true_box, box) for box in stated] for true_box in gold])
    a, b = np.array(gold, dtype=np.float64), np.array(stated, dtype=np.float64)
    if max(np.abs(a).max(), np.abs(b).max()) > _FAR:
        a, b = np.clip(a, -_FAR, _FAR), np.clip(b, -_FAR, _FAR)  # else an area overflows
    ax, ay, aw, ah = a.T[:, :, None]
    bx, by, bw, bh = b.T
    overlap_w = np.minimum(ax + aw, bx + bw) - np.maximum(ax, bx)
    overlap_h = np.minimum(ay + ah, by + bh) - np.maximum(ay, by)
    overlap = np.maximum(overlap_w, 0.0) * np.maximum(overlap_h, 0.0)
    union = aw * ah + bw * bh - overlap
    iou: NDArray[np.float64] = np.minimum(overlap / np.maximum(union, _TINY), 1.0)
    return iou


def _iou(a: Box, b: Box) -> float:
    """One cell of `iou_matrix`, in the same operations; faster than arrays for a few boxes."""
    overlap_w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    overlap_h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    overlap = max(overlap_w, 0.0) * max(overlap_h, 0.0)
    return min(overlap / max(a[2] * a[3] + b[2] * b[3] - overlap, _TINY), 1.0)


@lru_cache(maxsize=1)
def _summed_iou(gold: Boxes, stated: Boxes) -> float:
    """Sum of the matched IoU; kept for the next call, because a sample's score asks for it twice."""
    return math.fsum(overlap for _, _, overlap in match_boxes(gold, stated))


def match_boxes(gold: Boxes, stated: Boxes) -> list[tuple[int, int, float]]:
    """Match boxes one to one so that the summed IoU is greatest (Hungarian algorithm, eq. 6).

    Returns:
        `(index of gold, index of stated, IoU)` for each pair that overlaps, by index of gold.
    """
    if not gold.xywh or not stated.xywh:
        return []
    iou = iou_matrix(gold.xywh, stated.xywh)
    rows, columns = linear_sum_assignment(iou, maximize=True)
    return [(int(i), int(j), float(iou[i, j])) for i, j in zip(rows, columns, strict=True) if iou[i, j] > 0]


def precision_iou(gold: Boxes, stated: Boxes) -> float:
    """Matched IoU over the number of *stated* boxes: what extra boxes, free in eq. 6, would cost."""
    if not stated.xywh:
        return float(not gold.xywh)
    return _summed_iou(gold, stated) / len(stated.xywh)
