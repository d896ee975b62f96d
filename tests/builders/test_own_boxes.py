"""A COCO json of the user's own: what is wrong in it is named, and what is left out is counted."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rise_bench.builders import custom as builder
from rise_bench.builders.formats.box_table import NO_BOX
from rise_bench.builders.formats.coco_table import CROWD
from rise_bench.data.check import check_dataset
from rise_bench.data.dataset import open_dataset
from rise_bench.data.manifest import Manifest
from rise_bench.data.writer import write_dataset
from rise_bench.errors import ConfigError, DataError

from ..support.made_sources import coco_json, write_photo

NAMES = {1: "cat", 2: "dog"}
BOX = [5, 5, 20, 20]


def content(*annotations: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Four images, a box of a cat on the first, and what else is given."""
    full = [{"image_id": 0, "category_id": 1, "bbox": BOX}]
    full += [{"image_id": 1, "category_id": 1, "bbox": BOX} | extra for extra in annotations]
    made = coco_json([(i, f"{i}.jpg") for i in range(4)], full, size_px=(64, 48), categories=NAMES)
    return made | changes


def image(position: int, **changes: Any) -> dict[str, Any]:
    """The file with one image changed; a change to None removes the field."""
    made = content()
    made["images"][position] = {
        key: value for key, value in (made["images"][position] | changes).items() if value is not None
    }
    return made


def without(key: str) -> dict[str, Any]:
    """The file with a field of its second annotation removed."""
    made = content({})
    del made["annotations"][1][key]
    return made


def build(source: Path, made: Any, **options: Any) -> Manifest:
    (source / "boxes.json").write_text(json.dumps(made) if not isinstance(made, str) else made)
    plan = builder.plan(source, name="mine", annotations=Path("boxes.json"), **options)
    return write_dataset(plan, source.parent / "out")


