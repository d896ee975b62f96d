"""A folder is looked at as `build custom` would read it: what is in it, and all that is wrong, by place."""

import json
from pathlib import Path

import pytest

from rise_bench.builders.formats.detect import Detected, detect
from rise_bench.errors import DataError

from ..support.made_sources import coco_json, write_csv, write_photo


def test_coco_json(source: Path) -> None:
    boxes = [{"image_id": i, "category_id": 1, "bbox": [5, 5, 20, 20]} for i in (0, 1)]
    content = coco_json(
        [(i, f"{i}.jpg") for i in range(4)], boxes, size_px=(64, 48), categories={1: "cup", 2: "jar"}
    )
    (source / "boxes.json").write_text(json.dumps(content))
    assert detect(source, Path("boxes.json")) == Detected(
        "coco", "boxes", source / "boxes.json", {"cup": 2, "jar": 0}, pictures=4, empty=2
    )


def test_every_problem_of_a_coco_json_is_listed(source: Path) -> None:
    boxes = [{"image_id": 0, "category_id": 1, "bbox": box} for box in ([5, 5, 20], "x", [5, 5, 20, 20])]
    content = coco_json([(i, f"{i}.jpg") for i in range(4)], boxes, size_px=(64, 48), categories={1: "cup"})
    (source / "boxes.json").write_text(json.dumps(content))
    found = detect(source, Path("boxes.json"))
    assert [("annotation 1:" in text, "annotation 2:" in text) for text in found.problems[:2]] == [
        (True, False),
        (False, True),
    ]


def test_csv_of_labels_with_three_problems(source: Path) -> None:
    rows = [("0.jpg", "cat"), ("1.jpg", "dog"), ("9.jpg", "cat"), ("2.jpg", ""), ("3.jpg", "cat", "x")]
    write_csv(source / "labels.csv", ["file", "label"], rows)
    found = detect(source, Path("labels.csv"))
    assert (found.format, found.kind, found.classes, found.pictures) == (
        "csv",
        "distribution",
        {"cat": 2, "dog": 1},
        3,
    )
    assert found.problem_count == len(found.problems) == 3
    for line in ("line 4: ", "line 5: no label", "line 6: 3 cells"):
        assert any(line in text for text in found.problems)


def test_folders(source: Path) -> None:
    for name in ("cat/0.jpg", "cat/1.jpg", "dog/0.jpg"):
        write_photo(source / name, 0)
    found = detect(source)
    assert (found.format, found.annotations, found.classes) == ("folders", None, {"cat": 2, "dog": 1})
    assert found.left_out == {"the image is in no folder of a class": 4}


def test_pictures_only(source: Path) -> None:
    assert detect(source) == Detected("", pictures=4)
    (source / "empty").mkdir()
    with pytest.raises(DataError, match="holds no picture"):
        detect(source / "empty")
