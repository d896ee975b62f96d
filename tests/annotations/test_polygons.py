"""Outlines: reading, masks, matching, gIoU, cIoU and AP on masks, against independent computations."""

import contextlib
import io
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from rise_bench.annotations.base import Frame, Gold
from rise_bench.annotations.kinds import KINDS
from rise_bench.annotations.polygons.masks import areas_of, iou_matrix, masks_of
from rise_bench.annotations.polygons.metrics import CumulativeIou
from rise_bench.annotations.polygons.parsing import MAX_POINTS, read_polygons
from rise_bench.annotations.polygons.similarity import match_outlines, union_iou
from rise_bench.annotations.polygons.values import Polygons, clipped, corners
from rise_bench.scoring.bootstrap import draw
from rise_bench.scoring.leaks import find_leaks
from rise_bench.scoring.scores import score_response

KIND = KINDS["polygons"]
A, B = ((1.0, 2.0), (3.0, 4.0), (5.0, 7.0)), ((1.0, 1.0), (9.0, 1.0), (9.0, 9.0))
TEXT_A, TEXT_B = "[[1, 2], [3, 4], [5, 7]]", "[[1, 1], [9, 1], [9, 9]]"


def box(x, y, w, h):
    return corners((float(x), float(y), float(w), float(h)))


@pytest.mark.parametrize(
    ("answer", "outlines"),
    [
        (f"[{TEXT_A}]", [A]),
        (f"[{TEXT_A}, {TEXT_B}]", [A, B]),
        (TEXT_A, [A]),
        (f"[[{TEXT_A}], [{TEXT_B}]]", [A, B]),
        (f"{TEXT_A} and {TEXT_B}", [A, B]),
        (f"```json\n[{TEXT_A}]\n```", [A]),
        ("[1, 2, 3, 4, 5, 7]", [A]),
        ("[[1, 2, 3, 4, 5, 7], [1, 1, 9, 1, 9, 9]]", [A, B]),
        ('{"segmentation": [[1, 2, 3, 4, 5, 7]], "id": 9}', [A]),
        (f'{{"polygons": [{TEXT_A}], "scores": [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]}}', [A]),
        (f'{{"labels": [{TEXT_A}, {TEXT_B}]}}', [A, B]),
        (f'{{"labels": [1, 2, 3, 4, 5, 6], "points": {TEXT_A}, "keypoints": {TEXT_B}}}', [A]),
        (f'[{{"polygon": {TEXT_A}, "label": "cat 3"}}, {{"polygon": {TEXT_B}}}]', [A, B]),
        ('[{"x": 1, "y": 2}, {"x": 3, "y": 4}, {"x": 5, "y": 7}]', [A]),
        ("(1, 2), (3, 4), (5, 7)", [A]),
        ("[1, 2], [3, 4], [5, 7]", [A]),
        ("[(1, 2), (3, 4), (5, 7),]", [A]),
        ("[['1', '2'], ['3', '4'], ['5', '7']]", [A]),
        ("［［１，２］，［３，４］，［５，７］］", [A]),
        ("[[1, 2], [3, 4], [5, 7], [1, 2]]", [A]),
        (f"Here are 2 regions (of 3): [{TEXT_A}]", [A]),
        (f'{{"reason": "not the box [1, 2, 3, 4]", "polygons": [{TEXT_A}]}}', [A]),
        (f"[{TEXT_A}, [[1, 1], [9, 1], [9", [A]),
        (f"[{TEXT_A}, [[1, 1], [1, 9]]]", [A]),
        ("[[-1.5, .5], [3, +4], [5e0, 7.]]", [((-1.5, 0.5), (3.0, 4.0), (5.0, 7.0))]),
        ("[]", []),
        ("[[]]", []),
        ('{"polygons": null}', []),
        ("There is no cat in the picture.", []),
    ],
)
def test_outlines_are_read(answer, outlines):
    assert read_polygons(answer) == (Polygons(tuple(outlines)), "ok")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("It is on the left.", "no_polygons"),
        ("[10, 20, 30, 40]", "no_polygons"),
        ("[1, 2, 3]", "no_polygons"),
        ("10,20 30,40 50,60", "no_polygons"),
        ("(1, 2) or (3, 4) or (5, 7)", "no_polygons"),
        ("No response", "no_polygons"),
        ('{"tags": []}', "no_polygons"),
        ("[[1, 2], [3, 4]]", "no_valid_polygons"),
        ("[[1, 1], [5, 1], [9, 1]]", "no_valid_polygons"),
        ("[[1, 2], [3, 4], [1e999, 7]]", "no_valid_polygons"),
        ("[[1, 2], [3, x], [5, 7]]", "unclear_number"),
        ("[[1, 2], [3, 50%], [5, 7]]", "unclear_number"),
        ("[[1, 2], [3, 4px], [5, 7]]", "unclear_number"),
        (f"[{TEXT_A}, [[1, 1], [9, ?], [9, 9]]]", "unclear_number"),
        ("[[1, 2], [3, 4], [5, 7], [5", "truncated"),
        ("[[1, 2], [3, 4], [5, 7]", "truncated"),
    ],
)
def test_what_is_no_outline_has_a_reason(answer, reason):
    assert read_polygons(answer) == (None, reason)


