"""What every kind of annotation must do, whatever it is."""

import json
import math
from dataclasses import replace

import pyarrow as pa
import pytest
from datasets import Features
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.kinds import KINDS
from rise_bench.annotations.polygons.masks import covers
from rise_bench.annotations.polygons.values import Polygons
from rise_bench.annotations.value.values import Value
from rise_bench.cot.rollout_log import Rollout
from rise_bench.data.ground_truth import empty_answer, right_answer
from rise_bench.rendering.render import render
from rise_bench.reports.rollout_cards import _card
from rise_bench.scoring.scores import score_annotation, score_response

from ..support.toy_kind import WordKind

CLASSES = ("joy", "<script>fear", "calm & quiet")
HOSTILE = (
    "<script>alert(1)</script>",
    "\x00",
    "{" * 99,
    "[[" * 99,
    "NaN",
    '{"joy": 1e999}',
    "[[1,2,3,4e999]]",
)

_side = st.floats(1, 100)
_point = st.tuples(_side, _side)
#: Ground truth of the kinds whose examples say too little of them.
ANNOTATIONS = {
    "distribution": st.lists(st.floats(0.001, 1), min_size=3, max_size=3).map(
        lambda shares: Distribution(CLASSES, tuple(share / math.fsum(shares) for share in shares))
    ),
    "boxes": st.lists(st.tuples(_side, _side, _side, _side), max_size=4, unique=True).map(
        lambda boxes: Boxes(tuple(boxes))
    ),
    "polygons": st.lists(st.lists(_point, min_size=3, max_size=6).map(tuple), max_size=3, unique=True)
    .map(lambda outlines: Polygons(tuple(outlines)))
    .filter(lambda polygons: all(map(covers, polygons.outlines))),
    "value": st.one_of(
        st.integers(0, 99).map(str), st.sampled_from("ABCD"), st.sampled_from(("left", "red cube", "12.5%"))
    ).map(Value),
}

pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
quick = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=[*KINDS, "word"])
def kind(request, monkeypatch):
    monkeypatch.setitem(KINDS, "word", WordKind())
    return KINDS[request.param]


def draw(data, kind):
    annotation = data.draw(ANNOTATIONS.get(kind.name, st.sampled_from(kind.examples(CLASSES))))
    return Gold("<b>id", annotation, 640, 480, "", "What is it?")


@quick
@given(data=st.data())
def test_ground_truth_is_read_back_and_scores_best(kind, data):
    gold = draw(data, kind)
    assert kind.problem(gold, CLASSES) == ""
    stated, reason = kind.parse(kind.render(gold.annotation, 6), CLASSES, closed=True)
    assert reason == "ok"
    assert kind.similarity(gold.annotation, stated) > 0.999
    right, empty = right_answer(gold), empty_answer(gold)
    assert right.similarity > 0.999 and right.reading.format_ok
    assert empty.similarity == 0 and empty.stated is None
    for metric in kind.metrics:
        other = replace(gold, id="other", annotation=kind.examples(CLASSES)[0])
        best, worst = metric_of(metric, [gold, other], True), metric_of(metric, [gold, other], False)
        assert (best, worst) == pytest.approx((metric.best, metric.worst), abs=1e-9)


def metric_of(metric, golds, right):
    """Value of right answers, or of unreadable ones."""
    stated = [gold.annotation if right else None for gold in golds]
    if metric.pool:
        return metric.pool(golds, stated).value()
    return metric.score(golds[0].annotation, stated[0])


@quick
@given(data=st.data())
def test_similarity_is_a_share(kind, data):
    gold, other = draw(data, kind), draw(data, kind)
    for variant in kind.variants:
        if variant != "literal":
            assert 0 <= kind.similarity(gold.annotation, other.annotation, variant) <= 1


