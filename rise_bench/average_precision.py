"""Average precision at IoU 0.5 through pycocotools, and fast resampling of it.

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

from rise_bench.values import Boxes, Gold

_RECALL_THRESHOLDS = np.linspace(0.0, 1.0, 101)


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
    """Match the stated boxes of every sample with COCOeval at IoU 0.5; unreadable (None) states no box.

    Args:
        golds: Truth with boxes in pixels.
        stated: Stated boxes in pixels of the original image, paired with `golds`.

    Returns:
        One `Matches` a sample, in the order given.
    """
    categories = sorted({gold.category for gold in golds})
    category_ids = {name: i + 1 for i, name in enumerate(categories)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    detections: list[dict[str, Any]] = []
    for image_id, (gold, boxes) in enumerate(zip(golds, stated, strict=True), start=1):
        images.append({"id": image_id, "width": gold.width_px, "height": gold.height_px})
        common = {"image_id": image_id, "category_id": category_ids[gold.category]}
        assert isinstance(gold.annotation, Boxes)
        for box in gold.annotation.xywh:
            area = box[2] * box[3]
            number = len(annotations) + 1
            annotations.append({"id": number, "bbox": list(box), "area": area, "iscrowd": 0, **common})
        stated_boxes = boxes.xywh if boxes else ()
        detections.extend({"bbox": list(box), "score": 1.0, **common} for box in stated_boxes)
    dataset = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": i, "name": name} for name, i in category_ids.items()],
    }
    evaluation = evaluate_coco(dataset, detections)
    everywhere = evaluation.params.areaRng[0]
    at_half = int(np.flatnonzero(np.isclose(evaluation.params.iouThrs, 0.5))[0])
    by_image = {
        e["image_id"]: e for e in evaluation.evalImgs if e is not None and list(e["aRng"]) == list(everywhere)
    }
    return [
        Matches(gold.category, len(gold.annotation.xywh), _hits(by_image.get(image_id), at_half))  # type: ignore[union-attr]
        for image_id, gold in enumerate(golds, start=1)
    ]


def _hits(evaluated: Mapping[str, Any] | None, at_half: int) -> NDArray[np.bool_]:
    if evaluated is None:
        return np.zeros(0, dtype=np.bool_)
    hits: NDArray[np.bool_] = np.asarray(evaluated["dtMatches"])[at_half] > 0
    return hits


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

    Args:
        matches: One per sample, in order of ids.
        picks: Indices into `matches`, shape (resamples, N).

    Returns:
        Shape (resamples,). Picks are sorted first, so that a resample keeps the order of ids.
    """
    return np.array([ap50([matches[i] for i in sorted(row)]) for row in picks.tolist()])
