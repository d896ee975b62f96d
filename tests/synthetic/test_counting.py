"""drawn_counting: exact answers, balanced counts, and shapes that only the out-of-domain test shows."""

import re
from collections import Counter

import numpy as np
import pytest

from rise_bench.annotations.value.values import Value
from rise_bench.synthetic.counting import LARGEST_COUNT, MOST_THINGS, OTHER_SHAPES, SEEN_SHAPES
from rise_bench.synthetic.drawing import draw
from rise_bench.synthetic.rows import drawn_row, drawn_rows, truth_of
from rise_bench.synthetic.scenes import PLURALS
from rise_bench.synthetic.vocabulary import COLOURS, TEXTURES

SPLITS = ("train", "validation", "test", "ood")
SINGULAR = {plural: shape for shape, plural in PLURALS.items()}


def asked(question):
    """Read a question back: property -> value."""
    properties, noun = re.fullmatch(r"How many ((?:\w+ )*)(\w+) are there\?", question).groups()
    wanted = {"shape": SINGULAR[noun]} if noun != "objects" else {}
    for word in properties.split():
        wanted["colour" if word in COLOURS else "texture"] = word
        assert word in (*COLOURS, *TEXTURES)
    return wanted


@pytest.mark.parametrize("split", SPLITS)
def test_the_answer_is_the_number_of_things_that_fit(split):
    for row in drawn_rows("drawn_counting", split, 140):
        wanted = asked(row.question)
        fitting = [i for i, t in enumerate(row.truth) if all(getattr(t, n) == v for n, v in wanted.items())]
        assert list(row.targets) == fitting and row.answer == Value(str(len(fitting)))
        assert len(fitting) <= LARGEST_COUNT and 1 <= len(row.truth) <= MOST_THINGS
        assert not wanted or len(row.truth) > len(fitting)  # counting everything is wrong


@pytest.mark.parametrize("split", SPLITS)
def test_counts_are_balanced_and_shapes_belong_to_the_split(split):
    rows = list(drawn_rows("drawn_counting", split, 140))
    assert set(Counter(row.answer.text for row in rows).values()) == {20}
    shapes = {thing.shape for row in rows for thing in row.truth}
    assert shapes == set(OTHER_SHAPES if split == "ood" else SEEN_SHAPES)
    assert not set(OTHER_SHAPES) & set(SEEN_SHAPES)


def test_splits_are_different_pictures():
    pictures = {drawn_row("drawn_counting", 0, split, 3).render(56)[0] for split in SPLITS}
    assert len(pictures) == len(SPLITS)


def test_nothing_touches_and_everything_is_seen():
    """Each thing is inside the picture, large enough to be seen, and apart from the others."""
    for row in drawn_rows("drawn_counting", "ood", 21):
        boxes = draw(row.picture).boxes_xywh_px
        for i, (x, y, w, h) in enumerate(boxes):
            assert x >= 0 and y >= 0 and x + w <= 224 and y + h <= 224 and min(w, h) >= 12
            for other in row.truth[i + 1 :]:
                distance = np.hypot(row.truth[i].x - other.x, row.truth[i].y - other.y)
                assert distance > 1.19 * (row.truth[i].radius + other.radius)


def test_a_row_is_drawn_again_from_its_source_id():
    row = drawn_row("drawn_counting", 3, "ood", 17)
    assert row.source_id == "drawn_counting-v1-3-ood-000017" and truth_of(row.source_id) == row.truth
