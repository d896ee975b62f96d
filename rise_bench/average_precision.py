"""Average precision at IoU 0.5 as pycocotools computes it, and fast resampling of it.

A sample is an (image, category) pair: only boxes of that category are asked for and counted. VLM answers have
no confidence, so every score is 1.0; COCOeval's stable sort then leaves ties in order of samples, then of
emission, which is why samples are put in order of their ids (docs/decisions/average_precision.md).
"""

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rise_bench.values import Box, Boxes, Gold

_RECALL_THRESHOLDS = np.linspace(0.0, 1.0, 101)

#: COCO looks at so many boxes an image.
_MAX_STATED = 100


@dataclass(frozen=True, slots=True)
class Matches:
    """Outcome of COCO's matching for one sample: enough to accumulate AP over any set of samples.

    Attributes:
        category: Category that was asked for.
        gold: Number of true boxes.
        hit: For each stated box (at most 100), in emission order, whether it matched; shape (N,).
    """

    category: str
    gold: int
    hit: NDArray[np.bool_]


def evaluate_coco(
    dataset: Mapping[str, Any], detections: Sequence[Mapping[str, Any]], iou_type: str = "bbox"
) -> Any:
    """Run pycocotools' COCOeval quietly and return it, evaluated and accumulated.

    Args:
        dataset: COCO annotations: images, annotations, categories.
        detections: COCO results: image_id, category_id, bbox in xywh pixels (or segmentation), score.
        iou_type: "bbox" or "segm".
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = dict(dataset)
        truth.createIndex()
        if detections:
            results = truth.loadRes([dict(d) for d in detections])
        else:
            results = COCO()
            results.dataset = {**dataset, "annotations": []}
            results.createIndex()
        evaluation = COCOeval(truth, results, iou_type)
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def match_samples(golds: Sequence[Gold], stated: Sequence[Boxes | None]) -> list[Matches]:
    """Match the stated boxes of every sample as COCOeval does at IoU 0.5; unreadable (None) states no box.

    COCOeval walks every image for every category, area range and threshold; one pass over the pairs that
    count does the same in a thirtieth of the time (tested to be equal).

    Args:
        golds: Truth with boxes in pixels.
        stated: Stated boxes in pixels of the original image, paired with `golds`.

    Returns:
        One `Matches` a sample, in the order given.
    """
    matches = []
    for gold, boxes in zip(golds, stated, strict=True):
        assert isinstance(gold.annotation, Boxes)
        truth = gold.annotation.xywh
        hit = _hits(truth, boxes.xywh[:_MAX_STATED] if boxes else ())
        matches.append(Matches(gold.category, len(truth), np.array(hit, dtype=np.bool_)))
    return matches


def _hits(truth: Sequence[Box], stated: Sequence[Box]) -> list[bool]:
    """Give each stated box in turn the free true box of greatest IoU (of equals the last, as COCOeval)."""
    free = list(truth)
    hits = []
    for box in stated:
        best, index = 0.5, -1
        for position, true_box in enumerate(free):
            iou = _iou(box, true_box)
            if iou >= best:
                best, index = iou, position
        hits.append(index >= 0)
        if index >= 0:
            del free[index]
    return hits


def _iou(a: Box, b: Box) -> float:
    """IoU in the order of operations of pycocotools' `bbIou`, so that a tie at the threshold falls alike."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    overlap = width * height
    return overlap / (a[2] * a[3] + b[2] * b[3] - overlap)


def ap50(matches: Sequence[Matches]) -> float:
    """AP at IoU 0.5, averaged over categories that have a true box; in [0, 1], NaN without any.

    The same accumulation as COCOeval's (101 recall thresholds, precision made monotone), on samples in the
    order given.
    """
    by_category: dict[str, list[Matches]] = {}
    for sample in matches:
        by_category.setdefault(sample.category, []).append(sample)
    per_category = [
        _ap_of_category(np.concatenate([s.hit for s in samples]), sum(s.gold for s in samples))
        for samples in by_category.values()
        if any(s.gold for s in samples)
    ]
    return float(np.mean(per_category)) if per_category else float("nan")


def _ap_of_category(hit: NDArray[np.bool_], gold: int) -> float:
    if not hit.any():
        return 0.0
    true_positives = np.cumsum(hit)
    recall = true_positives / gold
    precision = true_positives / (np.arange(1, len(hit) + 1) + np.spacing(1))
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, _RECALL_THRESHOLDS, side="left")
    return float(precision[at[at < len(precision)]].sum() / len(_RECALL_THRESHOLDS))


def resample_ap50(matches: Sequence[Matches], picks: NDArray[np.intp]) -> NDArray[np.float64]:
    """AP50 of resampled sets of samples.

    A sample drawn m times weighs m: its boxes keep their place in the order (id, then emission) and their
    copies follow them at once, another order among equal scores and as good as any.

    Args:
        matches: One per sample, in order of ids.
        picks: Indices into `matches`, shape (resamples, N).

    Returns:
        Shape (resamples,); NaN for a resample without a true box.
    """
    resamples = len(picks)
    offsets = np.arange(resamples)[:, None] * len(matches)
    counts = np.bincount((picks + offsets).ravel(), minlength=resamples * len(matches))
    weights = counts.reshape(resamples, len(matches)).T.astype(np.float64)
    by_category: dict[str, list[int]] = {}
    for index, sample in enumerate(matches):
        by_category.setdefault(sample.category, []).append(index)
    total, present = np.zeros(resamples), np.zeros(resamples)
    for indices in by_category.values():
        samples = [matches[i] for i in indices]
        gold = np.array([s.gold for s in samples]) @ weights[indices]
        boxes = np.repeat(indices, [len(s.hit) for s in samples])
        total += _weighted_ap(np.concatenate([s.hit for s in samples]), weights[boxes], gold)
        present += gold > 0
    mean = np.full(resamples, np.nan)
    np.divide(total, present, out=mean, where=present > 0)
    return mean


def _weighted_ap(
    hit: NDArray[np.bool_], weights: NDArray[np.float64], gold: NDArray[np.float64]
) -> NDArray[np.float64]:
    """AP of one category in every resample: hit (boxes,), weights (boxes, resamples), gold (resamples,)."""
    if not hit.any():
        return np.zeros(len(gold))
    seen = np.cumsum(weights, axis=0)
    found = np.cumsum(weights[hit], axis=0)
    precision = found / (np.maximum(seen[hit], 1.0) + np.spacing(1))
    precision = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    recall = found / np.maximum(gold, 1.0)
    # How many of the 101 thresholds each box is the first to reach.
    reached = np.searchsorted(_RECALL_THRESHOLDS, recall.ravel(), side="right").reshape(recall.shape)
    reached[found == 0] = 0
    area: NDArray[np.float64] = np.sum(np.diff(reached, axis=0, prepend=0) * precision, axis=0)

    return area / len(_RECALL_THRESHOLDS)
