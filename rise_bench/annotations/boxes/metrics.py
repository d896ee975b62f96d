"""Metrics of boxes: average precision at IoU 0.5, and the similarity per stated box."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rise_bench.annotations.average_precision import (
    HALF,
    MAX_STATED,
    MatchedSamples,
    Matches,
    coco_outcomes,
    hits_of,
)
from rise_bench.annotations.base import Annotation, Gold
from rise_bench.annotations.boxes.similarity import precision_iou
from rise_bench.annotations.boxes.values import Box, Boxes
from rise_bench.annotations.metric import Metric


def match_samples(golds: Sequence[Gold], stated: Sequence[Boxes | None]) -> list[Matches]:
    """Match the stated boxes of every sample by COCOeval at IoU 0.5; unreadable (None) has no boxes.

    A sample has one category, so all are matched as one, over one threshold and one area range: the same
    outcome as COCOeval's own loop over 80 categories, 10 thresholds and 4 ranges (tested), far faster.

    Args:
        golds: Ground truth with boxes in pixels.
        stated: Stated boxes in pixels of the original image, paired with `golds`.
    """
    truth = [gold.annotation.xywh if isinstance(gold.annotation, Boxes) else () for gold in golds]
    boxes = [answer.xywh[:MAX_STATED] if answer else () for answer in stated]
    hits = [_hit_alone(a, b) if len(a) == len(b) == 1 else None for a, b in zip(truth, boxes, strict=True)]
    several = [i for i, hit in enumerate(hits) if hit is None]
    outcomes = coco_outcomes([truth[i] for i in several], [boxes[i] for i in several])
    for i, outcome in zip(several, outcomes, strict=True):
        hits[i] = hits_of(outcome)
    return [
        Matches(gold.category, len(a), hit)
        for gold, a, hit in zip(golds, truth, hits, strict=True)
        if hit is not None
    ]


def _hit_alone(truth: Sequence[Box], stated: Sequence[Box]) -> NDArray[np.bool_]:
    """One true and one stated box leave nothing to match: pycocotools' IoU decides."""
    from pycocotools import mask

    return np.array(mask.iou([list(stated[0])], [list(truth[0])], [0])[0] >= HALF)


def _matched(golds: Sequence[Gold], stated: Sequence[Annotation | None]) -> MatchedSamples:
    return MatchedSamples(
        match_samples(golds, [boxes if isinstance(boxes, Boxes) else None for boxes in stated])
    )


METRICS = (
    Metric("ap50", "AP50", "AP at IoU 0.5, averaged over categories", ranks=True, pool=_matched),
    Metric(
        "precision_iou",
        "similarity per stated box",
        "Matched IoU over the number of stated boxes",
        sample=precision_iou,
    ),
)
