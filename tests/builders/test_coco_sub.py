"""COCO-Sub: an image belongs to one class, the rarest chooses first, crowds and empty boxes are out."""

import json
from pathlib import Path
from typing import Any

import pytest

from rise_bench.builders import coco_sub as builder
from rise_bench.builders.formats.coco_json import read_coco_boxes
from rise_bench.data.check import check_dataset
from rise_bench.data.dataset import open_dataset
from rise_bench.data.writer import write_dataset
from rise_bench.errors import ConfigError, DataError

from ..support.made_sources import COCO_IDS, coco, coco_json

BOX = [2.5, 3.0, 10.25, 12.0]


def box(image_id: int, category_id: int, bbox: list[float] | None = None, **more: Any) -> dict[str, Any]:
    return {"image_id": image_id, "category_id": category_id, "bbox": bbox or BOX, **more}


def test_full_source_has_the_paper_s_counts(tmp_path: Path) -> None:
    """36 images for each of 80 classes, each also showing a person; ids have gaps."""
    images = [(1000 * c + n, f"{1000 * c + n:012d}.jpg") for c in COCO_IDS for n in range(36)]
    annotations = [box(i, i // 1000) for i, _ in images] + [box(i, 1) for i, _ in images if i // 1000 != 1]
    content = coco_json(images, annotations)
    coco(tmp_path, content, write_images=False)
    for _, name in images:
        (tmp_path / "train2017" / name).touch()
    plan = builder.plan(tmp_path)
    assert (len(plan.train), len(plan.test)) == plan.spec.paper_counts == (2000, 800)
    assert plan.shortfalls == []
    assert plan.categories == tuple(f"class {i}" for i in COCO_IDS)
    for rows, per_class in ((plan.train, 25), (plan.test, 10)):
        found = [row.category for row in rows]
        assert [found.count(name) for name in plan.categories] == [per_class] * 80
    used = [row.source_id for row in plan.rows]
    assert len(used) == len(set(used))
    assert builder.plan(tmp_path, seed=1).train != plan.train


def small(tmp_path: Path, annotations: list[dict[str, Any]], images: int = 6) -> Path:
    content = coco_json([(n, f"{n:012d}.jpg") for n in range(1, images + 1)], annotations)
    return coco(tmp_path / "coco", content)


def chosen(plan: builder.SourcePlan) -> dict[str, str]:
    return {row.source_id: row.category for row in plan.rows}


def test_the_rarest_class_chooses_first(tmp_path: Path) -> None:
    """Image 1 shows the only toaster (80) and a person (1): it belongs to the toaster."""
    plan = builder.plan(small(tmp_path, [box(1, 80), box(1, 1), box(2, 1), box(3, 1)]))
    assert chosen(plan) == {
        "000000000001": "class 80",
        "000000000002": "class 1",
        "000000000003": "class 1",
    }


def test_truth_is_every_box_of_the_class_and_no_other(tmp_path: Path) -> None:
    boxes = [[0.0, 0.0, 48.0, 36.0], [1.5, 2.25, 3.0, 4.0]]
    source = small(tmp_path, [box(1, 90, boxes[0]), box(1, 90, boxes[1]), box(2, 1), box(1, 1, [5, 5, 5, 5])])
    write_dataset(builder.plan(source), tmp_path / "out", allow_partial=True)
    dataset = open_dataset(tmp_path / "out")
    golds = {gold.id: gold for split in dataset.manifest.counts for gold in dataset.golds(split)}
    gold = golds["coco_sub/000000000001/class_90"]
    assert gold.annotation.xywh == tuple(tuple(b) for b in boxes)
    assert gold.category == "class 90"
    row = next(r for s in dataset.manifest.counts for r in dataset.rows(s) if r["id"] == gold.id)
    assert row["license"] == "http://creativecommons.org/licenses/by/2.0/"
    assert row["objects"]["category"] == [79, 79]  # 80th name, not id 90
    assert check_dataset(tmp_path / "out") == []


def test_pair_with_a_crowd_is_left_out_and_listed(tmp_path: Path) -> None:
    crowd = box(1, 1, [0, 0, 48, 36], iscrowd=1, segmentation={"counts": [0, 1728], "size": [36, 48]})
    plan = builder.plan(small(tmp_path, [box(1, 1), crowd, box(1, 2), box(2, 1)]))
    assert chosen(plan) == {"000000000001": "class 2", "000000000002": "class 1"}
    assert plan.drops["(image, class) pair with a crowd annotation"] == ["train2017/000000000001 class 1"]


def test_box_without_area_is_left_out_and_listed(tmp_path: Path) -> None:
    """The official train file has a few."""
    plan = builder.plan(
        small(tmp_path, [box(1, 1), box(1, 1, [296, 388, 1.03, 0.0]), box(2, 3, [1, 1, 0, 4])])
    )
    assert plan.drops["box without an area"] == [
        "instances_train2017.json: annotation 2 (image 1)",
        "instances_train2017.json: annotation 3 (image 2)",
    ]
    [row] = plan.rows
    assert row.annotation.xywh == (tuple(BOX),)


def test_images_without_annotations_are_not_chosen(tmp_path: Path) -> None:
    assert set(chosen(builder.plan(small(tmp_path, [box(4, 1)])))) == {"000000000004"}


def test_pools(tmp_path: Path) -> None:
    source = small(tmp_path, [box(1, 1), box(2, 1)])
    coco(source, coco_json([(9, "000000000009.jpg")], [box(9, 1)]), "val2017")
    assert set(chosen(builder.plan(source))) == {"000000000001", "000000000002"}
    pooled = builder.plan(source, pool="train+val")
    assert set(chosen(pooled)) == {"000000000001", "000000000002", "000000000009"}
    assert pooled.options == {"pool": "train+val"}
    with pytest.raises(ConfigError, match=r"train, train\+val"):
        builder.plan(source, pool="val")


def test_pool_whose_parts_do_not_fit_is_an_error(tmp_path: Path) -> None:
    source = small(tmp_path, [box(1, 1)])
    coco(source, coco_json([(1, "000000000001.jpg")], [box(1, 1)]), "val2017")
    with pytest.raises(DataError, match="image id 1 appears in"):
        builder.plan(source, pool="train+val")
    coco(source, coco_json([(7, "7.jpg")], [box(7, 1)], categories={1: "cat"}), "val2017")
    with pytest.raises(DataError, match="other categories"):
        builder.plan(source, pool="train+val")


def test_missing_image_file_is_a_listed_shortfall(tmp_path: Path) -> None:
    source = small(tmp_path, [box(1, 1), box(2, 1)])
    (source / "train2017" / "000000000001.jpg").unlink()
    plan = builder.plan(source)
    assert any("1 image files are missing, e.g. train2017/000000000001.jpg" in s for s in plan.shortfalls)
    assert plan.drops["the image file is missing"] == ["train2017/000000000001.jpg"]
    assert set(chosen(plan)) == {"000000000002"}


def test_missing_parts_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"instances_train2017\.json is missing"):
        builder.plan(tmp_path)
    coco(tmp_path, coco_json([(1, "1.jpg")], [box(1, 1)]))
    (tmp_path / "train2017" / "1.jpg").unlink()
    (tmp_path / "train2017").rmdir()
    with pytest.raises(DataError, match=r"train2017 is missing; unpack train2017\.zip"):
        builder.plan(tmp_path)


def test_image_of_another_size_than_stated_is_an_error(tmp_path: Path) -> None:
    source = small(tmp_path, [box(1, 1)])
    content = json.loads((source / "annotations" / "instances_train2017.json").read_text())
    content["images"][0]["width"] = 50
    (source / "annotations" / "instances_train2017.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"000000000001\.jpg \(.*image 1, class 1\).*48 x 36 px.*50 x 36"):
        write_dataset(builder.plan(source), tmp_path / "out", allow_partial=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        (box(1, 12), "annotation 1 .image 1.*no category 12"),
        (box(99, 1), "annotation 1 .image 99.*no such image"),
        (box(1, 1, [40.0, 0, 10, 10]), "annotation 1 .image 1.*leaves the image of 48 x 36 px by 2 px"),
        (box(1, 1, [-3.0, 0, 10, 10]), "leaves the image"),
        (box(1, 1, [float("nan"), 0, 10, 10]), "four finite numbers"),
        (box(1, 1, [float("inf"), 0, 10, 10]), "four finite numbers"),
        (box(1, 1, [1, 2, 3]), "four finite numbers"),
        ({"image_id": 1, "category_id": 1}, "bbox"),
        ({"image_id": "one", "category_id": 1, "bbox": BOX}, "annotation 1: image_id 'one' is not a whole"),
        (box(1, 1, [1, 2, 3, 10**400]), "four finite numbers"),
    ],
)
def test_bad_annotation_is_an_error_that_names_it(
    tmp_path: Path, annotation: dict[str, Any], problem: str
) -> None:
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(coco_json([(1, "1.jpg")], [annotation])))
    with pytest.raises(DataError, match=rf"instances\.json.*{problem}"):
        read_coco_boxes(path)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"images": []}, "has no images"),
        ({"categories": []}, "has no categories"),
        ({"images": [{"id": 1}]}, "image 1: it has no file_name"),
        ({"images": [[1]]}, "image number 1 .*is not an object"),
        ({"categories": [{"id": 1}]}, "category 1: it has no name"),
    ],
)
def test_file_that_is_no_instances_file_is_an_error(
    tmp_path: Path, change: dict[str, Any], problem: str
) -> None:
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(coco_json([(1, "1.jpg")], [box(1, 1)]) | change))
    with pytest.raises(DataError, match=problem):
        read_coco_boxes(path)


