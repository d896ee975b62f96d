"""Metrics against third parties (scipy, pycocotools' published values) and by hand."""

import contextlib
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scipy.spatial.distance import jensenshannon

from rise_bench.annotations.average_precision import ap50, resample_ap50
from rise_bench.annotations.base import Gold
from rise_bench.annotations.boxes.metrics import match_samples
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.metrics import LN2, is_correct, jsd
from rise_bench.annotations.kinds import all_metrics
from rise_bench.annotations.metric import Mean
from rise_bench.scoring.bootstrap import draw, interval

COCO_GOLDEN = Path(__file__).parents[1] / "golden" / "cocoeval"
#: Published by faster_coco_eval for these files (tests/test_basic.py, TestCOCOAPI); the cocoapi repository
#: prints the same to three decimals (val2014_fake_eval_res.txt).
PUBLISHED = {
    "bbox": [0.5045806987249628, 0.6969727247299577, 0.5729816669904824, 0.5856257209410443,
             0.5193996948036719, 0.5013978986347466, 0.38681277964578054, 0.5936795762842003,
             0.595352982877607, 0.6398109626113442, 0.5664205978994309, 0.5642905982905982],
    "segm": [0.3195452758576433, 0.5622883972521636, 0.29892653412086784, 0.3873740315997838,
             0.31018272403369485, 0.3269339071005138, 0.2682297225711534, 0.41544868114906375,
             0.4168394992198818, 0.4694498622754236, 0.37675922666197265, 0.3814715099715099],
}  # fmt: skip

shares = st.just(0.0) | st.floats(1e-12, 1)  # scipy gives NaN for the smallest floats
numbers = st.lists(shares, min_size=7, max_size=7).filter(lambda ps: sum(ps) > 1e-6)


@given(numbers, numbers)
def test_jsd_is_scipys_jensenshannon_squared(p, q):
    assert jsd(p, q) == pytest.approx(float(jensenshannon(p, q)) ** 2, abs=1e-9)


@given(
    st.lists(st.floats(0, 1), min_size=7, max_size=7),
    st.lists(st.floats(allow_nan=False), min_size=7, max_size=7),
)
def test_jsd_is_bounded_symmetric_and_total(p, q):
    value = jsd(p, q)
    assert 0.0 <= value <= LN2
    assert value == pytest.approx(jsd(q, p), abs=1e-12)


@pytest.mark.parametrize("nothing", [[0.0, 0.0], [-1.0, -2.0], [math.inf, 0.0], []])
def test_no_mass_is_the_worst_jsd(nothing):
    assert jsd([0.4, 0.6], nothing) == LN2


@pytest.mark.parametrize(
    ("gold", "stated", "expected"),
    [
        ([0, 1, 0], [0.1, 0.8, 0.1], True),
        ([0, 1, 0], [0.5, 0.4, 0.1], False),
        ([1, 0, 0], [0.4, 0.4, 0.2], True),  # ties go to the first class
        ([0, 1, 0], [0.4, 0.4, 0.2], False),
        ([1, 0, 0], [0.0, 0.0, 0.0], False),  # no mass is never correct, not even for the first class
    ],
)
def test_accuracy(gold, stated, expected):
    assert is_correct(gold, stated) is expected


@pytest.mark.parametrize(
    ("model", "reference", "counted"), [(0.1, 0.2, (1, 0)), (0.2, 0.2, (0, 1)), (0.3, 0.2, (0, 0))]
)
def test_a_win_is_strict_and_a_tie_counts_apart(model, reference, counted):
    assert all_metrics()["jsd"].win_and_tie(model, reference) == counted


