import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_bench.scoring.groundedness import (
    Grounded,
    auroc,
    pointwise_information,
    sentence_spans,
    soft_minimum,
    threshold_of,
    token_information,
)

LOGS = st.lists(st.floats(-20, 0), min_size=1, max_size=8)
VALUES = st.lists(st.floats(-30, 30), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("own", "others", "nats"),
    [
        ([-2.0], [[-4.0]], [2.0]),
        ([-2.0], [[-2.0], [-2.0]], [0.0]),  # as likely beside any picture
        ([-2.0], [[-1.0], [-1.0]], [-1.0]),  # fits others better
        ([math.log(0.8)], [[math.log(0.1)], [math.log(0.3)]], [math.log(4)]),  # the mean of p, not of log p
        ([-1.0, -9.0], [[-3.0, -9.0]], [2.0, 0.0]),
        ([-700.0], [[-900.0], [-1000.0]], [200 + math.log(2)]),  # far below what exp can hold
        ([], [[]], []),
    ],
)
def test_pointwise_information(own, others, nats):
    assert pointwise_information(own, others).tolist() == pytest.approx(nats)


@given(LOGS)
def test_the_same_picture_twice_says_nothing(logs):
    assert pointwise_information(logs, [logs, logs]).tolist() == pytest.approx([0] * len(logs), abs=1e-9)


@given(st.data(), st.integers(2, 5), st.integers(1, 4))
def test_what_the_judge_says_itself_has_evidence_against_it_of_1_in_the_mean(data, words, pictures):
    """The bound of the module: of any texts that it may say, whatever the other pictures are."""
    weights = st.lists(st.floats(0.05, 1), min_size=words, max_size=words)
    own, *others = (
        [weight / sum(row) for weight in row]
        for row in data.draw(st.lists(weights, min_size=pictures + 1, max_size=pictures + 1))
    )
    logs = [[math.log(p) for p in row] for row in (own, *others)]
    pmi = pointwise_information(logs[0], logs[1:]).tolist()
    assert math.fsum(p * math.exp(-value) for p, value in zip(own, pmi, strict=True)) == pytest.approx(1)


@pytest.mark.parametrize("others", [[], [[-1.0]], [[-1.0, -1.0, -2.0]]])
def test_texts_that_do_not_line_up_are_an_error(others):
    with pytest.raises(ValueError, match="image|texts"):
        pointwise_information([-1.0, -2.0], others)


@pytest.mark.parametrize(
    ("values", "soft"),
    [
        ([], 0.0),
        ([1.5], 1.5),
        ([0.0, 0.0, 0.0], 0.0),
        ([5.0, -700.0], -700 + math.log(2)),
        ([math.log(2), math.log(4)], math.log(8 / 3)),
    ],
)
def test_soft_minimum(values, soft):
    assert soft_minimum(values) == pytest.approx(soft)


@given(VALUES)
def test_the_soft_minimum_lies_between_minimum_and_mean(values):
    soft = soft_minimum(values)
    assert min(values) - 1e-9 <= soft <= sum(values) / len(values) + 1e-9
    assert soft <= min(values) + math.log(len(values)) + 1e-9


@given(VALUES, st.integers(2, 5))
def test_the_soft_minimum_is_neutral_to_length_and_order(values, times):
    assert soft_minimum(values * times) == pytest.approx(soft_minimum(values), abs=1e-9)
    assert soft_minimum(reversed(values)) == pytest.approx(soft_minimum(values), abs=1e-9)


@given(VALUES, st.floats(-5, 5), st.integers(0, 11))
def test_the_soft_minimum_moves_with_its_values_and_never_falls_as_one_rises(values, shift, place):
    soft, place = soft_minimum(values), place % len(values)
    assert soft_minimum(value + shift for value in values) == pytest.approx(soft + shift, abs=1e-9)
    raised = [value + 1 if i == place else value for i, value in enumerate(values)]
    assert soft_minimum(raised) >= soft


def test_a_text_is_held_by_all_its_sentences():
    text = Grounded(((0, 4, 3.0), (4, 9, -2.0)))
    assert (text.worst, text.score) == (-2.0, pytest.approx(-math.log((math.exp(-3) + math.exp(2)) / 2)))
    assert (Grounded().worst, Grounded().score) == (0.0, 0.0)


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=40), st.floats(0, 0.5))
def test_a_threshold_refuses_no_more_of_the_true_texts_than_asked(scores, refused):
    threshold = threshold_of(scores, refused)
    assert sum(score < threshold for score in scores) <= refused * (len(scores) - 1) + 1
    assert threshold_of(scores, 0) == min(scores)


def test_a_threshold_of_no_true_texts_is_an_error():
    with pytest.raises(ValueError, match="there are none"):
        threshold_of([])


@pytest.mark.parametrize("others", [[], [[-1.0]], [[-1.0, -1.0], [-1.0]]])
def test_tokens_that_do_not_line_up_are_an_error(others):
    with pytest.raises(ValueError, match="image"):
        token_information([-1.0, -2.0], others)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two!", ["One.", " Two!"]),
        ("no end mark", ["no end mark"]),
        ("Wait... what?\nA line", ["Wait...", " what?", "A line"]),
        ("", []),
        (" . ", []),
        ("One. ! ? !\n\n It.", ["One. ! ? !", " It."]),  # a code in signs between the sentences is judged too
    ],
)
def test_sentences(text, sentences):
    assert [text[a:b].strip("\n") for a, b in sentence_spans(text)] == sentences


@given(st.text(alphabet="ab. !?\n", max_size=40))
def test_sentences_never_overlap_and_hold_every_letter(text):
    spans = sentence_spans(text)
    assert all(a < b for a, b in spans)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert sum(text[a:b].count("a") for a, b in spans) == text.count("a")


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=8), st.lists(st.integers(0, 3), min_size=1, max_size=8)
)
def test_auroc_is_the_share_of_pairs_in_order(positives, negatives):
    pairs = [(p > n) + (p == n) / 2 for p in positives for n in negatives]
    assert auroc(positives, negatives) == pytest.approx(sum(pairs) / len(pairs))


def test_auroc_of_one_side_is_an_error():
    with pytest.raises(ValueError, match="both sides"):
        auroc([1.0], [])
