"""Similarity: eqs. 2-6, their variants, and the property that makes `paper` the default."""

import itertools
import math
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rise_bench.annotations.base import SimilarityVariant
from rise_bench.annotations.boxes.similarity import iou_matrix, match_boxes, precision_iou
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.kinds import similarity

CLASSES = ("a", "b", "c")


def dist(*numbers):
    return Distribution(CLASSES[: len(numbers)], numbers)


def normalised(numbers):
    total = math.fsum(numbers)
    return tuple(n / total for n in numbers)


golds = st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda ps: sum(ps) > 0.01).map(normalised)
anything = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3).map(tuple)
plausible = st.lists(st.floats(0, 2), min_size=3, max_size=3).map(tuple)
box = st.tuples(*[st.floats(0, 100)] * 2, *[st.floats(0.5, 100)] * 2)
box_lists = st.lists(box, max_size=5).map(lambda boxes: Boxes(tuple(boxes)))


def test_paper_by_hand():
    """A = (1/2, 1/2, 0), stated (0.8, 0.2, 0): MSE = 2 x 0.09 / 3, the sum factor is 1."""
    kld = 0.5 * math.log(0.5 / 0.8) + 0.5 * math.log(0.5 / 0.2)
    assert similarity(dist(0.5, 0.5, 0.0), dist(0.8, 0.2, 0.0)) == pytest.approx(
        math.exp(-kld - 0.06), abs=1e-8
    )


def test_sum_factor_of_eq_2():
    """Stating a tenth of the truth everywhere leaves the KLD at 0; the sum costs exp(-|log10 0.1|) = 1/e."""
    mse = 2 * 0.45**2 / 3
    stated = dist(0.05, 0.05, 0.0)
    assert similarity(dist(0.5, 0.5, 0.0), stated) == pytest.approx(math.exp(-mse - 1), abs=1e-8)


def test_literal_pays_for_overstating_and_paper_does_not():
    """The reason for the default (docs/decisions/similarity.md): as printed, eq. 2 is not bounded by 1."""
    seven = tuple(f"e{i}" for i in range(7))
    gold = Distribution(seven, (1 / 7,) * 7)
    twice = Distribution(seven, (2 / 7,) * 7)
    ones = Distribution(seven, (1.0,) * 7)
    assert similarity(gold, twice, "literal") == pytest.approx(1.45, abs=0.01)
    assert similarity(gold, ones, "literal") > 1
    assert similarity(gold, twice) < 0.75
    assert similarity(gold, ones) < 0.35


def test_upstream_is_what_the_authors_code_computes():
    kld = math.log(1 / 0.8)
    stated = dist(0.8, 0.2, 0.0)
    mse = (0.04 + 0.04) / 3
    assert similarity(dist(1.0, 0.0, 0.0), stated, "upstream") == pytest.approx(
        math.exp(-(kld + mse) / 2), abs=1e-6
    )
    gold, two = Boxes(((0, 0, 10, 10),)), Boxes(((0, 0, 10, 10), (50, 50, 5, 5)))
    assert similarity(gold, two, "upstream") == 0.5


def test_jsd_charges_a_stated_zero_for_the_mass_that_it_misses():
    """Truth (0.1, 0.9, 0), stated (0, 1, 0): half of 0.1 log 2 + 0.9 log(0.9 / 0.95) + log(1 / 0.95)."""
    gold, stated = dist(0.1, 0.9, 0.0), dist(0.0, 1.0, 0.0)
    divergence = (0.1 * math.log(2) + 0.9 * math.log(0.9 / 0.95) + math.log(1 / 0.95)) / 2
    assert similarity(gold, stated, "jsd") == pytest.approx(math.exp(-divergence - 0.02 / 3))
    assert similarity(gold, stated) < 0.15 < 0.9 < similarity(gold, stated, "jsd")


def test_floor_charges_a_stated_zero_like_a_stated_hundredth():
    """Truth (0.1, 0.9, 0), stated (0, 1, 0): 0.1 log 10 + 0.9 log 0.9 and nothing for the third."""
    gold, stated = dist(0.1, 0.9, 0.0), dist(0.0, 1.0, 0.0)
    divergence = 0.1 * math.log(0.1 / 0.01) + 0.9 * math.log(0.9)
    assert similarity(gold, stated, "floor") == pytest.approx(math.exp(-divergence - 0.02 / 3))
    hundredth = dist(0.01, 0.99, 0.0)
    assert similarity(gold, hundredth, "floor") == pytest.approx(similarity(gold, stated, "floor"), abs=0.01)


bounded = st.sampled_from(["paper", "jsd", "floor"])


