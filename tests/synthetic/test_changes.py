"""drawn_changes: the calls are exactly what differs, and a moved camera changes nothing else."""

import re
from collections import Counter
from dataclasses import fields

import numpy as np
import pytest

from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import KINDS
from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.synthetic.changes import DIRECTIONS, FUNCTIONS, MOST_CHANGES
from rise_bench.synthetic.counting import OTHER_SHAPES, SEEN_SHAPES
from rise_bench.synthetic.drawing import draw
from rise_bench.synthetic.rows import drawn_row, drawn_rows, truth_of
from rise_bench.synthetic.vocabulary import Thing

SPLITS = ("train", "validation", "test", "ood")
LOOKS = ("shape", "colour", "texture", "size")


def both(row):
    """Things before and after, as the first camera sees them."""
    count = len(row.picture.things)
    assert row.truth[:count] == row.picture.things
    return row.truth[:count], row.truth[count:]


def looks_changed(row):
    """What differs in the looks of each thing: (number, property, value afterwards)."""
    return {
        (str(number), name, getattr(after, name))
        for number, (before, after) in enumerate(zip(*both(row), strict=True), 1)
        for name in LOOKS
        if getattr(before, name) != getattr(after, name)
    }


def stated(row, *names):
    calls = ((call.object, call.name.removeprefix("change_"), call.value) for call in row.answer.calls)
    return {call for call in calls if call[1] in names}


@pytest.mark.parametrize("split", SPLITS)
def test_the_calls_are_the_differences_of_the_looks(split):
    for row in drawn_rows("drawn_changes", split, 120):
        assert looks_changed(row) == stated(row, *LOOKS)
        assert not KINDS["steps"].problem(Gold("x", row.answer, 224, 224), FUNCTIONS)


@pytest.mark.parametrize("split", SPLITS)
def test_moves_are_where_things_went_and_nothing_else_differs(split):
    for row in drawn_rows("drawn_changes", split, 120):
        moved = set()
        for number, (before, after) in enumerate(zip(*both(row), strict=True), 1):
            step = round(after.x - before.x, 6), round(after.y - before.y, 6)
            if step != (0, 0):
                (value,) = (v for v, (x, y) in DIRECTIONS.items() if step == (0.2 * x, 0.2 * y))
                moved.add((str(number), "position", value))
            assert before.angle == after.angle
        assert moved == stated(row, "position")
        assert len(both(row)[0]) - len(moved) >= 2, "two things stay where they are"
        assert split == "ood" or row.after.things == both(row)[1]
        for field in fields(row.picture):
            if field.name not in ("things", *(["grain"] if split == "ood" else [])):
                assert getattr(row.picture, field.name) == getattr(row.after, field.name)


def test_the_moved_camera_turns_and_shrinks_the_picture_as_a_whole():
    """All distances and sizes are scaled by one factor, and everything turns by one angle."""
    angles = set()
    for row in drawn_rows("drawn_changes", "ood", 80):
        flat, seen = both(row)[1], row.after.things
        centres = np.array([[(thing.x, thing.y) for thing in things] for things in (flat, seen)])
        before, after = (np.linalg.norm(of[1:] - of[:1], axis=-1) for of in centres)
        zooms = [*(after / before), *(b.radius / a.radius for a, b in zip(flat, seen, strict=True))]
        assert np.ptp(zooms) < 1e-9 and 0.5 < zooms[0] < 0.87
        (turn,) = {round(b.angle - a.angle, 9) for a, b in zip(flat, seen, strict=True)}
        directions = [np.arctan2(*(of[1:] - of[:1]).T[::-1]) for of in centres]
        difference = (directions[1] - directions[0] + np.pi) % (2 * np.pi) - np.pi
        assert np.allclose(difference, turn, atol=1e-3)
        looks = [[(t.shape, t.colour, t.texture) for t in things] for things in (flat, seen)]
        assert looks[0] == looks[1]
        angles.add(turn)
    assert len(angles) == 4


@pytest.mark.parametrize("split", SPLITS)
def test_numbers_of_changes_take_turns_and_shapes_belong_to_the_split(split):
    rows = list(drawn_rows("drawn_changes", split, 80))
    assert Counter(len(row.answer.calls) for row in rows) == dict.fromkeys(range(1, MOST_CHANGES + 1), 20)
    shapes = {thing.shape for row in rows for thing in row.truth}
    assert shapes == set(OTHER_SHAPES if split == "ood" else SEEN_SHAPES)
    functions = {call.name for row in rows for call in row.answer.calls}
    assert functions == {text.partition("(")[0] for text in FUNCTIONS}


@pytest.mark.parametrize("split", SPLITS)
def test_the_question_numbers_the_things_of_the_first_picture(split):
    for row in drawn_rows("drawn_changes", split, 40):
        named = re.findall(
            r"object (\d) is a (\w+) (\w+) (\w+) (\w+) (?:at the ([\w ]+?)|in the (centre))[,.]", row.question
        )
        assert [int(number) for number, *_ in named] == list(range(1, len(row.picture.things) + 1))
        for (_, *look, place, centre), thing in zip(named, row.picture.things, strict=True):
            assert look == [thing.size, thing.texture, thing.colour, thing.shape]
            assert (place or centre) == thing.place
        assert len({thing.place for thing in row.picture.things}) == len(row.picture.things)


def test_everything_is_inside_both_pictures_and_apart():
    for row in drawn_rows("drawn_changes", "ood", 24):
        for picture in row.pictures:
            things: tuple[Thing, ...] = picture.things
            for i, (x, y, w, h) in enumerate(draw(picture).boxes_xywh_px):
                assert x >= 0 and y >= 0 and x + w <= 224 and y + h <= 224 and min(w, h) >= 10
                for other in things[i + 1 :]:
                    distance = np.hypot(things[i].x - other.x, things[i].y - other.y)
                    assert distance > 1.02 * (things[i].radius + other.radius)


def test_the_catalogue_has_the_vocabulary_and_a_row_is_drawn_again():
    assert get_benchmark("drawn_changes").classes == FUNCTIONS
    row = drawn_row("drawn_changes", 3, "ood", 17)
    assert row.source_id == "drawn_changes-v1-3-ood-000017" and truth_of(row.source_id) == row.truth
    first, _ = row.render(56)
    (second,) = row.render_further(56)
    assert first != second