def test_double_image_id_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(coco_json([(1, "1.jpg"), (1, "2.jpg")], [])))
    with pytest.raises(DataError, match="image 1: the id 1 appears twice"):
        read_coco_boxes(path)


def test_file_in_another_order_reads_the_same(tmp_path: Path) -> None:
    content = coco_json(
        [(1, "1.jpg"), (2, "2.jpg")], [box(2, 1), box(1, 3), box(1, 1), box(2, 1, [1, 1, 2, 2])]
    )
    for name, keys in (("a", list(content)), ("b", list(content)[::-1])):
        (tmp_path / name).write_text(json.dumps({key: content[key] for key in keys}))
    first, second = (read_coco_boxes(tmp_path / name) for name in "ab")
    assert list(first.pairs()) == list(second.pairs()) == [(1, 1), (1, 3), (2, 1)]
    assert first.boxes(2, 1) == second.boxes(2, 1) == (tuple(BOX), (1.0, 1.0, 2.0, 2.0))
    assert first.images == second.images


def test_real_files(tmp_path: Path, shared_data: Path) -> None:
    """258 official images: pooled, exclusive, sound, and marked as a part of COCO."""
    plan = builder.plan(shared_data / "coco", pool="train+val")
    assert len(plan.categories) == 80
    assert len(plan.drops["(image, class) pair with a crowd annotation"]) == 26
    assert any("classes have fewer than 35 images left" in shortfall for shortfall in plan.shortfalls)
    ids = [row.source_id for row in plan.rows]
    assert len(set(ids)) == len(ids) > 240
    with pytest.raises(DataError, match="--allow-partial"):
        write_dataset(plan, tmp_path / "out")
    manifest = write_dataset(plan, tmp_path / "out", allow_partial=True)
    assert manifest.partial
    assert any("the paper 2000" in difference for difference in manifest.differences)
