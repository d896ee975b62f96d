"""AP and F1 of boxes with confidences, against COCOeval and by hand."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from rise_bench.annotations.average_precision import ap50
from rise_bench.annotations.base import Gold
from rise_bench.annotations.boxes.metrics import match_samples
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.kinds import KINDS

KIND = KINDS["boxes"]


def random_samples(seed, count=80):
    """Ground truth, answers and confidences in few steps, so that many are equal."""
    rng = np.random.default_rng(seed)
    golds, stated, confidences = [], [], []
    for i in range(count):
        corners = rng.uniform(0, 300, (rng.integers(0, 5), 2))
        boxes = [(float(x), float(y), 80.0, 60.0) for x, y in corners]
        moved = [(x + rng.normal(0, 15), y + rng.normal(0, 15), w, h) for x, y, w, h in boxes]
        extra = [tuple(map(float, (*rng.uniform(0, 300, 2), 50, 50))) for _ in range(rng.integers(0, 3))]
        answer = tuple(tuple(map(float, box)) for box in (*moved, *extra))
        golds.append(Gold(f"{i:03}", Boxes(tuple(boxes)), 640, 480, f"c{i % 3}"))
        stated.append(None if rng.random() < 0.1 else Boxes(answer))
        confidences.append(tuple(map(float, rng.integers(1, 9, len(answer)) / 8)) if stated[-1] else ())
    return golds, stated, confidences


def cocoeval_ap50(golds, stated, confidences):
    categories = sorted({gold.category for gold in golds})
    truth = {
        "images": [{"id": i} for i in range(len(golds))],
        "categories": [{"id": i} for i in range(len(categories))],
        "annotations": [],
    }
    results = []
    for i, gold in enumerate(golds):
        common = {"image_id": i, "category_id": categories.index(gold.category)}
        for box in gold.annotation.xywh:
            number = {"id": len(truth["annotations"]) + 1, "iscrowd": 0, "area": box[2] * box[3]}
            truth["annotations"].append(number | {"bbox": list(box)} | common)
        boxes = stated[i].xywh if stated[i] else ()
        results += [
            {"bbox": list(b), "score": c} | common for b, c in zip(boxes, confidences[i], strict=True)
        ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][0, :, :, 0, 2]
    return float(precision[precision > -1].mean())


@pytest.mark.parametrize("seed", range(5))
def test_ranked_ap_is_cocoevals(seed):
    golds, stated, confidences = random_samples(seed)
    score = KIND.ranked_scores(golds, stated, confidences)["ap50"]
    assert score.ranked == pytest.approx(cocoeval_ap50(golds, stated, confidences), abs=1e-12)
    assert score.unranked == ap50(match_samples(golds, stated)) != score.ranked


def test_f1_keeps_the_boxes_above_the_best_threshold():
    box, other = (0.0, 0.0, 10.0, 10.0), (50.0, 50.0, 10.0, 10.0)
    golds = [Gold("a", Boxes((box,)), 99, 99), Gold("b", Boxes(()), 99, 99), Gold("c", Boxes((box,)), 99, 99)]
    stated = [Boxes((box, other)), Boxes((other,)), None]
    score = KIND.ranked_scores(golds, stated, [(0.75, 0.25), (0.5,), ()])["f1_50"]
    assert (score.unranked, score.ranked) == pytest.approx((2 * 1 / (3 + 2), 2 * 1 / (1 + 2)))
    assert score.threshold == 0.75
    tied = KIND.ranked_scores(golds, stated, [(0.5, 0.5), (0.5,), ()])["f1_50"]
    assert (tied.ranked, tied.threshold) == (tied.unranked, 0.5)


def test_nothing_stated_and_nothing_to_find():
    empty, full = Gold("a", Boxes(()), 9, 9), Gold("a", Boxes(((0, 0, 9, 9),)), 9, 9)
    assert KIND.ranked_scores([full], [None], [()])["ap50"].ranked == 0
    assert KIND.ranked_scores([empty], [Boxes(())], [()])["f1_50"].ranked == 1
