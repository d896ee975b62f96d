"""Planted errors, and what cleanlab says of labels: each kind of error is seen, whatever the kind."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rise_bench.annotations.base import Gold
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.kinds import KINDS
from rise_bench.annotations.polygons.values import Polygons, corners

from ..support.toy_kind import Word, WordKind

CLASSES = ("calm", "tense", "merry")
SOFT = Distribution(CLASSES, (0.7, 0.2, 0.1))
HARD = Distribution(CLASSES, (0.0, 1.0, 0.0))
TWO = Boxes(((10.0, 10.0, 40.0, 30.0), (120.0, 80.0, 40.0, 40.0)))

REGIONS = Polygons(
    (((10.0, 10.0), (50.0, 10.0), (10.0, 40.0)), ((120.0, 80.0), (160.0, 100.0), (140.0, 120.0)))
)


def gold(annotation):
    return Gold("a", annotation, 200, 150)


@pytest.mark.parametrize(
    ("annotation", "names"),
    [
        (SOFT, {"swapped", "shifted"}),
        (HARD, {"swapped"}),
        (TWO, {"dropped", "shifted", "added", "swapped"}),
        (Boxes(TWO.xywh[:1]), {"shifted", "added", "swapped"}),
        (Boxes(()), {"added"}),
        (REGIONS, {"dropped", "shifted", "added", "swapped", "boxed"}),
        (Polygons(REGIONS.outlines[:1]), {"shifted", "added", "swapped", "boxed"}),
        (Polygons(tuple(map(corners, TWO.xywh))), {"dropped", "shifted", "added", "swapped"}),
        (Polygons(()), {"added"}),
    ],
)
@settings(max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_planted_errors_are_seen_by_the_similarity_of_audits(annotation, names, seed):
    kind = KINDS[annotation.kind]
    errors = kind.planted_errors(gold(annotation), gold(annotation), Random(seed))
    assert errors.keys() == names
    for name, wrong in errors.items():
        assert kind.similarity(annotation, wrong, kind.audit_variant) < 0.9, name
        assert kind.problem(gold(wrong), CLASSES) == ""


def test_shifted_shares_of_votes_stay_shares_of_votes():
    votes = Distribution(CLASSES, (0.45, 0.35, 0.2))
    shifted = KINDS["distribution"].planted_errors(gold(votes), gold(votes), Random(1))["shifted"].probs
    assert shifted[0] == pytest.approx(0.25) and sum(shifted) == pytest.approx(1)
    assert sorted(round(after - before, 6) for before, after in zip(votes.probs, shifted, strict=True)) == [
        -0.2,
        0.0,
        0.2,
    ]


def test_the_similarity_of_the_paper_does_not_see_a_dropped_box():
    dropped = Boxes(TWO.xywh[:1])
    assert KINDS["boxes"].similarity(dropped, TWO) == 1.0
    assert KINDS["boxes"].similarity(dropped, TWO, "f1") == pytest.approx(2 / 3)


def test_a_kind_without_errors_of_its_own_swaps_labels(monkeypatch):
    assert WordKind().planted_errors(gold(Word("heron")), gold(Word("crane")), Random(0)) == {
        "swapped": Word("crane")
    }
    assert WordKind().label_quality([Word("heron")], [[Word("crane")]]) is None


@pytest.mark.parametrize(
    ("right", "wrong", "answers"),
    [
        (SOFT, HARD, [SOFT, SOFT]),
        (TWO, Boxes(TWO.xywh[:1]), [TWO, TWO]),
        (REGIONS, Polygons(REGIONS.outlines[:1]), [REGIONS, REGIONS]),
    ],
)
def test_cleanlab_prefers_the_right_label(right, wrong, answers):
    pytest.importorskip("cleanlab")
    scores = KINDS[right.kind].label_quality([right, wrong], [answers, answers])
    assert 1 >= scores[0] > scores[1] >= 0


def test_cleanlab_gets_by_without_answers():
    pytest.importorskip("cleanlab")
    assert KINDS["distribution"].label_quality([SOFT], [[]]) == [pytest.approx(1 / 3)]
    assert KINDS["boxes"].label_quality([TWO, TWO], [[], [TWO]])[1] == 1.0
