import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_bench.scoring.groundedness import auroc, groundedness, sentence_spans, token_information

LOGS = st.lists(st.floats(-20, 0), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("own", "others", "score"),
    [
        ([-1.0, -1.0], [[-3.0, -1.0]], 1.0),  # one token says two nats, the other nothing
        ([-1.0], [[-1.0], [-1.0]], 0.0),  # as likely beside any picture
        ([-3.0], [[-1.0], [-2.0]], -1.5),  # fits others better
        ([], [[]], 0.0),  # an empty text says nothing
    ],
)
def test_groundedness(own, others, score):
    assert groundedness(own, others) == pytest.approx(score)


@given(LOGS)
def test_the_same_picture_twice_gives_zero(logs):
    assert groundedness(logs, [logs]) == 0
    assert groundedness(logs, [logs, logs]) == pytest.approx(0, abs=1e-12)


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


def test_scores_are_finite():
    assert math.isfinite(groundedness([-700.0] * 3, [[0.0] * 3] * 2))