@quick
@given(data=st.data())
def test_columns_and_json_keep_an_annotation(kind, data):
    gold = draw(data, kind)
    stored = replace(gold, annotation=kind.stored(gold.annotation))
    features = Features(kind.features(CLASSES, ()))
    assert tuple(features) == kind.columns
    (row,) = pa.Table.from_pylist([kind.to_columns(stored, ())], schema=features.arrow_schema).to_pylist()
    assert kind.from_columns(row, CLASSES) == stored.annotation
    assert kind.canonical(gold.annotation) == kind.canonical(stored.annotation)
    assert kind.from_json(json.loads(json.dumps(kind.to_json(gold.annotation))), CLASSES) == gold.annotation


@quick
@given(data=st.data())
def test_a_stated_annotation_is_tidied_into_a_ground_truth(kind, data):
    gold = draw(data, kind)
    for factor in (1.0, 0.5, 40.0):
        tidied = kind.tidied(scaled(gold.annotation, factor), gold.frame_px)
        assert tidied is None or kind.problem(replace(gold, annotation=tidied), CLASSES) == ""
    tidied = kind.tidied(gold.annotation, gold.frame_px)
    assert kind.similarity(gold.annotation, tidied, kind.audit_variant) > 0.999
    assert 0 <= kind.similarity(tidied, gold.annotation, kind.audit_variant) <= 1


def scaled(annotation, factor):
    """The same with all numbers larger or smaller, so that it is no ground truth."""
    if isinstance(annotation, Boxes):
        return Boxes(tuple(tuple(side * factor - 20 for side in box) for box in annotation.xywh))
    if isinstance(annotation, Polygons):
        outlines = annotation.outlines
        return Polygons(tuple(tuple((x * factor - 20, y * factor) for x, y in of) for of in outlines))
    if isinstance(annotation, Distribution):
        return Distribution(annotation.classes, tuple(p * factor for p in annotation.probs))
    return annotation


def test_baselines_are_finite(kind):
    golds = [Gold(str(i), annotation, 640, 480) for i, annotation in enumerate(kind.examples(CLASSES))]
    baselines = kind.baselines(golds)
    assert baselines.keys() >= {kind.prior, *kind.fitted, *kind.references}
    for predict in baselines.values():
        for gold in golds:
            score = score_annotation(gold, predict(gold))
            assert all(map(math.isfinite, (score.similarity, *score.values.values())))


@quick
@given(text=st.one_of(st.text(max_size=80), st.sampled_from(HOSTILE)))
def test_hostile_text_is_data(kind, text):
    gold = Gold("id", kind.examples(CLASSES)[0], 640, 480)
    for response in (text, f"<answer>{text}</answer>"):
        score = score_response(gold, response)
        assert 0 <= score.similarity <= 1
        assert all(map(math.isfinite, score.values.values()))


def test_drawing_escapes(kind):
    gold = Gold("<b>id", kind.examples(CLASSES)[0], 640, 480, "<b>category", "<b>question")
    for answer in (kind.render(gold.annotation), HOSTILE[0]):
        rollout = Rollout(gold.id, step=1, group=0, reward=0.5, response=f"<answer>{answer}</answer>")
        card = _card(rollout, gold, AnswerFormat(), ()) | {"title": gold.id, "picture": "data:,"}
        html = str(render("rollout_cards.html.j2", cards=[card]))
        assert "<b>" not in html and "<script>" not in html
    headings, rows = kind.compare(gold.annotation, gold.annotation)
    assert rows and all(len(row) == len(headings) for row in rows)


@pytest.mark.parametrize(("trainer", "unit"), [("visual_rft", "norm1000"), ("vlm_r1", "px")])
def test_an_answer_in_the_form_of_another_trainer_is_read_as_it_is_meant(kind, trainer, unit):
    answers = 0
    for forms in kind.trainer_forms.values():
        for annotation in kind.examples(CLASSES):
            gold = Gold("a", annotation, 1000, 1000)
            text = getattr(forms, trainer)(gold, CLASSES).answer
            stated = score_response(gold, text, AnswerFormat("answer_only", unit))
            expected = 0 if kind.name == "distribution" else 1  # a name alone has no probability
            assert stated.similarity == pytest.approx(expected), text
            answers += 1
    assert answers or kind.name not in {"distribution", "boxes", "value"}
