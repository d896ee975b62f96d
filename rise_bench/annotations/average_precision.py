"""Average precision at IoU 0.5 of parts of annotations through pycocotools, and fast resampling of it.

A sample is an (image, category) pair: only parts of that category are asked for and counted. VLM answers have
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

_RECALL_THRESHOLDS = np.linspace(0.0, 1.0, 101)

#: Parts of an image that COCO counts.
MAX_STATED = 100

#: IoU from which a stated part is right.
HALF = 0.5

#: Box `(x, y, w, h)` or run-length encoded mask of pycocotools.
Part = Any


@dataclass(frozen=True, slots=True)
class Matches:
    """Outcome of COCO's matching for a sample, for the accumulation of AP over any set of samples.

    Attributes:
        category: Category of the question.
        gold: Number of true parts.
        hit: Whether each stated part (at most 100), in order of the answer, matched; shape (N,).
    """

    category: str
    gold: int
    hit: NDArray[np.bool_]


def coco_outcomes(
    truth: Sequence[Sequence[Part]],
    stated: Sequence[Sequence[Part]],
    scores: Sequence[Sequence[float]] | None = None,
    *,
    masks: bool = False,
) -> list[Any]:
    """Return COCOeval's record of each sample at IoU 0.5, None where there is no part at all.

    Args:
        truth: True parts of each sample.
        stated: Stated parts of each sample; COCO counts the first 100 by score.
        scores: Score of each stated part; 1 if None.
        masks: Whether parts are masks, all of a sample of one size, and not boxes.
    """
    from pycocotools.cocoeval import COCOeval

    if not truth:
        return []
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(
            _coco_of(truth, None, masks),
            _coco_of(stated, scores, masks),
            iouType="segm" if masks else "bbox",
        )
        evaluation.params.iouThrs = np.array([HALF])
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, float("inf")]], ["all"]
        evaluation.params.maxDets = [MAX_STATED]
        evaluation.evaluate()
    return list(evaluation.evalImgs)


def _coco_of(
    parts_of_samples: Sequence[Sequence[Part]], scores: Sequence[Sequence[float]] | None, masks: bool
) -> Any:
    """Wrap parts as a pycocotools dataset of one category, samples as images in order."""
    from pycocotools.coco import COCO
    from pycocotools.mask import area

    common = {"category_id": 1, "iscrowd": 0}
    scored = scores or [[1.0] * len(parts) for parts in parts_of_samples]
    owned = [
        (image_id, part, score)
        for image_id, parts in enumerate(parts_of_samples)
        for part, score in zip(parts, scored[image_id], strict=True)
    ]
    coco = COCO()
    coco.dataset = {
        "images": [{"id": i, "height": 0, "width": 0} for i in range(len(parts_of_samples))],
        "categories": [{"id": 1}],
        "annotations": [
            {
                "id": number,
                "image_id": image_id,
                **(
                    {"segmentation": part, "area": int(area(part))}
                    if masks
                    else {"bbox": list(part), "area": part[2] * part[3]}
                ),
                "score": score,
                **common,
            }
            for number, (image_id, part, score) in enumerate(owned, start=1)
        ],
    }
    coco.createIndex()
    return coco


def hits_of(outcome: Mapping[str, Any] | None) -> NDArray[np.bool_]:
    """Return whether each stated part of a sample was matched, largest score first."""
    return np.zeros(0, dtype=np.bool_) if outcome is None else np.array(outcome["dtMatches"][0] > 0)


def ap50(matches: Sequence[Matches]) -> float:
    """AP at IoU 0.5, averaged over categories that have a true part; in [0, 1], NaN without any.

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
    """Return AP of one category: whether each stated part matched, the first in the ranking first."""
    if not hit.any():
        return 0.0
    true_positives = np.cumsum(hit)
    recall = true_positives / gold
    precision = true_positives / (np.arange(1, len(hit) + 1) + np.spacing(1))
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, _RECALL_THRESHOLDS, side="left")
    return float(precision[at[at < len(precision)]].sum() / len(_RECALL_THRESHOLDS))


def resample_ap50(matches: Sequence[Matches], picks: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return AP50 of resampled sets of samples, shape (resamples,); NaN without a true part.

    A sample drawn m times has weight m: its parts keep their place in the order (id, then answer), followed
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
        parts = np.repeat(indices, [len(s.hit) for s in samples])
        total += _weighted_ap(np.concatenate([s.hit for s in samples]), weights[parts], gold)
        present += gold > 0
    mean = np.full(resamples, np.nan)
    np.divide(total, present, out=mean, where=present > 0)
    return mean


def _weighted_ap(
    hit: NDArray[np.bool_], weights: NDArray[np.float64], gold: NDArray[np.float64]
) -> NDArray[np.float64]:
    """AP of one category in every resample: hit (parts,), weights (parts, resamples), gold (resamples,)."""
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
    """Return the number of the 101 thresholds up to each recall; as `searchsorted`, but faster."""
    guess = np.minimum((recall * 100).astype(np.intp), 100)
    guess += (np.take(_RECALL_THRESHOLDS, np.minimum(guess + 1, 100)) <= recall) & (guess < 100)
    guess -= np.take(_RECALL_THRESHOLDS, guess) > recall
    return guess + 1


@dataclass(frozen=True, slots=True)
class MatchedSamples:
    """Samples with their parts matched, from which AP is computed."""

    matches: list[Matches]

    def value(self) -> float:
        """Return AP50."""
        return ap50(self.matches)

    def resample(self, picks: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return AP50 of each resample."""
        return resample_ap50(self.matches, picks)
