"""A row holds its gold exactly, and nothing that is no truth gets in."""

import dataclasses
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_bench.annotations.base import Gold
from rise_bench.annotations.boxes.values import Box, Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.kinds import kind_of
from rise_bench.catalog.benchmarks import BENCHMARKS
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.data.schema import (
    features,
    gold_columns,
    gold_text,
    row_to_gold,
    validate_gold,
)
from rise_bench.errors import DataError

SPEC = BenchmarkSpec("shades", "distribution", "jsd", "Which shade?", ("red", "green", "blue"))
COCO = BENCHMARKS["coco_sub"]


def distribution(*probs: float) -> Gold:
    return Gold("a", Distribution(SPEC.classes, probs), 64, 48)


def boxes(*xywh: Box) -> Gold:
    return Gold("a", Boxes(xywh), 64, 48, category="cat")


@given(st.lists(st.floats(0.001, 1), min_size=3, max_size=3))
def test_distribution_survives_its_columns(shares: list[float]) -> None:
    gold = distribution(*(share / math.fsum(shares) for share in shares))
    gold = dataclasses.replace(gold, annotation=kind_of(gold.annotation).stored(gold.annotation))
    table = features(SPEC).encode_example({**gold_columns(SPEC, gold), **OTHER_COLUMNS})
    back = row_to_gold(SPEC, table)
    assert back == gold
    assert gold_text(back) == gold_text(gold)


@given(
    st.lists(st.tuples(*[st.floats(0, 30, width=64)] * 2, *[st.floats(0.1, 18)] * 2), min_size=1, max_size=4)
)
def test_boxes_survive_their_columns(xywh: list[Box]) -> None:
    gold = boxes(*xywh)
    row = gold_columns(COCO, gold, ("dog", "cat"))
    assert row["objects"]["category"] == [1] * len(xywh)
    assert row_to_gold(COCO, row) == gold


OTHER_COLUMNS = {"image": None, "shot_rank": 0, "source_id": "a", "source_sha256": "0", "license": "other"}


def test_solution_is_the_answer_in_thousandths_and_problem_asks_for_it() -> None:
    row = gold_columns(COCO, boxes((32, 12, 16, 24)), ("cat",))
    assert row["solution"] == "<answer>[[500, 250, 250, 500]]</answer>"
    assert "Locate every cat in this image." in row["problem"]
    assert "thousandths" in row["problem"]


def test_class_names_stand_in_the_features() -> None:
    assert features(SPEC)["label"].names == ["red", "green", "blue"]
    assert gold_columns(SPEC, distribution(0.2, 0.4, 0.4))["label"] == 1  # the first on a tie
    assert features(COCO, ("dog", "cat"))["objects"]["category"].feature.names == ["dog", "cat"]
    assert features(BENCHMARKS["lisa"])["objects"]["category"].feature.names == ["target"]


@pytest.mark.parametrize(
    ("gold", "problem"),
    [
        (distribution(0.5, 0.5, 0.002), "sum to 1.002"),
        (distribution(0.5, 0.5, -0.1), "at least 0"),
        (distribution(0.5, 0.5, math.nan), "finite"),
        (distribution(math.inf, 0, 0), "finite"),
        (Gold("a", Distribution(("red", "blue", "green"), (1, 0, 0)), 64, 48), "classes"),
        (Gold("a", Boxes(((0, 0, 1, 1),)), 64, 48), "expects distribution"),
        (dataclasses.replace(distribution(1, 0, 0), width_px=0), "empty"),
    ],
)
def test_no_distribution(gold: Gold, problem: str) -> None:
    with pytest.raises(DataError, match=f"'a'.*{problem}"):
        validate_gold(SPEC, gold)


@pytest.mark.parametrize(
    ("gold", "problem"),
    [
        (boxes((0, 0, 0, 5)), "empty"),
        (boxes((0, 0, 5, -1)), "empty"),
        (boxes((0, 0, math.nan, 5)), "not finite"),
        (boxes((-1.1, 0, 5, 5)), "leaves the image"),
        (boxes((60, 0, 5.1, 5)), "leaves the image of 64 x 48 px by 1.1"),
        (boxes((0, 0, 5, 5), (0, 40, 5, 9.5)), "leaves the image"),
        (distribution(1, 0, 0), "expects boxes"),
    ],
)
def test_no_boxes(gold: Gold, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        validate_gold(COCO, gold)


def test_an_image_without_the_object_is_ground_truth() -> None:
    validate_gold(COCO, boxes())


@pytest.mark.parametrize(
    "gold",
    [distribution(0.3334, 0.3334, 0.3334), boxes((-0.5, 0, 5, 5)), boxes((60, 44, 5, 5))],
    ids=["sum off by 2e-4", "half a pixel out", "one pixel out"],
)
def test_rounding_of_the_sources_is_accepted(gold: Gold) -> None:
    validate_gold(SPEC if gold.kind == "distribution" else COCO, gold)


@pytest.mark.parametrize(
    "change",
    [{"probs": None}, {"probs": [1.0]}, {"probs": ["x", 0, 1]}, {"width": None}],
)
def test_row_that_does_not_fit_is_an_error(change: dict[str, object]) -> None:
    row = gold_columns(SPEC, distribution(0.2, 0.3, 0.5)) | change
    with pytest.raises(DataError, match="'a' of shades does not fit"):
        row_to_gold(SPEC, row)


def test_gold_text_tells_golds_apart() -> None:
    golds = [
        boxes((1, 2, 3, 4)),
        boxes((1, 2, 3, 4.5)),
        dataclasses.replace(boxes((1, 2, 3, 4)), category="dog"),
        dataclasses.replace(boxes((1, 2, 3, 4)), question="Which?"),
    ]
    assert len({gold_text(gold) for gold in golds}) == len(golds)
    assert all(json.loads(gold_text(gold)) for gold in golds)