@example((0.2, 0.3, 0.5), (1e308, 1e308, 0.0), "paper")  # its sum is no float
@example((0.2, 0.3, 0.5), (1e308, 1e308, -1e308), "jsd")
@given(golds, plausible | anything, bounded)
def test_bounded_variants_are_in_0_1_and_finite_on_any_input(gold, stated, variant):
    assert 0.0 <= similarity(dist(*gold), dist(*stated), variant) <= 1.0


@given(golds, bounded)
def test_bounded_variants_are_1_at_the_truth(gold, variant):
    assert similarity(dist(*gold), dist(*gold), variant) == pytest.approx(1.0, abs=1e-12)


@given(golds, plausible, bounded)
def test_bounded_variants_are_below_1_away_from_the_truth(gold, stated, variant):
    if max(abs(g - s) for g, s in zip(gold, stated, strict=True)) > 1e-3:
        assert similarity(dist(*gold), dist(*stated), variant) < 1.0


@example((0.2, 0.3, 0.5), (1e308, 1e308, 0.0), "literal")
@example((0.2, 0.3, 0.5), (1e308, 1e308, 0.0), "upstream")
@given(golds, plausible | anything, st.sampled_from(["literal", "upstream"]))
def test_other_variants_are_finite_and_not_negative(gold, stated, variant):
    score = similarity(dist(*gold), dist(*stated), variant)
    assert math.isfinite(score)
    assert score >= 0


@pytest.mark.parametrize("stated", [(0.0, 0.0, 0.0), (-1.0, 0.5, 0.5), (-1.0, -1.0, -1.0)])
def test_no_mass_scores_nothing(stated):
    assert similarity(dist(0.2, 0.3, 0.5), dist(*stated)) == 0.0


def test_iou_by_hand():
    assert iou_matrix(((0, 0, 2, 2),), ((1, 1, 2, 2), (0, 0, 2, 2), (5, 5, 1, 1)))[0].tolist() == [
        1 / 7,
        1.0,
        0.0,
    ]


@given(box_lists.filter(lambda boxes: boxes.xywh), box_lists.filter(lambda boxes: boxes.xywh))
def test_few_and_many_pairs_have_the_same_iou_to_the_bit(gold, stated):
    many = iou_matrix(gold.xywh, stated.xywh * 13)
    assert many[:, : len(stated.xywh)].tolist() == iou_matrix(gold.xywh, stated.xywh).tolist()


@given(box_lists, box_lists)
def test_matching_is_the_best_of_all_assignments(gold, stated):
    """Against brute force: the Hungarian algorithm maximises the summed IoU."""
    if not gold.xywh or not stated.xywh:
        assert match_boxes(gold, stated) == []
        return
    iou = iou_matrix(gold.xywh, stated.xywh)
    short, long = (iou, stated.xywh) if len(gold.xywh) <= len(stated.xywh) else (iou.T, gold.xywh)
    best = max(
        sum(short[i, j] for i, j in enumerate(chosen))
        for chosen in itertools.permutations(range(len(long)), short.shape[0])
    )
    assert sum(pair[2] for pair in match_boxes(gold, stated)) == pytest.approx(best, abs=1e-9)


@given(box_lists.filter(lambda boxes: boxes.xywh), box_lists)
def test_eq_6_bounds_and_extra_boxes(gold, stated):
    score = similarity(gold, stated)
    assert 0.0 <= score <= 1.0 + 1e-12
    more = Boxes((*stated.xywh, (500.0, 500.0, 3.0, 3.0)))
    assert similarity(gold, more) == pytest.approx(score)  # extra boxes are free in eq. 6 ...
    assert precision_iou(gold, more) <= precision_iou(gold, stated) + 1e-12  # ... and cost here
    assert similarity(gold, more, "f1") <= similarity(gold, stated, "f1") + 1e-12


@given(box_lists.filter(lambda boxes: boxes.xywh))
def test_the_truth_in_any_order_scores_1(gold):
    shuffled = Boxes(gold.xywh[::-1])
    for variant in get_args(SimilarityVariant):
        assert similarity(gold, shuffled, variant) == pytest.approx(1.0)


@pytest.mark.parametrize("variant", get_args(SimilarityVariant))
def test_no_true_box(variant):
    assert similarity(Boxes(()), Boxes(()), variant) == 1.0
    assert similarity(Boxes(()), Boxes(((0, 0, 1, 1),)), variant) == 0.0
    assert similarity(Boxes(((0, 0, 1, 1),)), Boxes(()), variant) == 0.0


def test_huge_boxes_do_not_overflow():
    assert similarity(Boxes(((0, 0, 10, 10),)), Boxes(((0, 0, 1e308, 1e308),))) < 1e-100


def test_kinds_and_classes_must_agree():
    with pytest.raises(TypeError):
        similarity(dist(0.5, 0.5), Boxes(()))
    with pytest.raises(ValueError, match="different classes"):
        similarity(dist(0.5, 0.5), Distribution(("x", "y"), (0.5, 0.5)))