def test_points_beyond_the_limit_are_not_read():
    many = [[[i % 90, i // 90] for i in range(MAX_POINTS - 3)]] + [[[1, 1], [9, 1], [9, 9]]] * 2
    assert len(read_polygons(str(many))[0].outlines) == 2


@pytest.mark.parametrize(
    "text", ["[" * 50_000, "(" * 50_000 + ")" * 50_000, "[1," * 20_000, '{"x":1,' * 20_000]
)
def test_hostile_nesting_is_read_in_linear_time(text):
    assert read_polygons(text)[0] in (None, Polygons(()))


@pytest.mark.parametrize(
    ("outline", "written"),
    [
        (A, "[[[1, 2], [3, 4], [5, 7]]]"),
        (((1.4, 2.4), (1.2, 2.0), (9.0, 2.0), (9.0, 8.6)), "[[[1, 2], [9, 2], [9, 9]]]"),
        (box(0.1, 0.1, 0.2, 0.2), "[[[0, 0], [1, 0], [1, 1], [0, 1]]]"),  # rounding leaves no region
        (((25, 25), (25.4, 75), (25.4, 175), (25, 225)), "[[[25, 25], [26, 25], [26, 225], [25, 225]]]"),
    ],
)
def test_points_are_rounded_to_an_outline(outline, written):
    assert KIND.render(Polygons((outline,))) == written
    assert KIND.parse(written, (), True)[1] == "ok"


def test_masks_of_boxes_are_those_of_numpy():
    rng = np.random.default_rng(0)
    for _ in range(50):
        sides = rng.integers(1, 40, (2, 2, 4))
        gold, stated = (Polygons(tuple(box(*b) for b in boxes)) for boxes in sides)
        drawn = [[painted(*b) for b in boxes] for boxes in sides]
        expected = [[(a & b).sum() / (a | b).sum() for b in drawn[1]] for a in drawn[0]]
        assert iou_matrix(masks_of(gold, stated)) == pytest.approx(np.array(expected), abs=1e-12)
        true, told = (np.logical_or(*boxes) for boxes in drawn)
        assert areas_of(gold, stated) == ((true & told).sum(), (true | told).sum())


def painted(x, y, w, h):
    mask = np.zeros((100, 100), dtype=bool)
    mask[y : y + h, x : x + w] = True
    return mask


def test_outlines_far_beyond_what_pycocotools_counts_are_compared():
    huge = Polygons((((-1e300, -1e300), (1e300, -1e300), (1e300, 1e300), (-1e300, 1e300)),))
    small = Polygons((((10.0, 10.0), (60.0, 10.0), (60.0, 60.0)),))
    assert union_iou(huge, huge) == 1.0 and 0 < union_iou(small, huge) == union_iou(huge, small) < 1e-5


def test_a_hole_is_where_an_outline_goes_in_and_back():
    ring = (*box(0, 0, 30, 30), (0.0, 0.0), *box(10, 10, 10, 10)[::-1], (10.0, 20.0), (0.0, 0.0))
    assert areas_of(Polygons((ring,)), None).union == 800


@given(st.lists(st.tuples(*[st.floats(-50, 150)] * 2), min_size=3, max_size=7))
def test_a_clipped_outline_covers_what_it_covers_inside(outline):
    inside = clipped(tuple(outline), (0.0, 0.0), (100.0, 80.0))
    window = Polygons((box(0, 0, 100, 80),))
    whole = areas_of(Polygons((tuple(outline),)), window).intersection
    kept = areas_of(Polygons((inside,)), window).intersection
    assert kept == pytest.approx(whole, abs=0.1 * 4 * 180)  # pixels at the border are rounded elsewhere
    assert all(0 <= x <= 100 and 0 <= y <= 80 for x, y in inside)


def test_numbers_that_overflow_are_no_outline():
    gold = Gold("a", Polygons((((0.0, 0.0), (9.0, 0.0), (9.0, 9.0)),)), 2_000, 1_000, "cat")
    text = "<answer>[[[1.79e308,5],[10,10],[20,100]]]</answer>"
    assert score_response(gold, text).reading.reason == "no_valid_polygons"


def test_an_answer_ends_where_the_image_does():
    gold = Gold("a", Polygons((box(0, 0, 100, 50),)), 100, 50)
    inside = score_response(
        gold, "<think>All of it.</think><answer>[[[0,0],[1000,0],[1000,1000],[0,1000]]]</answer>"
    )
    beyond = score_response(
        gold, "<think>All of it.</think><answer>[[[-9e9,-9e9],[9e9,-9e9],[9e9,9e9],[-9e9,9e9]]]</answer>"
    )
    elsewhere = score_response(gold, "<answer>[[[2000,0],[3000,0],[3000,900]]]</answer>")
    assert inside.similarity == beyond.similarity == 1.0
    assert (
        elsewhere.similarity == 0.0 and len(elsewhere.stated.outlines) == 1
    )  # stated, though nothing is seen


def test_outlines_are_matched_one_to_one_by_the_greatest_sum():
    gold = Polygons((box(0, 0, 10, 10), box(0, 10, 10, 10)))
    stated = Polygons((box(0, 5, 10, 10), box(0, 0, 10, 8), box(50, 50, 5, 5)))
    assert match_outlines(gold, stated) == [(0, 1, 0.8), (1, 0, pytest.approx(1 / 3))]
    total = 0.8 + 1 / 3
    assert KIND.similarity(gold, stated) == pytest.approx(total / 2)
    assert KIND.similarity(gold, stated, "upstream") == pytest.approx(total / 3)
    assert KIND.similarity(gold, stated, "f1") == pytest.approx(2 * total / 5)


def test_nothing_to_find_and_nothing_stated():
    empty, full = Polygons(()), Polygons((A,))
    assert KIND.similarity(empty, empty) == union_iou(empty, empty) == 1.0
    for pair in ((empty, full), (full, empty)):
        assert KIND.similarity(*pair) == union_iou(*pair) == 0.0
    assert math.isnan(CumulativeIou.of([Gold("a", empty, 9, 9)], [empty]).value())


def lisa_scores(truth, told):
    """GIoU and cIoU as LISA's `validate` computes them from masks of 0 and 1, written from its rules."""
    intersections, unions, ious = [], [], []
    for target, output in zip(truth, told, strict=True):
        intersection, union = (target & output).sum(), (target | output).sum()
        ious.append(1.0 if union == 0 else intersection / (union + 1e-5))
        intersections.append(intersection)
        unions.append(union)
    return np.mean(ious), sum(intersections) / (sum(unions) + 1e-10)


def test_giou_and_ciou_are_those_of_lisa():
    rng = np.random.default_rng(1)
    sides = rng.integers(1, 40, (60, 2, 2, 4))
    golds = [
        Gold(f"{i:02}", Polygons(tuple(box(*b) for b in pair[0])), 100, 100) for i, pair in enumerate(sides)
    ]
    stated = [Polygons(tuple(box(*b) for b in pair[1])) for pair in sides]
    masks = [[np.logical_or(*(painted(*b) for b in boxes)) for boxes in pair] for pair in sides]
    giou, ciou = lisa_scores([a for a, _ in masks], [b for _, b in masks])
    of = {metric.name: metric for metric in KIND.metrics}
    values = [of["giou"].score(gold.annotation, answer) for gold, answer in zip(golds, stated, strict=True)]
    pool = of["ciou"].pool(golds, stated)
    assert np.mean(values) == pytest.approx(giou, abs=1e-5)
    assert pool.value() == pytest.approx(ciou, abs=1e-9) and abs(giou - ciou) > 1e-3
    picks = draw(60, 20, seed=3)
    again = [of["ciou"].pool([golds[i] for i in row], [stated[i] for i in row]).value() for row in picks]
    assert pool.resample(picks) == pytest.approx(again)


def test_what_the_truth_ignores_counts_neither_way():
    """LISA's `intersectionAndUnion` leaves pixels of the label 255 out of both masks."""
    rng = np.random.default_rng(2)
    for _ in range(40):
        gold, stated, *ignored = rng.integers(1, 40, (4, 4))
        nothing = np.logical_or(*(painted(*of) for of in ignored))
        true, told = (painted(*of) & ~nothing for of in (gold, stated))
        truth = Polygons((box(*gold),), tuple(box(*of) for of in ignored))
        assert areas_of(truth, Polygons((box(*stated),))) == ((true & told).sum(), (true | told).sum())
    truth = Polygons((box(0, 0, 10, 10),), (box(20, 0, 10, 10),))
    stated = Polygons((box(0, 0, 30, 10),))
    assert union_iou(truth, stated) == KIND.similarity(truth, stated) == 0.5
    assert union_iou(Polygons(truth.outlines), stated) == pytest.approx(1 / 3)


def test_what_is_ignored_is_kept():
    annotation = Polygons((A,), (B,))
    gold = Gold("a", annotation, 100, 100)
    assert KIND.from_columns(KIND.to_columns(gold, ()), ()) == annotation
    assert KIND.from_json(json.loads(json.dumps(KIND.to_json(annotation))), ()) == annotation
    assert KIND.tidied(annotation, Frame(100, 100)).ignored == (B,)
    twice = KIND.rescale(annotation, Frame(100, 100), Frame(200, 200)).ignored[0]
    assert twice == tuple((2 * x, 2 * y) for x, y in B)
    assert KIND.render(annotation) == f"[{TEXT_A}]" and score_response(gold, "").similarity == 0
    wrong = Gold("a", Polygons((A,), (box(90, 90, 20, 5),)), 100, 100)
    assert KIND.problem(wrong, ()).startswith("ignored outline 1 leaves the image")


def random_samples(seed, count=60):
    """Triangles of three categories, moved, some missed, some added, with confidences in few steps."""
    rng = np.random.default_rng(seed)
    golds, stated, confidences = [], [], []
    for i in range(count):
        corner = rng.uniform(0, 250, (rng.integers(0, 4), 1, 2))
        true = corner + rng.uniform(10, 90, (len(corner), 3, 2))
        told = [
            *(true + rng.normal(0, 6, (len(true), 1, 2))),
            *rng.uniform(0, 300, (rng.integers(0, 3), 3, 2)),
        ]
        outlines = [tuple(tuple(map(float, point)) for point in of) for of in (*true, *told)]
        golds.append(Gold(f"{i:03}", Polygons(tuple(outlines[: len(true)])), 400, 400, f"c{i % 3}"))
        stated.append(None if rng.random() < 0.1 else Polygons(tuple(outlines[len(true) :])))
        confidences.append(tuple(map(float, rng.integers(1, 9, len(told)) / 8)) if stated[-1] else ())
    return golds, stated, confidences


def cocoeval_mask_ap50(golds, stated, confidences):
    categories = sorted({gold.category for gold in golds})
    truth = {
        "images": [{"id": i, "width": 400, "height": 400} for i in range(len(golds))],
        "categories": [{"id": i} for i in range(len(categories))],
        "annotations": [],
    }
    told = []
    for i, gold in enumerate(golds):
        for of, out, scores in (
            (gold.annotation, truth["annotations"], None),
            (stated[i], told, confidences[i]),
        ):
            for number, outline in enumerate(of.outlines if of else ()):
                segmentation = [[side for point in outline for side in point]]
                common = {"image_id": i, "category_id": categories.index(gold.category), "iscrowd": 0}
                score = {} if scores is None else {"score": scores[number]}
                out.append({"id": len(out) + 1, "segmentation": segmentation, "area": 99.0} | common | score)
    with contextlib.redirect_stdout(io.StringIO()):
        coco, results = COCO(), COCO()
        coco.dataset, results.dataset = truth, truth | {"annotations": told}
        coco.createIndex()
        results.createIndex()
        evaluation = COCOeval(coco, results, "segm")
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][0, :, :, 0, 2]
    return float(precision[precision > -1].mean())


@pytest.mark.parametrize("seed", range(3))
def test_mask_ap_is_cocoevals(seed):
    golds, stated, confidences = random_samples(seed)
    alike = [(1.0,) * len(of) for of in confidences]
    pool = KIND.metrics[2].pool(golds, stated)
    assert pool.value() == pytest.approx(cocoeval_mask_ap50(golds, stated, alike), abs=1e-12)
    score = KIND.ranked_scores(golds, stated, confidences)["ap50"]
    assert score.unranked == pool.value() != score.ranked
    assert score.ranked == pytest.approx(cocoeval_mask_ap50(golds, stated, confidences), abs=1e-12)


@pytest.mark.parametrize(
    ("outline", "problem"),
    [
        (A[:2], "has 2 points"),
        (((0.0, math.nan), *A), "not finite"),
        (box(90, 90, 20, 5), "leaves the image of 100 x 100 px by 10 px"),
        (box(10.1, 10.1, 0.1, 0.1), "covers no pixel"),
        (box(100, 10, 0.5, 9), "covers no pixel"),
        (((1.0, 1.0), (9.0, 9.0), (5.0, 5.0)), "covers no pixel"),
    ],
)
def test_ground_truth_that_cannot_be_scored_against(outline, problem):
    gold = Gold("a", Polygons((box(5, 5, 9, 9), outline)), 100, 100)
    assert KIND.problem(gold, ()).startswith("outline 2 ") and problem in KIND.problem(gold, ())
    for many in ((A,) * 101, (A * (MAX_POINTS // 3 + 1),)):
        assert (
            "no more than" in (text := KIND.problem(Gold("a", Polygons(many), 100, 100), ()))
            or "AP looks" in text
        )


def test_tidied_outlines_lie_in_the_image_and_come_once():
    stated = Polygons((box(-10, -10, 30, 30), box(-20, -20, 40, 40), box(500, 0, 9, 9), box(3, 3, 0.1, 0.1)))
    tidied = KIND.tidied(stated, Frame(100, 100))
    assert len(tidied.outlines) == 1 and areas_of(tidied, Polygons((box(0, 0, 20, 20),))) == (400, 400)
    assert KIND.tidied(Polygons((box(500, 0, 9, 9),)), Frame(100, 100)) is None
    assert KIND.tidied(Polygons(()), Frame(100, 100)) == Polygons(())


def test_leaks_are_those_of_boxes():
    some, none = KIND.secrets(Polygons((A,)), "cat"), KIND.secrets(Polygons(()), "cat")
    assert [leak.text for leak in find_leaks("The cat's edge runs to 40, 60.", **some._asdict())] == [
        "cat",
        "40",
        "60",
    ]
    assert [leak.text for leak in find_leaks("No cat, so [ ].", **none._asdict())] == ["[ ]"]


def test_baselines_are_outlines_of_boxes():
    golds = [Gold("a", Polygons((A, B)), 20, 10), Gold("b", Polygons(()), 20, 10)]
    answers = {name: predict(golds[0]) for name, predict in KIND.baselines(golds).items()}
    assert answers["whole_image"] == Polygons((box(0, 0, 20, 10),)) and answers["no_box"] == Polygons(())
    (mean,) = answers["mean_box"].outlines
    assert mean[0] == pytest.approx((1.0, 1.5)) and mean[2] == pytest.approx((7.0, 8.0))
