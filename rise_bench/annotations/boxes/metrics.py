"""Average precision at IoU 0.5 through pycocotools, and fast resampling of it.

A sample is an (image, category) pair: only boxes of that category are asked for and counted. VLM answers have
no confidence, so every score is 1.0 (AP with confidences is in `ranked`); COCOeval's stable sort then leaves
ties in order of samples, then of emission, which is why samples are put in order of their ids
(docs/decisions/average_precision.md).
"""

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rise_bench.annotations.base import Annotation, Gold
from rise_bench.annotations.boxes.similarity import precision_iou
from rise_bench.annotations.boxes.values import Box, Boxes
from rise_bench.annotations.metric import Metric

_RECALL_THRESHOLDS = np.linspace(0.0, 1.0, 101)

#: Boxes of an image that COCO counts.
MAX_STATED = 100

#: IoU from which a stated box is right.
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Matches:
    """Outcome of COCO's matching for a sample, for the accumulation of AP over any set of samples.

    Attributes:
        category: Category of the question.
        gold: Number of true boxes.
        hit: Whether each stated box (at most 100), in order of the answer, matched; shape (N,).
    """

    category: str
    gold: int
    hit: NDArray[np.bool_]


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

    return np.array(mask.iou([list(stated[0])], [list(truth[0])], [0])[0] >= _HALF)


def coco_outcomes(
    truth: Sequence[Sequence[Box]],
    stated: Sequence[Sequence[Box]],
    scores: Sequence[Sequence[float]] | None = None,
) -> list[Any]:
    """Return COCOeval's record of each sample at IoU 0.5, None where there is no box at all.

    Args:
        truth: True boxes of each sample.
        stated: Stated boxes of each sample; COCO counts the first 100 by score.
        scores: Score of each stated box; 1 if None.
    """
    from pycocotools.cocoeval import COCOeval

    if not truth:
        return []
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(_coco_of(truth), _coco_of(stated, scores), iouType="bbox")
        evaluation.params.iouThrs = np.array([_HALF])
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, float("inf")]], ["all"]
        evaluation.params.maxDets = [MAX_STATED]
        evaluation.evaluate()
    return list(evaluation.evalImgs)


def _coco_of(
    boxes_of_samples: Sequence[Sequence[Box]], scores: Sequence[Sequence[float]] | None = None
) -> Any:
    """Wrap boxes as a pycocotools dataset of one category, samples as images in order."""
    from pycocotools.coco import COCO

    common = {"category_id": 1, "iscrowd": 0}
    scored = scores or [[1.0] * len(boxes) for boxes in boxes_of_samples]
    owned = [
        (image_id, box, score)
        for image_id, boxes in enumerate(boxes_of_samples)
        for box, score in zip(boxes, scored[image_id], strict=True)
    ]
    coco = COCO()
    coco.dataset = {
        "images": [{"id": image_id} for image_id in range(len(boxes_of_samples))],
        "categories": [{"id": 1}],
        "annotations": [
            {
                "id": number,
                "image_id": image_id,
                "bbox": list(box),
                "area": box[2] * box[3],
                "score": score,
                **common,
            }
            for number, (image_id, box, score) in enumerate(owned, start=1)
        ],
    }
    coco.createIndex()
    return coco


def hits_of(outcome: Mapping[str, Any] | None) -> NDArray[np.bool_]:
    """Which stated boxes of a sample were matched, the one with the largest score first."""
    return np.zeros(0, dtype=np.bool_) if outcome is None else np.array(outcome["dtMatches"][0] > 0)


def ap50(matches: Sequence[Matches]) -> float:
    """AP at IoU 0.5, averaged over categories that have a true box; in [0, 1], NaN without any.

    The same accumulation as COCOeval's (101 recall thresholds, precision made monotone), on samples in the
    order given.
    """
    by_category: dict[str, list[Matches]] = {}
    for sample in matches:
        by_category.setdefault(sample.category, []).append(sample)
    per_category = [
        ap_of_category(np.concatenate([s.hit for s in samples]), sum(s.gold for s in samples))
        for samples in by_category.values()
        if any(s.gold for s in samples)
    ]
    return float(np.mean(per_category)) if per_category else float("nan")


def ap_of_category(hit: NDArray[np.bool_], gold: int) -> float:
    """Return AP of one category: whether each stated box matched, the first in the ranking first."""
    if not hit.any():
        return 0.0
    true_positives = np.cumsum(hit)
    recall = true_positives / gold
    precision = true_positives / (np.arange(1, len(hit) + 1) + np.spacing(1))
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, _RECALL_THRESHOLDS, side="left")
    return float(precision[at[at < len(precision)]].sum() / len(_RECALL_THRESHOLDS))


def resample_ap50(matches: Sequence[Matches], picks: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return AP50 of resampled sets of samples, shape (resamples,); NaN without a true box.

    A sample drawn m times has weight m: its boxes keep their place in the order (id, then answer), followed
    by their copies, a valid order of equal scores.

    Args:
        matches: Matches of each sample, in order of ids.
        picks: Indices into `matches`, shape (resamples, N).
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
    hits = np.cumsum(weights[hit], axis=0)
    precision = hits / (np.maximum(seen[hit], 1.0) + np.spacing(1))
    precision = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    recall = hits / np.maximum(gold, 1.0)
    reached = _thresholds_reached(recall)
    reached[hits == 0] = 0
    area: NDArray[np.float64] = np.sum(np.diff(reached, axis=0, prepend=0) * precision, axis=0)
    return area / len(_RECALL_THRESHOLDS)


def _thresholds_reached(recall: NDArray[np.float64]) -> NDArray[np.intp]:
    """How many of the 101 thresholds are at most each recall: `searchsorted`, several times faster."""
    guess = np.minimum((recall * 100).astype(np.intp), 100)
    guess += (np.take(_RECALL_THRESHOLDS, np.minimum(guess + 1, 100)) <= recall) & (guess < 100)
    guess -= np.take(_RECALL_THRESHOLDS, guess) > recall
    return guess + 1


@dataclass(frozen=True, slots=True)
class MatchedSamples:
    """Samples with their boxes matched, from which AP is computed."""

    matches: list[Matches]

    @classmethod
    def of(cls, golds: Sequence[Gold], stated: Sequence[Annotation | None]) -> "MatchedSamples":
        """Match the stated boxes of each sample."""
        return cls(match_samples(golds, [boxes if isinstance(boxes, Boxes) else None for boxes in stated]))

    def value(self) -> float:
        """Return AP50."""
        return ap50(self.matches)

    def resample(self, picks: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return AP50 of each resample."""
        return resample_ap50(self.matches, picks)


METRICS = (
    Metric("ap50", "AP50", "AP at IoU 0.5, averaged over categories", ranks=True, pool=MatchedSamples.of),
    Metric(
        "precision_iou",
        "similarity per stated box",
        "Matched IoU over the number of stated boxes",
        sample=precision_iou,
    ),
)
