"""The figures of an audit against definitions that are slow and plain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rise_bench.curation.audit.measure import FIGURES, TOP, figures_of, measure
from rise_bench.scoring.groundedness import auroc


def plain(scores, wrong, rounds=1500):
    """AUROC and AP by definition; precision as the mean over random orders of equal scores."""
    rng = np.random.default_rng(0)
    tops = [max(1, round(share * len(scores))) for share in TOP]
    precisions = np.zeros(len(tops))
    for _ in range(rounds):
        order = np.lexsort((rng.random(len(scores)), -scores))
        precisions += [wrong[order][:top].mean() for top in tops]
    thresholds = [scores >= value for value in sorted(set(scores), reverse=True)]
    recalls = [0.0, *(wrong[kept].sum() / wrong.sum() for kept in thresholds)]
    average = sum(
        (after - before) * wrong[kept].mean()
        for before, after, kept in zip(recalls, recalls[1:], thresholds, strict=False)
    )
    return auroc(scores[wrong].tolist(), scores[~wrong].tolist()), average, *(precisions / rounds)


@settings(max_examples=8)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=4, max_size=40))
def test_figures_are_those_of_the_definitions(pairs):
    scores, wrong = (np.array(column) for column in zip((0, True), (9, False), *pairs, strict=True))
    assert figures_of(scores.astype(float), wrong) == pytest.approx(plain(scores, wrong), abs=0.06)


def test_a_score_that_knows_nothing_has_the_figures_of_chance():
    errors = ["swapped"] * 10 + [""] * 90
    measured = measure([0.0] * 100, errors)
    assert [of.value for of in measured.figures.values()] == pytest.approx([0.5, 0.1, 0.1, 0.1, 0.1])
    assert measured.figures["auroc"].low == measured.figures["auroc"].high == 0.5
    assert measured.figures["average_precision"].low < 0.1 < measured.figures["average_precision"].high


def test_rows_without_the_score_are_left_out():
    measured = measure([2.0, None, 1.0, 0.0], ["dropped", "added", "", ""], resamples=50)
    assert (measured.rows, measured.wrong) == (3, 1)
    assert measured.figures.keys() == FIGURES.keys() and measured.figures["auroc"].value == 1.0
    assert measured.by_error == {"dropped": 1.0}
    assert measure([1.0, None], ["", "added"]) is None