REFUSED: dict[str, tuple[Any, str]] = {
    # which image an annotation belongs to
    "one file, two ids": (image(2, file_name="0.jpg"), "images 0 and 2 name one file, 0.jpg"),
    "one file, written in two ways": (image(2, file_name="./0.jpg"), "images 0 and 2 name one file"),
    "id cut to an integer": (content({"image_id": 1.7}), "annotation 2: image_id 1.7 is not a whole number"),
    "true is no id": (content({"image_id": True}), "annotation 2: image_id True is not a whole number"),
    "category cut": (content({"category_id": 1.9}), "annotation 2: category_id 1.9"),
    "id in quotes": (content({"image_id": "1"}), "image_id '1' is not a whole number; .*without quotes"),
    "id is a list": (content({"image_id": [1]}), r"image_id \[1\] is not a whole number"),
    "id too large": (content({"id": 1 << 64}), "id 18446744073709551616 is not a whole number"),
    "infinite id": (content({"image_id": float("inf")}), "image_id inf"),
    "not a number": (content({"category_id": float("nan")}), "category_id nan"),
    "image id cut": (image(2, id=2.5), "image 2.5: id 2.5 is not a whole number"),
    "image id twice": (image(2, id=0), "image 0: the id 0 appears twice"),
    "image id of another type": (image(2, id="2"), "id '2' is not a whole number"),
    "no such image": (content({"image_id": 9}), "annotation 2 .image 9.: there is no such image"),
    "no such category": (content({"category_id": 9}), "annotation 2 .image 1.: there is no category 9"),
    "crowd of no image": (content({"image_id": 9, "iscrowd": 1}), "annotation 2 .image 9.: there is no such"),
    # one thing twice
    "annotation id twice": (content({"id": 1}), "annotation id 1 appears twice"),
    "crowd with the id of a box": (content({"id": 1, "iscrowd": 1}), "annotation id 1 appears twice"),
    "category id twice": (
        content(categories=[{"id": 1, "name": "cat"}, {"id": 1, "name": "dog"}]),
        "category 1: the id 1 appears twice",
    ),
    "category name twice": (
        content(categories=[{"id": 1, "name": "hair drier"}, {"id": 2, "name": "Hair_Drier"}]),
        "category 2: its name 'Hair_Drier' is that of another, 'hair drier'",
    ),
    "list twice": ('{"images": [], "images": []}', "key 'images' appears twice"),
    # crowds
    "crowd unclear": (content({"iscrowd": "no"}), "annotation 2: iscrowd is 'no'; write 0 or 1"),
    "crowd is a list": (content({"iscrowd": [0]}), "iscrowd is .0.; write 0 or 1"),
    # boxes
    "right of the image": (content({"bbox": [64.5, 5, 0.4, 20]}), "image 1, cat.*centre outside .*64 x 48"),
    "left above it": (content({"bbox": [-1, -1, 1, 1]}), "centre outside the image"),
    "below it": (content({"bbox": [5, 48, 9, 0.9]}), "centre outside the image"),
    "a sliver inside": (content({"bbox": [63.9, 5, 0.8, 20]}), "centre outside the image"),
    "no width": (content({"bbox": [5, 5, 0, 20]}), "annotation 2 .image 1.: the box has no area"),
    "negative": (content({"bbox": [25, 25, -20, -20]}), "annotation 2 .image 1.: the box has no area"),
    "three numbers": (content({"bbox": [5, 5, 20]}), r"annotation 2: bbox \[5, 5, 20\] is not four finite"),
    "CVAT's rotation": (
        content({"bbox": BOX, "attributes": {"occluded": False, "rotation": 90.0}}),
        r"annotation 2: the box is rotated \(rotation 90\.0\); draw an upright one",
    ),
    "an angle": (content({"bbox": BOX, "theta": -0.7}), r"is rotated \(theta -0\.7\)"),
    "five numbers": (content({"bbox": [*BOX, 1]}), "is not four finite numbers"),
    "empty": (content({"bbox": []}), "is not four finite numbers"),
    "texts": (content({"bbox": ["5", "5", "20", "20"]}), "is not four finite numbers"),
    "true": (content({"bbox": [True, 5, 20, 20]}), "is not four finite numbers"),
    "an object": (content({"bbox": {"x": 5, "y": 5, "w": 2, "h": 2}}), "is not four finite numbers"),
    "NaN": (content({"bbox": [float("nan"), 5, 20, 20]}), "is not four finite numbers"),
    "infinity": (content({"bbox": [5, 5, float("inf"), 20]}), "is not four finite numbers"),
    "huge": (content({"bbox": [5, 5, 1e300, 20]}), "leaves the image"),
    "wider than a float": (content({"bbox": [5, 5, 10**400, 20]}), "is not four finite numbers"),
    "nested": (content({"bbox": [[5, 5], [20, 20]]}), "is not four finite numbers"),
    "corners": (content({"bbox": [30, 20, 60, 40]}), r"leaves the image.*corners.*write \[x1, y1, x2 - x1"),
    "shares": (content({"bbox": [0.1, 0.2, 0.5, 0.5]}), "write pixels, not shares of the image"),
    "no bbox": (
        without("bbox"),
        "annotation 2: it has no bbox; write .* in pixels",
    ),
    "outline only": (
        content({"bbox": None, "segmentation": [[1, 1, 9, 1, 9, 9]]}),
        "has no bbox;.*it has a segmentation only",
    ),
    "no image_id": (without("image_id"), "annotation 2: it has no image_id"),
    "no category_id": (without("category_id"), "annotation 2: it has no category_id"),
    "no id, outside": (
        without("id") | {"annotations": [{"image_id": 1, "category_id": 1, "bbox": [50, 5, 40, 20]}]},
        "annotation number 1 of the list .it has no id. .image 1.: box .* leaves the image",
    ),
    "not an object": (
        content() | {"annotations": [7]},
        "annotation number 1 .*7 is not an object",
    ),
    # images
    "no width of an image": (image(1, width=None), "image 1: it has no width; write its width"),
    "width of zero": (image(1, width=0), "image 1: width 0 is not a whole number of at least 1"),
    "width in quotes": (image(1, width="64"), "image 1: width '64'"),
    "broken width": (image(1, width=63.5), "image 1: width 63.5"),
    "no file name": (image(1, file_name=None), "image 1: it has no file_name"),
    "blank file name": (image(1, file_name=" "), "image 1: file_name ' ' is not a text"),
    "file name is a number": (image(1, file_name=1), "image 1: file_name 1 is not a text"),
    "backslash": (image(0, file_name="images\\0.jpg"), r"backslash of Windows; write images/0\.jpg"),
    "absolute": (image(0, file_name="/etc/hostname"), "must be a path inside"),
    "out of the folder": (image(0, file_name="../source/0.jpg"), "must be a path inside"),
    "null character": (image(0, file_name="0\0.jpg"), "must be a path inside"),
    "other case": (image(0, file_name="0.JPG"), r"is missing; the file is called 0\.jpg"),
    "missing": (image(0, file_name="9.jpg"), r"9\.jpg is missing; add the image"),
    "name too long": (image(0, file_name="9" * 300 + ".jpg"), "cannot be opened"),
    # the file
    "no category name": (content(categories=[{"id": 1}]), "category 1: it has no name"),
    "empty category name": (content(categories=[{"id": 1, "name": ""}]), "category 1: name '' is not a text"),
    "number for a name": (content(categories=[{"id": 1, "name": 5}]), "category 1: name 5 is not a text"),
    "categories by name": (content(categories={"1": "cat"}), "categories is not a list"),
    "control character": (content(categories=[{"id": 1, "name": "c\x1bat"}]), "holds the control character"),
    "half a surrogate": (content(categories=[{"id": 1, "name": "c\ud800"}]), "holds the control character"),
    "special token": (content(categories=[{"id": 1, "name": "<|im_end|>"}]), "tag or a special token"),
    "no annotations": (content(annotations=[]), "has no annotations"),
    "all crowds": (
        content(annotations=[content({"iscrowd": 1})["annotations"][1]]),
        "all annotations are crowds",
    ),
    "empty list": ("[]", "an empty list, neither an export of Label Studio nor COCO, which begins with {"),
    "list of detections": (
        '[{"image_id": 0, "category_id": 1, "bbox": [1, 1, 5, 5], "score": 0.5}]',
        "does not say which picture an image_id is; give the COCO file",
    ),
    "empty file": ("", "not the expected JSON near character 0"),
    "number of 5,000 digits": ('{"images": [' + "1" * 5000 + "]}", "not the expected JSON"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_fault_is_named_and_nothing_is_left(source: Path, fault: str) -> None:
    made, problem = REFUSED[fault]
    with pytest.raises(DataError, match=problem) as caught:
        build(source, made)
    assert ";" in str(caught.value)  # ends with what to do
    assert sorted(path.name for path in source.parent.iterdir()) == ["source"]


def test_utf_16_is_told(source: Path) -> None:
    (source / "boxes.json").write_text(json.dumps(content()), encoding="utf-16")
    with pytest.raises(DataError, match="is not UTF-8 text.*save it as UTF-8"):
        builder.plan(source, name="mine", annotations=Path("boxes.json"))


@pytest.mark.parametrize("crowd", [0, "0", False, None, 0.0])
def test_no_crowd(source: Path, crowd: Any) -> None:
    manifest = build(source, content({"iscrowd": crowd}))
    assert sum(manifest.counts.values()) == 2


@pytest.mark.parametrize("crowd", [1, "1", True, 1.0])
def test_every_pair_of_a_crowd_is_counted(source: Path, crowd: Any) -> None:
    """One with other boxes besides, one without."""
    made = content({"iscrowd": crowd}, {"image_id": 0, "iscrowd": crowd}, {"image_id": 2})
    manifest = build(source, made)
    assert manifest.drops[CROWD] == ("0.jpg cat", "1.jpg cat")
    assert manifest.drops[NO_BOX] == ("3.jpg",)
    assert sum(manifest.counts.values()) == 1


def test_two_categories_of_one_letter_are_told(source: Path) -> None:
    """CPython has one object for each string of one letter."""
    names = [{"id": 1, "name": "A"}, {"id": 2, "name": "A"}]
    with pytest.raises(DataError, match="its name 'A' is that of another, 'A'"):
        build(source, content(categories=names))


@pytest.mark.parametrize(("first", "second"), [("café", "cafe\u0301"), ("x", "ｘ")])
def test_two_categories_that_look_the_same_are_told(source: Path, first: str, second: str) -> None:
    names = [{"id": 1, "name": first}, {"id": 2, "name": second}]
    with pytest.raises(DataError, match=f"its name '{second}' is that of another, '{first}'; join the two"):
        build(source, content(categories=names))


def test_box_that_is_there_twice_is_counted_once(source: Path) -> None:
    """Under an id of its own each; else one right box would have a recall of a half."""
    manifest = build(source, content({}, {}, {"category_id": 2}, {"bbox": [5, 5, 20, 21]}))
    [reason] = [name for name in manifest.drops if "already" in name]
    assert manifest.drops[reason] == ("annotation 3 (image 1)",)
    dataset = open_dataset(source.parent / "out")
    boxes = {gold.id: gold.annotation for split in dataset.manifest.counts for gold in dataset.golds(split)}
    assert boxes["mine/1/cat"].xywh == ((5, 5, 20, 20), (5, 5, 20, 21))
    assert boxes["mine/1/dog"].xywh == ((5, 5, 20, 20),)


@pytest.mark.parametrize(
    "box",
    [[-1, -1, 10, 10], [63, 47, 2, 2], [0, 0, 65, 49], [-1, -1, 66, 50], [63.5, 5, 1, 20], [9, 9, 0.2, 0.2]],
)
def test_box_at_the_edge_is_taken(source: Path, box: list[float]) -> None:
    build(source, content({"bbox": box}))
    assert check_dataset(source.parent / "out") == []


def test_whole_numbers_as_floats_and_missing_annotation_ids_are_taken(source: Path) -> None:
    """As pandas writes them."""
    made = content({"image_id": 1.0, "category_id": 2.0})
    for annotation in made["annotations"]:
        del annotation["id"]
    assert sum(build(source, made).counts.values()) == 2


def test_files_that_differ_in_their_ending_keep_apart(source: Path) -> None:
    write_photo(source / "1.png", 9, (64, 48), form="PNG")
    manifest = build(
        source, image(2, file_name="1.png") | {"annotations": content({}, {"image_id": 2})["annotations"]}
    )
    assert set(manifest.images_sha256) == {"mine/0/cat", "mine/1.jpg/cat", "mine/1.png/cat"}


def test_image_in_a_folder_below_is_found_unless_two_may_be_meant(source: Path) -> None:
    expected = build(source, content()).images_sha256
    shutil.rmtree(source.parent / "out")
    (source / "images").mkdir()
    (source / "0.jpg").rename(source / "images" / "0.jpg")
    assert set(build(source, content()).images_sha256.values()) == set(expected.values())
    shutil.rmtree(source.parent / "out")
    (source / "more").mkdir()
    (source / "more" / "0.jpg").write_bytes(b"another")
    with pytest.raises(DataError, match=r"0\.jpg is missing; it is in .*images; give that folder"):
        build(source, content())


def test_size_that_is_not_the_file_s_is_an_error(source: Path) -> None:
    with pytest.raises(DataError, match="the image is 64 x 48 px, the source says 60 x 40"):
        build(source, image(0, width=60, height=40))


def test_size_of_a_picture_that_exif_turns_is_told(source: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(source / "0.jpg") as picture:
        picture.save(source / "0.jpg", exif=exif)
    with pytest.raises(DataError, match="48 x 64 px, the source says 64 x 48; EXIF turns this picture"):
        build(source, content())


def many(count: int) -> list[dict[str, Any]]:
    return [{"bbox": [i % 40, i // 40 % 30, 5 + i // 1200, 5]} for i in range(count)]


def test_as_many_boxes_as_ap_looks_at(source: Path) -> None:
    build(source, content(*many(100)))
    assert check_dataset(source.parent / "out") == []


def test_more_boxes_than_ap_looks_at_are_refused_with_their_pairs(source: Path) -> None:
    made = content(*many(101), *[box | {"image_id": 2} for box in many(150)])
    with pytest.raises(
        DataError, match=r"2 \(image, class\) pairs have more than 100 boxes \(boxes.json image 1, cat: 101\)"
    ):
        build(source, made)


def test_6_000_boxes_on_one_image_are_refused_at_once(source: Path) -> None:
    """200,000 took a minute and 9.5 GB when their truth was scored."""
    made = content(*many(6_000))
    before = time.process_time()
    with pytest.raises(DataError, match="image 1, cat: 6000"):
        build(source, made)
    assert time.process_time() - before < 10


@pytest.mark.parametrize(
    ("question", "problem"),
    [("Find it.", "does not name the class; write {category}"), ("{question}", "without {question}")],
)
def test_question_that_asks_the_same_of_each_class_is_an_error(
    source: Path, question: str, problem: str
) -> None:
    with pytest.raises((ConfigError, DataError), match=problem):
        build(source, content({"category_id": 2}), question=question)