def evaluate_coco(dataset, detections, iou_type="bbox"):
    """COCOeval with its own settings, quietly."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = dataset
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(detections), iou_type)
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_cocoeval_gives_the_published_values(iou_type):
    truth = json.loads((COCO_GOLDEN / "instances_val2014_100.json").read_text())
    name = {"bbox": "fakebbox100", "segm": "fakesegm100"}[iou_type]
    results = json.loads((COCO_GOLDEN / f"instances_val2014_{name}_results.json").read_text())
    evaluation = evaluate_coco(truth, results, iou_type)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.summarize()
    assert evaluation.stats.tolist() == pytest.approx(PUBLISHED[iou_type], abs=1e-9)


def random_samples(seed, count=60, categories=7, empty=0.0):
    """Samples with stated boxes; a share `empty` of them has no true box."""
    rng = np.random.default_rng(seed)
    golds, stated = [], []
    for i in range(count):
        boxes = [
            tuple(map(float, (*rng.uniform(0, 400, 2), *rng.uniform(20, 200, 2))))
            for _ in range(rng.integers(1, 6))
        ]
        boxes = [] if empty and rng.random() < empty else boxes
        golds.append(Gold(f"{i:04}", Boxes(tuple(boxes)), 640, 480, category=f"c{i % categories}"))
        moved = [(x + rng.normal(0, 15), y + rng.normal(0, 15), w, h) for x, y, w, h in boxes]
        extra = [tuple(rng.uniform(1, 300, 4)) for _ in range(rng.integers(0, 4))]
        kept = [tuple(map(float, b)) for b in [*moved, *extra] if rng.random() < 0.8]
        stated.append(None if rng.random() < 0.05 else Boxes(tuple(kept)))
    return golds, stated


@pytest.mark.parametrize("empty", [0.0, 0.4, 0.9])
@pytest.mark.parametrize("seed", range(5))
def test_ap50_equals_cocoeval(seed, empty):
    """Our accumulation, which makes resampling fast, against COCOeval's own on the same matches.

    With 90% empty images some categories have no true box: neither counts them.
    """
    golds, stated = random_samples(seed, empty=empty)
    categories = sorted({g.category for g in golds})
    truth = {
        "images": [],
        "annotations": [],
        "categories": [{"id": i, "name": c} for i, c in enumerate(categories)],
    }
    detections = []
    for image_id, (gold, boxes) in enumerate(zip(golds, stated, strict=True), start=1):
        truth["images"].append({"id": image_id})
        common = {"image_id": image_id, "category_id": categories.index(gold.category)}
        for b in gold.annotation.xywh:
            number = len(truth["annotations"]) + 1
            truth["annotations"].append(
                {"id": number, "bbox": list(b), "area": b[2] * b[3], "iscrowd": 0, **common}
            )
        detections.extend({"bbox": list(b), "score": 1.0, **common} for b in (boxes.xywh if boxes else ()))
    evaluation = evaluate_coco(truth, detections)
    precision = evaluation.eval["precision"][0, :, :, 0, 2]
    assert ap50(match_samples(golds, stated)) == pytest.approx(precision[precision > -1].mean(), abs=1e-12)


def test_boxes_on_an_empty_image_are_false_positives():
    box = Boxes(((10.0, 10.0, 50.0, 50.0),))
    golds = [Gold("0", Boxes(()), 100, 100, "cup"), Gold("1", box, 100, 100, "cup")]
    assert ap50(match_samples(golds, [Boxes(()), box])) == pytest.approx(1.0)
    assert ap50(match_samples(golds, [box, box])) == pytest.approx(0.5)
    assert math.isnan(ap50(match_samples(golds[:1], [box])))
    empty_alone, both = np.array([[0, 0]]), np.array([[0, 1]])
    matches = match_samples(golds, [box, box])
    assert np.isnan(resample_ap50(matches, empty_alone)[0])
    assert resample_ap50(matches, both)[0] == pytest.approx(0.5)


def test_ap50_of_nothing_and_of_everything():
    golds, _ = random_samples(0)
    assert ap50(match_samples(golds, [None] * len(golds))) == 0.0
    assert ap50(match_samples(golds, [g.annotation for g in golds])) == pytest.approx(1.0)


def test_categories_count_alike_however_many_samples_they_have():
    box = Boxes(((10.0, 10.0, 50.0, 50.0),))
    golds = [Gold(str(i), box, 100, 100, category="common" if i else "rare") for i in range(9)]
    stated = [None if g.category == "rare" else box for g in golds]
    assert ap50(match_samples(golds, stated)) == pytest.approx(0.5)


@pytest.mark.parametrize("empty", [0.0, 0.5])
def test_resampling_the_samples_as_they_are_changes_nothing(empty):
    golds, stated = random_samples(3, empty=empty)
    matches = match_samples(golds, stated)
    picks = np.arange(len(golds))[None]
    assert resample_ap50(matches, picks)[0] == pytest.approx(ap50(matches), abs=1e-12)


grid_boxes = st.tuples(*[st.integers(1, 6).map(float)] * 4)


@given(grid_boxes, grid_boxes)
def test_one_box_against_one_is_what_cocoeval_makes_of_it_among_others(true_box, box):
    """On a coarse grid, where IoU of exactly one half is common."""
    far = (100.0, 100.0, 5.0, 5.0)
    alone = match_samples([Gold("1", Boxes((true_box,)), 200, 200)], [Boxes((box,))])
    among = match_samples([Gold("1", Boxes((true_box, far)), 200, 200)], [Boxes((box, far))])
    assert alone[0].hit.tolist() == among[0].hit.tolist()[:1]


def test_drawing_a_sample_twice_is_having_it_twice():
    """Weights against copies, for samples with one stated box (with more, copies stand in another order)."""
    golds, stated = random_samples(4)
    one = [Boxes(boxes.xywh[:1]) if boxes else None for boxes in stated]
    matches = match_samples(golds, one)
    picks = draw(len(golds), 20, seed=0)
    copies = [ap50([matches[i] for i in sorted(row)]) for row in picks.tolist()]
    assert resample_ap50(matches, picks) == pytest.approx(copies, abs=1e-12)


def test_bootstrap_is_seeded_and_covers_the_mean():
    values = np.random.default_rng(0).normal(1.0, 2.0, 400)
    pool = Mean(values)
    first, second = (interval(pool.value(), pool.resample(draw(400, 1000, seed=1))) for _ in range(2))
    assert first == second
    half_width = (first.high - first.low) / 2
    assert half_width == pytest.approx(1.96 * values.std() / 20, rel=0.1)  # the normal approximation
    assert first.low < first.value < first.high
