"""Metrics of outlines: gIoU and cIoU of reasoning segmentation, and AP50 on masks.

Definitions are those of LISA (Lai et al., CVPR 2024): gIoU is the mean of the IoU of each image, cIoU the
cumulative intersection over the cumulative union of all images (docs/decisions/polygons.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rise_bench.annotations.average_precision import (
    MAX_STATED,
    MatchedSamples,
    Matches,
    coco_outcomes,
    hits_of,
)
from rise_bench.annotations.base import Annotation, Gold
from rise_bench.annotations.metric import Metric
from rise_bench.annotations.polygons.masks import areas_of, masks_of
from rise_bench.annotations.polygons.similarity import union_iou
from rise_bench.annotations.polygons.values import Polygons


@dataclass(frozen=True, slots=True)
class CumulativeIou:
    """Intersection and union of each sample, from which cIoU is computed.

    Attributes:
        areas_px: Intersection and union, shape (samples, 2).
    """

    areas_px: NDArray[np.float64]

    @classmethod
    def of(cls, golds: Sequence[Gold], stated: Sequence[Annotation | None]) -> "CumulativeIou":
        """Compare the outlines of each sample; an unreadable answer covers nothing."""
        pairs = zip(golds, stated, strict=True)
        areas = [areas_of(_polygons(gold.annotation), _polygons(answer)) for gold, answer in pairs]
        return cls(np.array(areas, dtype=np.float64).reshape(-1, 2))

    def value(self) -> float:
        """Return cIoU; NaN where there is nothing in any image."""
        return float(_ratio(self.areas_px.sum(axis=0)[None])[0])

    def resample(self, picks: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return cIoU of each resample."""
        return _ratio(self.areas_px[picks].sum(axis=1))


def outcomes(
    golds: Sequence[Gold],
    stated: Sequence[Polygons | None],
    confidences: Sequence[Sequence[float]] | None = None,
) -> list[Any]:
    """Return COCOeval's record of each sample on masks at IoU 0.5, None where there is no outline at all.

    Args:
        golds: Ground truth in pixels.
        stated: Stated outlines of each; None states none.
        confidences: Confidence of each stated outline; 1 if None.
    """
    masks = [
        masks_of(_polygons(gold.annotation), answer or Polygons(()))
        for gold, answer in zip(golds, stated, strict=True)
    ]
    told = [of.stated if confidences else of.stated[:MAX_STATED] for of in masks]
    return coco_outcomes([of.gold for of in masks], told, confidences, masks=True)


def match_samples(golds: Sequence[Gold], stated: Sequence[Polygons | None]) -> list[Matches]:
    """Match the stated outlines of every sample by COCOeval on masks at IoU 0.5; None states none."""
    return [
        Matches(gold.category, len(_polygons(gold.annotation).outlines), hits_of(outcome))
        for gold, outcome in zip(golds, outcomes(golds, stated), strict=True)
    ]


def _matched(golds: Sequence[Gold], stated: Sequence[Annotation | None]) -> MatchedSamples:
    return MatchedSamples(
        match_samples(golds, [answer if isinstance(answer, Polygons) else None for answer in stated])
    )


def _polygons(annotation: Annotation | None) -> Polygons:
    return annotation if isinstance(annotation, Polygons) else Polygons(())


def _ratio(areas: NDArray[np.float64]) -> NDArray[np.float64]:
    ratio = np.full(len(areas), np.nan)
    np.divide(areas[:, 0], areas[:, 1], out=ratio, where=areas[:, 1] > 0)
    return ratio


METRICS = (
    Metric("giou", "gIoU", "Mean of the IoU of each image's mask", ranks=True, sample=union_iou),
    Metric(
        "ciou",
        "cIoU",
        "Intersection over union of the masks, both summed over all images",
        ranks=True,
        pool=CumulativeIou.of,
    ),
    Metric(
        "mask_ap50",
        "mask AP50",
        "AP at IoU 0.5 on masks, averaged over categories",
        ranks=True,
        pool=_matched,
    ),
)
