"""Matching of stated with true outlines by mask IoU (eq. 6 with masks for boxes)."""

import math

from scipy.optimize import linear_sum_assignment

from rise_bench.annotations.base import SimilarityVariant
from rise_bench.annotations.polygons.masks import areas_of, iou_matrix, masks_of
from rise_bench.annotations.polygons.values import Polygons


def match_outlines(gold: Polygons, stated: Polygons) -> list[tuple[int, int, float]]:
    """Return (gold index, stated index, IoU) of overlapping pairs with the greatest summed mask IoU."""
    if not gold.outlines or not stated.outlines:
        return []
    iou = iou_matrix(masks_of(gold, stated))
    rows, columns = linear_sum_assignment(iou, maximize=True)
    return [(int(i), int(j), float(iou[i, j])) for i, j in zip(rows, columns, strict=True) if iou[i, j] > 0]


def polygons_similarity(gold: Polygons, stated: Polygons, variant: SimilarityVariant) -> float:
    """Matched mask IoU over the number of true outlines; of stated ones or of both in the variants."""
    if not gold.outlines:
        return float(not stated.outlines)
    if not stated.outlines:
        return 0.0
    total = math.fsum(overlap for _, _, overlap in match_outlines(gold, stated))
    if variant == "upstream":
        return total / len(stated.outlines)
    if variant == "f1":
        return 2 * total / (len(gold.outlines) + len(stated.outlines))
    return total / len(gold.outlines)


def union_iou(gold: Polygons, stated: Polygons) -> float:
    """IoU of all true with all stated outlines as one mask, in [0, 1]; 1 where there is nothing in either."""
    if not gold.outlines:
        return float(not stated.outlines)
    areas = areas_of(gold, stated)
    return areas.intersection / areas.union if areas.union else 0.0
