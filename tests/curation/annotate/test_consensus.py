"""Medoid and confidence, by hand; readings of responses to pictures without ground truth."""

import pytest

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.kinds import KINDS
from rise_bench.catalog.benchmarks import BENCHMARKS
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.curation.annotate.consensus import NOTHING_VALID, Sample, consensus, read_sample

BOXES, LEFT, RIGHT = KINDS["boxes"], (0.0, 0.0, 10.0, 10.0), (80.0, 0.0, 10.0, 10.0)
NEAR_LEFT = (0.0, 0.0, 10.0, 8.0)  # IoU 0.8 with LEFT


def sample(*boxes):
    return Sample(Boxes(boxes), f"{len(boxes)} seen", "ok")


UNREAD = Sample(None, "", "no_boxes")


def test_boxes_are_those_that_the_others_agree_with_most():
    answer = consensus(BOXES, [sample(RIGHT), sample(NEAR_LEFT), sample(LEFT), sample(LEFT, RIGHT)])
    assert (answer.annotation, answer.reason) == (Boxes((LEFT, RIGHT)), "2 seen")
    assert answer.confidence == pytest.approx((2 / 3 + 2 * 0.8 / 3 + 2 / 3) / 3)
    assert answer.parts == (3 / 4, 2 / 4)


def test_a_missing_box_costs_as_much_as_an_extra_one():
    one_less = consensus(BOXES, [sample(LEFT), sample(LEFT, RIGHT)])
    one_more = consensus(BOXES, [sample(LEFT, RIGHT), sample(LEFT)])
    assert one_less.confidence == one_more.confidence == pytest.approx(2 / 3)
    assert (one_less.parts, one_more.parts) == ((1.0,), (1.0, 0.5))


def test_what_cannot_be_read_agrees_with_nothing():
    answer = consensus(BOXES, [UNREAD, sample(LEFT), UNREAD])
    assert (answer.annotation, answer.confidence, answer.readable) == (Boxes((LEFT,)), 0.0, 1)
    assert answer.parts == (1 / 3,)
    nothing = consensus(BOXES, [UNREAD, Sample(None, "", "empty"), UNREAD], "cat")
    assert (nothing.annotation, nothing.reading, nothing.confidence) == (None, "no_boxes", None)


def test_one_sample_has_confidence_one_and_none_at_all_is_an_annotation():
    assert consensus(BOXES, [sample(LEFT)]).confidence == 1.0
    empty = consensus(BOXES, [sample(), sample()])
    assert (empty.annotation, empty.confidence, empty.parts) == (Boxes(()), 1.0, ())


def test_agreement_of_distributions_is_the_similarity_in_both_directions():
    kind, classes = KINDS["distribution"], ("calm", "tense")
    first, second = (Distribution(classes, probs) for probs in ((0.9, 0.1), (0.6, 0.4)))
    answer = consensus(kind, [Sample(first, "", "ok"), Sample(second, "", "ok")])
    both = kind.similarity(first, second), kind.similarity(second, first)
    assert both[0] != both[1] and answer.confidence == pytest.approx(sum(both) / 2)
    assert answer.annotation == first and answer.parts == ()


@pytest.mark.parametrize(
    ("answer", "boxes", "reading"),
    [
        ("[[100, 200, 500, 1000]]", ((10.0, 10.0, 50.0, 40.0),), "ok"),  # clipped at the lower edge
        ("[[0, 0, 100, 100], [0, 0, 100, 100]]", ((0.0, 0.0, 10.0, 5.0),), "ok"),
        ("[]", (), "ok"),
        ("[[2000, 0, 100, 100]]", None, NOTHING_VALID),
        ("no idea", None, "no_boxes"),
    ],
)
def test_boxes_are_read_in_the_unit_and_clipped(answer, boxes, reading):
    asked = Gold("a", Boxes(()), 100, 50, "cat")
    read = read_sample(BENCHMARKS["coco_sub"], asked, f"<think>So.</think><answer>{answer}", AnswerFormat())
    assert (read.annotation and read.annotation.xywh, read.reading) == (boxes, reading) or boxes == ()
    assert (read.annotation is None) == (boxes is None) and read.reason == "So."


def test_probabilities_sum_to_one():
    spec = BenchmarkSpec("moods_here", "distribution", "jsd", "How?", ("calm", "tense"))
    asked = Gold("a", Distribution(spec.classes, (1.0, 0.0)), 9, 9)
    read = read_sample(spec, asked, "<answer>{'calm': 30, 'tense': 10}</answer>", AnswerFormat())
    assert read.annotation == Distribution(spec.classes, (0.75, 0.25))
    assert read_sample(spec, asked, '{"calm": 0.0}', AnswerFormat()).reading == NOTHING_VALID
