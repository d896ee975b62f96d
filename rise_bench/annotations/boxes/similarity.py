"""Matching of stated with true boxes by IoU (eq. 6)."""

import math
from functools import lru_cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from rise_bench.annotations.base import SimilarityVariant
from rise_bench.annotations.boxes.values import Box, Boxes

_FAR, _TINY = 1e100, 1e-300


#: Up to so many pairs of boxes plain floats are faster than arrays.
_FEW_PAIRS = 12


def iou_matrix(gold: tuple[Box, ...], stated: tuple[Box, ...]) -> NDArray[np.float64]:
    """Intersection over union of every pair; shape (N_gold, N_stated), values in [0, 1]."""
    if len(gold) * len(stated) <= _FEW_PAIRS and all(abs(n) <= _FAR for box in gold + stated for n in box):
        return np.array([[_iou(true_box, box) for box in stated] for true_box in gold])
    boxes = np.fromiter(chain.from_iterable(gold + stated), np.float64).reshape(-1, 4)
    if np.abs(boxes).max() > _FAR:
        boxes = np.clip(boxes, -_FAR, _FAR)  # else an area overflows
    x, y, w, h = boxes.T
    right, bottom, area, n = x + w, y + h, w * h, len(gold)
    overlap_w = np.minimum(right[:n, None], right[n:]) - np.maximum(x[:n, None], x[n:])
    overlap_h = np.minimum(bottom[:n, None], bottom[n:]) - np.maximum(y[:n, None], y[n:])
    overlap = np.maximum(overlap_w, 0.0) * np.maximum(overlap_h, 0.0)
    union = area[:n, None] + area[n:] - overlap
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
    """Return (gold index, stated index, IoU) of overlapping pairs with the greatest summed IoU (eq. 6)."""
    if not gold.xywh or not stated.xywh:
        return []
    iou = iou_matrix(gold.xywh, stated.xywh)
    rows, columns = linear_sum_assignment(iou, maximize=True)
    pairs = zip(rows.tolist(), columns.tolist(), iou[rows, columns].tolist(), strict=True)
    return [pair for pair in pairs if pair[2] > 0]


def precision_iou(gold: Boxes, stated: Boxes) -> float:
    """Matched IoU over the number of *stated* boxes: what extra boxes, free in eq. 6, would cost."""
    if not stated.xywh:
        return float(not gold.xywh)
    return _summed_iou(gold, stated) / len(stated.xywh)


def boxes_similarity(gold: Boxes, stated: Boxes, variant: SimilarityVariant) -> float:
    """Eq. 6, or one of its variants."""
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
