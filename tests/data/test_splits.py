"""Splits follow from hashes alone; few-shot sets are nested; no sample is given to two classes."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_bench.data.splits import (
    CONFIGS,
    SHOTS,
    assign_exclusive,
    by_rank,
    rank,
    rank_order,
    shard_of,
    shot_ranks,
    train_share,
)

IDS = st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=60)


def test_rank_is_the_documented_hash() -> None:
    expected = hashlib.sha256(b"7:lisa:val/\xc3\xa9t\xc3\xa9").hexdigest()
    assert rank(7, "lisa", "val/été") == expected


@given(ids=IDS, seed=st.integers(0, 3))
def test_rank_order_does_not_depend_on_the_order_given(ids: list[str], seed: int) -> None:
    assert by_rank(seed, "x", ids) == by_rank(seed, "x", sorted(ids))
    assert sorted(rank_order(seed, "x", ids)) == list(range(len(ids)))


def test_equal_ids_keep_their_order() -> None:
    assert rank_order(0, "x", ["a", "a", "a"]) == [0, 1, 2]


def test_another_seed_or_dataset_is_another_order() -> None:
    ids = [f"image {i}" for i in range(20)]
    assert by_rank(0, "x", ids) != by_rank(1, "x", ids)
    assert by_rank(0, "x", ids) != by_rank(0, "y", ids)


@given(ids=IDS, classes=st.data())
def test_shot_ranks_count_up_in_rank_order_within_a_class(ids: list[str], classes: st.DataObject) -> None:
    names = classes.draw(st.lists(st.sampled_from("abc"), min_size=len(ids), max_size=len(ids)))
    numbers = shot_ranks(0, "x", ids, names)
    for name in "abc":
        mine = [i for i in rank_order(0, "x", ids) if names[i] == name]
        assert [numbers[i] for i in mine] == list(range(len(mine)))


def test_without_classes_all_are_counted_together() -> None:
    assert sorted(shot_ranks(0, "lisa", [f"{i}" for i in range(9)])) == list(range(9))


def test_an_added_sample_moves_others_back_by_one_at_most() -> None:
    ids = [f"{i}" for i in range(30)]
    before = dict(zip(ids, shot_ranks(0, "x", ids), strict=True))
    after = dict(zip([*ids, "new"], shot_ranks(0, "x", [*ids, "new"]), strict=True))
    assert all(after[i] - before[i] in (0, 1) for i in ids)


@given(shot_rank=st.integers(0, 100))
def test_configurations_are_nested_and_hold_the_shots(shot_rank: int) -> None:
    shard = shard_of(shot_rank)
    assert (shard in CONFIGS["4-shot"]) == (shot_rank < SHOTS[0])
    assert (shard in CONFIGS["16-shot"]) == (shot_rank < SHOTS[1])
    assert shard in CONFIGS["full"]
    assert CONFIGS["4-shot"] == CONFIGS["16-shot"][:1] == CONFIGS["full"][:1]
    assert CONFIGS["16-shot"] == CONFIGS["full"][:2]


@pytest.mark.parametrize(
    ("available", "train", "test", "expected"),
    [
        (1980, 1386, 594, 1386),  # the official Emotion6
        (35, 25, 10, 25),
        (1300, 25, 10, 25),  # more than needed
        (30, 25, 10, 21),
        (7, 25, 10, 5),
        (2, 25, 10, 1),
        (1, 25, 10, 1),
        (0, 25, 10, 0),
    ],
)
def test_train_share(available: int, train: int, test: int, expected: int) -> None:
    assert train_share(available, train, test) == expected


@given(n=st.integers(0, 200), train=st.integers(1, 50), test=st.integers(0, 50))
def test_train_share_is_the_nearest_to_the_proportion(n: int, train: int, test: int) -> None:
    used = min(n, train + test)
    assert abs(train_share(n, train, test) - used * train / (train + test)) <= 0.5


@given(
    candidates=st.dictionaries(
        st.sampled_from("abcdef"),
        st.lists(st.sampled_from([f"{i}" for i in range(12)]), unique=True),
        min_size=1,
    ),
    per_class=st.integers(1, 5),
)
def test_exclusive_assignment(candidates: dict[str, list[str]], per_class: int) -> None:
    given_to = assign_exclusive(candidates, per_class, seed=0, dataset="x")
    everything = [i for ids in given_to.values() for i in ids]
    assert len(everything) == len(set(everything))
    assert list(given_to) == list(candidates)
    free = set().union(*candidates.values()) - set(everything)
    for name, ids in given_to.items():
        assert len(ids) <= per_class
        assert set(ids) <= set(candidates[name])
        assert ids == by_rank(0, "x", ids)
        if len(ids) < per_class:  # a class goes short only when nothing that shows it is left
            assert not free & set(candidates[name])


def test_the_rarest_class_chooses_first() -> None:
    candidates = {"person": [f"{i}" for i in range(6)], "toaster": ["0", "1"]}
    given_to = assign_exclusive(candidates, 2, seed=0, dataset="coco_sub")
    assert set(given_to["toaster"]) == {"0", "1"}
    assert len(given_to["person"]) == 2
