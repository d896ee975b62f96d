"""Pictures without an object: kept on request, counted apart in few-shot sets, scored like any other row."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.kinds import fit_baselines
from rise_bench.builders import custom as builder
from rise_bench.builders.formats.box_table import NO_BOX
from rise_bench.builders.formats.coco_json import REPEATED_BOX
from rise_bench.data.check import check_dataset
from rise_bench.data.dataset import open_dataset
from rise_bench.data.writer import write_dataset
from rise_bench.errors import ConfigError, DataError
from rise_bench.scoring.scores import aggregate, score_response

from ..support.made_sources import coco_json, write_photo

SIZE = (64, 48)
BOX = [5, 5, 20, 20]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """12 pictures with a cup, 12 with a jar, 24 with nothing."""
    for i in range(48):
        write_photo(tmp_path / "source" / f"{i:02}.jpg", i, SIZE)
    boxes = [{"image_id": i, "category_id": 1 + i % 2, "bbox": BOX} for i in range(24)]
    images = [(i, f"{i:02}.jpg") for i in range(48)]
    content = coco_json(images, boxes, size_px=SIZE, categories={1: "cup", 2: "jar"})
    (tmp_path / "source" / "boxes.json").write_text(json.dumps(content))
    return tmp_path / "source"


def plan(source: Path, **options: Any) -> Any:
    return builder.plan(source, name="mine", annotations=Path("boxes.json"), **options)


def test_empty_pictures_are_left_out_or_rows_of_each_class(source: Path) -> None:
    without = plan(source)
    assert (len(without.rows), len(without.drops[NO_BOX])) == (24, 24)
    kept = plan(source, keep_empty=True)
    assert not kept.drops[NO_BOX]
    empty = [row for row in kept.rows if row.annotation == Boxes(())]
    assert len(kept.rows) == 24 + 2 * 24
    assert Counter(row.category for row in empty) == {"cup": 24, "jar": 24}
    assert {row.source_id for row in kept.train}.isdisjoint(row.source_id for row in kept.test)


def test_they_are_stored_checked_and_scored(source: Path, tmp_path: Path) -> None:
    manifest = write_dataset(plan(source, keep_empty=True), tmp_path / "out")
    assert check_dataset(tmp_path / "out") == []
    dataset = open_dataset(tmp_path / "out")
    golds = dataset.golds("test")
    row = next(row for row in dataset.rows("test") if not row["objects"]["bbox"])
    assert row["objects"] == {"bbox": [], "category": []}
    assert row["solution"] == "<answer>[]</answer>"
    assert manifest.counts["test"] == len(golds)
    nothing = [score_response(gold, "<think>Bare.</think><answer>[]</answer>") for gold in golds]
    report = aggregate(dataset.spec, golds, nothing, resamples=20)
    share = sum(gold.annotation == Boxes(()) for gold in golds) / len(golds)
    assert report.metrics["similarity"].value == pytest.approx(share)
    assert report.metrics["precision_iou"].value == pytest.approx(share)
    assert report.metrics["ap50"].value == 0
    assert {"whole_image", "mean_box", "no_box"} == fit_baselines(golds).keys()
    assert "| no_box |" in (tmp_path / "out" / "README.md").read_text()


def test_few_shot_sets_count_them_as_a_class_of_their_own(source: Path, tmp_path: Path) -> None:
    write_dataset(plan(source, keep_empty=True, test_fraction=0.2), tmp_path / "out")
    dataset = open_dataset(tmp_path / "out")
    for shots, most in (("4-shot", 4), ("16-shot", 16)):
        golds = dataset.golds("train", shots)
        shown = Counter(gold.category for gold in golds if gold.annotation != Boxes(()))
        assert shown == {"cup": min(most, shown["cup"]), "jar": min(most, shown["jar"])}
        assert sum(gold.annotation == Boxes(()) for gold in golds) == most
    assert shown["cup"] + shown["jar"] == sum(g.annotation != Boxes(()) for g in dataset.golds("train"))


def test_a_split_without_any_object_is_refused(source: Path, tmp_path: Path) -> None:
    content = json.loads((source / "boxes.json").read_text())
    content["annotations"] = content["annotations"][:1]
    (source / "boxes.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="ap50 is not defined on it: none of its .* rows has"):
        write_dataset(plan(source, keep_empty=True), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_classes_have_no_empty_pictures(source: Path) -> None:
    (source / "labels.csv").write_text("file,label\n00.jpg,cup\n01.jpg,jar\n")
    with pytest.raises(ConfigError, match="--keep-empty is for boxes"):
        builder.plan(source, name="mine", annotations=Path("labels.csv"), keep_empty=True)


HEADER = "file,label,x,y,w,h\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            HEADER + "00.jpg,cup,5,5,20,20\n00.jpg,cup,30,5,9,9\n01.jpg,jar,1,1,9.5,9\n",
            {"00": {"cup": 2}, "01": {"jar": 1}},
        ),
        (
            "filename,width,height,class,xmin,ymin,xmax,ymax\n00.jpg,64,48,cup,5,5,25,25\n01.jpg,64,48,,,,,\n",
            {"00": {"cup": 1}, "01": {"cup": 0}},
        ),
        (
            HEADER + "00.jpg,cup,5,5,20,20\n00.jpg,jar,,,,\n01.jpg,,,,,\n",
            {"00": {"cup": 1, "jar": 0}, "01": {"cup": 0, "jar": 0}},
        ),
        (
            "Filename,Class,XMin,YMin,XMax,YMax\n00.jpg,cup,5,5,25,25\n01.jpg,jar,1,1,9,9\n",
            {"00": {"cup": 1}, "01": {"jar": 1}},
        ),
    ],
)
def test_a_csv_of_boxes_says_where_there_is_nothing(
    source: Path, tmp_path: Path, text: str, expected: dict[str, dict[str, int]]
) -> None:
    (source / "boxes.csv").write_text(text)
    plan = builder.plan(source, name="mine", annotations=Path("boxes.csv"), test_fraction=0)
    rows: dict[str, dict[str, int]] = {}
    for row in plan.rows:
        rows.setdefault(row.source_id[:2], {})[row.category] = len(row.annotation.xywh)
    assert rows == expected
    write_dataset(plan, tmp_path / "out")
    first = open_dataset(tmp_path / "out").golds("train")
    assert (
        Boxes(((5.0, 5.0, 20.0, 20.0),)).xywh[0]
        in next(g for g in first if g.id == "mine/00/cup").annotation.xywh
    )


def test_a_row_that_stands_twice_is_one_box_and_counted(source: Path, tmp_path: Path) -> None:
    (source / "boxes.csv").write_text(HEADER + 2 * "00.jpg,cup,5,5,20,20\n" + "01.jpg,cup,1,1,9,9\n")
    plan = builder.plan(source, name="mine", annotations=Path("boxes.csv"), test_fraction=0)
    assert {len(row.annotation.xywh) for row in plan.rows} == {1}
    assert plan.drops[REPEATED_BOX] == ["boxes.csv line 3"]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (
            "00.jpg,cup,5,5,20,\n",
            "line 2: h is ''; write a number of pixels, or leave all of x, y, w, h empty",
        ),
        ("00.jpg,cup,5,5,20,nan\n", "line 2: h is 'nan'"),
        ("00.jpg,cup,5,5,0,9\n", "line 2: the box has no area"),
        ("00.jpg,,5,5,9,9\n01.jpg,cup,1,1,9,9\n", "line 2: the box has no class"),
        (
            "00.jpg,cup,5,5,9,9\n00.jpg,cup,,,,\n",
            "line 3: says that 00.jpg has no cup, and another row has one",
        ),
        ("00.jpg,,,,,\n", "names no class"),
        ("00.jpg,cup,50,5,20,20\n", "leaves the image of 64 x 48 px by 6 px"),
        ("99.jpg,cup,5,5,20,20\n", r"line 2, cup: .*99\.jpg is missing"),
    ],
)
def test_rows_of_boxes_that_are_wrong(source: Path, tmp_path: Path, rows: str, problem: str) -> None:
    (source / "boxes.csv").write_text(HEADER + rows)
    with pytest.raises(DataError, match=problem):
        write_dataset(builder.plan(source, name="mine", annotations=Path("boxes.csv")), tmp_path / "out")
