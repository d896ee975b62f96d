"""The one scoring: gold scores 1, an empty answer scores 0, an incomplete run has no score."""

import pytest

from rise_bench.annotations.base import Gold
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.metrics import LN2
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.kinds import fit_baselines, render_gold
from rise_bench.catalog.benchmarks import BENCHMARKS
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.errors import DataError
from rise_bench.prompts.templates import think_answer_text
from rise_bench.scoring.scores import Reference, aggregate, score_annotation, score_response

CLASSES = BENCHMARKS["emotion6"].classes


def moods(count=12):
    shares = [tuple(float(i % 7 == j) * 0.6 + 0.4 / 7 for j in range(7)) for i in range(count)]
    return [Gold(f"{i:03}", Distribution(CLASSES, p), 100, 80) for i, p in enumerate(shares)]


def places(count=12):
    return [
        Gold(f"{i:03}", Boxes(((10.0 + i, 20, 30, 40), (60, 5, 20, 20))), 100, 80, category=f"c{i % 3}")
        for i in range(count)
    ]


@pytest.mark.parametrize(
    ("name", "golds"),
    [("emotion6", moods()), ("imagenet_sub", None), ("coco_sub", places()), ("lisa", places())],
)
def test_every_benchmark_validates_itself(name, golds):
    spec = BENCHMARKS[name]
    if golds is None:
        one_hot = lambda i: tuple(float(i == j) for j in range(20))  # noqa: E731
        golds = [Gold(f"{i:03}", Distribution(spec.classes, one_hot(i)), 100, 80) for i in range(20)]
    right = aggregate(
        spec, golds, [score_response(g, think_answer_text("so", render_gold(g, digits=9))) for g in golds]
    )
    empty = aggregate(spec, golds, [score_response(g, "") for g in golds])
    best, worst = {"jsd": (0.0, LN2), "accuracy": (1.0, 0.0), "ap50": (1.0, 0.0)}[spec.metric]
    assert right.metrics[spec.metric].value == pytest.approx(best, abs=1e-9)
    assert empty.metrics[spec.metric].value == pytest.approx(worst, abs=1e-9)
    assert right.metrics["parse_rate"].value == right.metrics["format_rate"].value == 1.0
    assert empty.metrics["parse_rate"].value == 0.0
    assert empty.reasons == {"empty": len(golds)}


def test_order_of_samples_does_not_matter():
    """Two processes return their samples interleaved; the score may not depend on that."""
    golds = places(30)
    stated = [
        Boxes(tuple(b for j, b in enumerate(g.annotation.xywh) if (i + j) % 3)) for i, g in enumerate(golds)
    ]
    scores = [score_annotation(g, s) for g, s in zip(golds, stated, strict=True)]
    forward = aggregate(BENCHMARKS["coco_sub"], golds, scores, resamples=50)
    assert aggregate(BENCHMARKS["coco_sub"], golds[::-1], scores[5:] + scores[:5], resamples=50) == forward


def test_win_rate_against_a_reference_names_it_and_counts_ties():
    golds = moods()
    predictor = fit_baselines(golds)["uniform"]
    scores = [score_annotation(g, predictor(g)) for g in golds]
    jsds = {s.id: (s.values["jsd"] if i % 2 else 2.0) for i, s in enumerate(scores)}
    report = aggregate(
        BENCHMARKS["emotion6"], golds, scores, reference=Reference("uniform", jsds), resamples=10
    )
    assert report.reference == "uniform"
    assert (report.metrics["win_rate"].value, report.metrics["tie_rate"].value) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["000", "001"], "1 missing"),
        (["000", "001", "002", "002"], "1 scored twice"),
        (["000", "001", "zzz"], "1 unknown"),
    ],
)
def test_an_incomplete_run_has_no_score(ids, message):
    golds = moods(3)
    by_id = {g.id: score_response(g, "") for g in golds}
    scores = [by_id.get(i) or score_response(Gold(i, golds[0].annotation, 1, 1), "") for i in ids]
    with pytest.raises(DataError, match=message):
        aggregate(BENCHMARKS["emotion6"], golds, scores)


def test_a_reference_for_other_samples_is_refused():
    golds = moods(3)
    scores = [score_response(g, "") for g in golds]
    with pytest.raises(DataError, match="has no JSD for 3 samples"):
        aggregate(BENCHMARKS["emotion6"], golds, scores, reference=Reference("other", {}))


def test_floors_by_hand():
    golds = [
        Gold(str(i), Distribution(("a", "b"), p), 10, 10)
        for i, p in enumerate([(1.0, 0.0), (1.0, 0.0), (0.0, 1.0)])
    ]
    floors = {name: predict(golds[0]).probs for name, predict in fit_baselines(golds).items()}
    assert floors["uniform"] == (0.5, 0.5)
    assert floors["majority_class"] == (1.0, 0.0)
    assert floors["train_mean"] == pytest.approx((2 / 3, 1 / 3))


def test_box_floors_scale_with_the_image():
    golds = [
        Gold("0", Boxes(((0, 0, 50, 50), (50, 50, 50, 50))), 100, 100),
        Gold("1", Boxes(((0, 0, 1, 1),)), 10, 20),
    ]
    floors = fit_baselines(golds[:1])
    assert floors["whole_image"](golds[1]).xywh == ((0, 0, 10, 20),)
    assert floors["mean_box"](golds[1]).xywh[0] == pytest.approx((2.5, 5.0, 5.0, 10.0))


def test_floors_need_samples():
    with pytest.raises(DataError, match="need samples, and the dataset has none"):
        fit_baselines([])


@pytest.mark.parametrize("spec", BENCHMARKS.values(), ids=BENCHMARKS)
def test_specs_survive_their_manifest(spec):
    import json

    assert BenchmarkSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@pytest.mark.parametrize(
    "change", [{"extra": 1}, {"kind": "polygon"}, {"metric": "ap50"}, {"classes": ["one"]}]
)
def test_a_spec_that_does_not_fit_is_refused(change):
    with pytest.raises(DataError):
        BenchmarkSpec.from_json({**BENCHMARKS["emotion6"].to_json(), **change})
