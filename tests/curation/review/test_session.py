"""What is decided is saved at once and read back, no false label is taken, and nobody's decision is lost."""

import csv

import pytest

from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.kinds import KINDS
from rise_bench.annotations.polygons.values import Polygons, corners
from rise_bench.curation.decisions import Decision, read_decisions, write_decisions
from rise_bench.curation.review.session import ConflictError, Review, View, neighbours
from rise_bench.errors import DataError

from ...support.toy_kind import Word, WordKind
from .conftest import CLASSES, HOSTILE, boxes, write


def chosen(review: Review) -> dict[str, object]:
    decisions = read_decisions(review.path)
    return {uid: decision.read(review.source.header) for uid, decision in decisions.items()}


def test_every_decision_is_in_the_file_at_once(boxes_folder):
    review = Review(boxes_folder)
    review.decide(0, 0, "accept")
    assert chosen(review) == {"000": None}
    review.decide(4, 0, "model", note=f" {HOSTILE}\n")
    review.decide(1, 0, "edit", [[1, 2, 3, 4.5]])
    review.decide(3, 0, "skip")
    expected = {"000": None, "001": Boxes(((1, 2, 3, 4.5),)), "003": None, "004": boxes(9)}
    assert chosen(review) == expected
    assert read_decisions(review.path)["004"].note == HOSTILE
    assert review.counts() == {
        "items": 5, "decided": 4, "undecided": 1, "accept": 1, "model": 1, "edit": 1, "skip": 1,
    }  # fmt: skip
    assert Review(boxes_folder).decision(0)[0].action == "accept"
    review.withdraw(0, 1)
    assert chosen(review) == {uid: value for uid, value in expected.items() if uid != "000"}


@pytest.mark.parametrize(
    ("index", "action", "values", "reason"),
    [
        (2, "accept", None, "has no label"),
        (3, "model", None, "gave no label"),
        (1, "model", None, "leaves the image"),
        (0, "edit", [[190, 10, 20, 20]], "leaves the image"),
        (0, "edit", [[10, 10, 0, 20]], "is empty"),
        *((0, "edit", bad, "edit it") for bad in (None, 1, "x", {}, {"a": 1}, [[1, 2]], [["a", 1, 2, 3]])),
        *(
            (0, "edit", bad, "edit it")
            for bad in ([[10**400, 1, 2, 3]], [None], [[None, 1, 2, 3]], [[[]] * 4])
        ),
    ],
)
def test_what_cannot_be_the_label_is_refused(boxes_folder, index, action, values, reason):
    review = Review(boxes_folder)
    with pytest.raises(DataError, match=reason):
        review.decide(index, 0, action, values)
    assert not review.path.exists() and review.decision(index) == (None, 0)


def test_shares_must_sum_to_one(shares_folder):
    review = Review(shares_folder)
    for values in ([0.5, 0.2, 0.2], [-0.5, 1.5, 0.0], [0.5, 0.5], ["x", 0, 1]):
        with pytest.raises(DataError, match="edit it"):
            review.decide(0, 0, "edit", values)
    with pytest.raises(DataError, match=r"sum to 0\.6"):
        review.decide(1, 0, "model")
    review.decide(0, 0, "edit", [0.5, 0.25, 0.25])
    assert chosen(review) == {"000": Distribution(CLASSES, (0.5, 0.25, 0.25))}


def test_ignored_regions_stay_whichever_label_is_chosen(tmp_path):
    triangle, square, hole = (tuple(corners((x, 10, 20, 20)))[:n] for x, n in ((10, 3), (40, 4), (90, 4)))
    given = Polygons((triangle,), (hole,))
    review = Review(write(tmp_path, "polygons", [(given, Polygons((square,)))] * 3))
    review.decide(0, 0, "model")
    review.decide(1, 0, "edit", [[list(point) for point in square]])
    review.decide(2, 0, "edit", KINDS["polygons"].to_json(Polygons((square,), (triangle,))))
    expected = [Polygons((square,), (of,)) for of in (hole, hole, triangle)]
    assert list(chosen(review).values()) == expected


def test_who_saw_an_older_decision_is_told(boxes_folder):
    review = Review(boxes_folder)
    review.decide(0, 0, "accept")
    for act in (lambda: review.decide(0, 0, "skip"), lambda: review.withdraw(0, 0)):
        with pytest.raises(ConflictError, match="look at it again"):
            act()
    review.decide(1, 0, "skip")
    review.decide(0, 1, "skip")
    assert {uid: d.action for uid, d in read_decisions(review.path).items()} == {"000": "skip", "001": "skip"}


def test_what_another_program_writes_into_the_file_is_kept(boxes_folder):
    review = Review(boxes_folder)
    review.decide(0, 0, "accept")
    write_decisions(review.path, [Decision("001", "skip"), Decision("of an earlier queue", "accept")])
    with pytest.raises(ConflictError):
        review.decide(0, 1, "model")
    with pytest.raises(ConflictError):
        review.decide(1, 0, "accept")
    review.decide(0, 2, "model")
    assert set(read_decisions(review.path)) == {"001", "of an earlier queue", "000"}
    assert review.counts()["decided"] == 2
    review.path.unlink()
    assert review.counts()["decided"] == 0


def test_a_file_that_holds_no_decisions_is_never_overwritten(boxes_folder):
    review = Review(boxes_folder)
    review.path.write_text("my list\n")
    with pytest.raises(DataError, match="write them in the first line"):
        review.decide(0, 0, "accept")
    assert review.path.read_text() == "my list\n"


def test_views_and_the_way_through_them(boxes_folder):
    review = Review(boxes_folder)
    review.decide(1, 0, "skip")
    review.decide(2, 0, "model")
    assert review.places(View("undecided")) == [0, 3, 4]
    assert review.places(View("decided")) == [1, 2]
    assert review.places(View("skip")) == [1] and review.places(View("edit")) == []
    assert review.places(View("all", "04")) == [4]
    assert [neighbours([0, 3, 4], index) for index in (0, 2, 3, 4)] == [(None, 3), (0, 3), (0, 4), (3, None)]
    assert neighbours([], 2) == (None, None)


def test_a_third_kind_is_reviewed_without_a_line_for_it(tmp_path, monkeypatch):
    monkeypatch.setitem(KINDS, "word", WordKind())
    review = Review(write(tmp_path, "word", [(Word("crane"), Word("heron"))] * 2))
    review.decide(0, 0, "model")
    review.decide(1, 0, "edit", ["stork"])
    assert chosen(review) == {"000": Word("heron"), "001": Word("stork")}
    with review.path.open(newline="") as file:
        assert [row["annotation"] for row in csv.DictReader(file)] == ['["heron"]', '["stork"]']
