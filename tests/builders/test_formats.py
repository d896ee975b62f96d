"""Formats of other tools are read as their owners mean them; what is wrong is named by file and place."""

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from PIL import Image
from typer.testing import CliRunner

from rise_bench.annotations.boxes.values import Boxes
from rise_bench.builders import custom as builder
from rise_bench.builders.formats.detect import detect, read_source
from rise_bench.builders.formats.picture_files import picture_file
from rise_bench.builders.formats.sniff import find_format
from rise_bench.builders.formats.upright import turned_by
from rise_bench.builders.formats.yolo import IN_NO_SPLIT
from rise_bench.cli import app
from rise_bench.data.build_plan import SourcePlan
from rise_bench.data.check import check_dataset
from rise_bench.data.dataset import open_dataset
from rise_bench.data.writer import write_dataset
from rise_bench.errors import DataError

from ..support import made_formats as made
from ..support.made_sources import write_photo

PIXEL = 1e-3


def as_written(plan: SourcePlan) -> dict[str, list[tuple[str, tuple[float, ...]]]]:
    """Picture -> (class, box), in the form of `made.TRUTH`."""
    found: dict[str, list[tuple[str, tuple[float, ...]]]] = {}
    for row in sorted(plan.rows, key=lambda row: row.id):
        boxes = found.setdefault(Path(row.source_id).name, [])
        boxes += [(row.category, box) for box in row.annotation.xywh]
    return found


def assert_truth(plan: SourcePlan, within_px: float = PIXEL) -> None:
    found = as_written(plan)
    expected = {name: boxes for name, boxes in made.TRUTH.items() if boxes}
    assert found.keys() == expected.keys()
    for name, boxes in expected.items():
        for (category, box), (true_category, *true_box) in zip(found[name], boxes, strict=True):
            assert category == true_category
            assert box == pytest.approx(true_box, abs=within_px)


FORMATS: dict[str, tuple[Callable[[Path], Path], str, int]] = {
    "Ultralytics": (made.yolo, "yolo", 2),
    "Roboflow": (made.roboflow, "yolo", 2),
    "LabelImg": (made.labelimg_yolo, "yolo", 2),
    "Pascal VOC": (made.voc, "voc", 1),
    "CVAT": (made.cvat, "cvat", 2),
    "Label Studio": (made.label_studio, "label-studio", 2),
}


@pytest.mark.parametrize("name", FORMATS)
def test_format_is_detected_and_read(tmp_path: Path, name: str) -> None:
    write, format_name, empty = FORMATS[name]
    source = write(tmp_path / "source")
    found = detect(source)
    assert (found.format, found.kind, found.problems, found.empty) == (format_name, "boxes", (), empty)
    assert found.classes == {"cup": 2, "jar": 3}
    plan = builder.plan(source, name="mine", test_fraction=0.3)
    assert_truth(plan)
    kept = builder.plan(source, name="mine", keep_empty=True)
    assert len(kept.rows) == len(plan.rows) + 2 * empty
    splits = found.splits and {Path(row.source_id).name for row in plan.test}
    assert splits in ({}, {"0.jpg"}, {"0.jpg", "3.jpg"})
    assert bool(splits) == (name in ("Ultralytics", "Roboflow", "Pascal VOC"))


def test_names_of_yolo_are_what_is_written(tmp_path: Path) -> None:
    source = made.pictures(tmp_path / "source", ["0.jpg"])
    (source / "data.yaml").write_text("names: {0: off, 1: on, 2: no, 3: 1}\nnc: 4\nval:\n")
    (source / "0.txt").write_text("0 .5 .5 .5 .5\n2 .5 .5 .2 .2\n")
    assert detect(source).classes == {"off": 1, "on": 0, "no": 1, "1": 0}


def test_label_studio_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    source = made.label_studio(tmp_path / "source")
    (export,) = source.glob("*.json")
    export.write_bytes(b"\xef\xbb\xbf" + export.read_bytes())
    assert detect(source).problems == ()
    assert_truth(builder.plan(source, name="mine", test_fraction=0.3))


def test_what_is_read_is_built_and_checked(tmp_path: Path) -> None:
    for name in ("cvat", "label_studio"):
        source = getattr(made, name)(tmp_path / name)
        write_dataset(
            builder.plan(source, name="mine", keep_empty=True, test_fraction=0.5), tmp_path / f"{name}-out"
        )
        assert check_dataset(tmp_path / f"{name}-out") == []


@pytest.mark.parametrize("as_format", ["yolo", "voc", "coco"])
def test_files_of_supervision(tmp_path: Path, as_format: str) -> None:
    """What the library writes that owns no format and writes three."""
    sv = pytest.importorskip("supervision")
    np = pytest.importorskip("numpy")
    given = made.pictures(tmp_path / "given")
    detections = {
        str(given / name): sv.Detections(
            xyxy=np.array([(x, y, x + w, y + h) for _, x, y, w, h in boxes], dtype=float).reshape(-1, 4),
            class_id=np.array([made.CLASSES.index(c) for c, *_ in boxes], dtype=int),
        )
        for name, boxes in made.TRUTH.items()
    }
    dataset = sv.DetectionDataset(made.CLASSES, list(detections), detections)
    source, labels = tmp_path / "source", tmp_path / "source" / "labels"
    if as_format == "yolo":
        dataset.as_yolo(str(source / "images"), str(labels), str(source / "data.yaml"))
    elif as_format == "voc":
        dataset.as_pascal_voc(str(source / "images"), str(labels))
    else:
        dataset.as_coco(str(source / "images"), str(source / "boxes.json"))
    found = detect(source)
    assert (found.format, found.problems, found.empty) == (as_format, (), 2)
    assert_truth(builder.plan(source, name="mine"), within_px=0.01)


def region(**value: Any) -> list[dict[str, Any]]:
    box = made.studio_box(("cup", 4, 6, 20, 10))
    return [box | {"value": box["value"] | value}]


def test_choices_of_several_people_are_probabilities(tmp_path: Path) -> None:
    source = made.pictures(tmp_path / "source", ["0.jpg", "1.jpg", "2.jpg"])
    cup, jar = made.studio_choice("cup"), made.studio_choice("jar")
    tasks = [
        made.studio_task(0, "0.jpg", cup, jar, cup, cup),
        made.studio_task(1, "1.jpg", jar),
        made.studio_task(2, "2.jpg"),
    ]
    (source / "export.json").write_text(json.dumps(tasks))
    plan = builder.plan(source, name="mine")
    assert {row.source_id: row.annotation.probs for row in plan.rows} == {
        "0.jpg": (0.75, 0.25),
        "1.jpg": (0.0, 1.0),
    }
    assert (plan.spec.metric, dict(plan.drops)["nobody has annotated the task"]) == ("jsd", ["2.jpg"])
    tasks[0]["annotations"][0]["ground_truth"] = True
    (source / "export.json").write_text(json.dumps(tasks))
    assert builder.plan(source, name="mine").spec.metric == "accuracy"


@pytest.mark.parametrize(
    "address",
    ["0.jpg", "/data/local-files/?d=in/0.jpg", "s3://bucket/in/0.jpg", "https://x.org/a%20b/0.jpg?w=1"],
)
def test_addresses_of_label_studio(tmp_path: Path, address: str) -> None:
    source = tmp_path / "source"
    write_photo(source / "in" / "0.jpg", 0, made.SIZE)
    task = made.studio_task(0, "", region()) | {"data": {"image": address}}
    (source / "export.json").write_text(json.dumps([task]))
    assert detect(source).problems == ()


def test_tags_of_cvat_are_classes(tmp_path: Path) -> None:
    source = made.pictures(tmp_path / "source", ["0.jpg", "1.jpg", "2.jpg"])
    tags = ['<tag label="cup"/>', '<tag label="jar"/>', ""]
    images = "".join(made.cvat_image(i, f"{i}.jpg", tag) for i, tag in enumerate(tags))
    (source / "annotations.xml").write_text(made.cvat_xml(images))
    found = detect(source)
    assert (found.kind, found.classes, found.left_out) == (
        "distribution",
        {"cup": 1, "jar": 1},
        {"the picture has no tag": 1},
    )


def test_subsets_of_cvat_are_splits(tmp_path: Path) -> None:
    source = made.cvat(tmp_path)
    text = (source / "annotations.xml").read_text()
    for name, subset in (("0.jpg", "Validation"), ("1.jpg", "Train"), ("2.jpg", "")):
        text = text.replace(f'name="{name}" subset="default"', f'name="{name}" subset="{subset}"')
    (source / "annotations.xml").write_text(text)
    assert {Path(row.source_id).name for row in builder.plan(source, name="mine").test} == {"0.jpg"}


def test_command_reads_a_folder_of_voc_files(tmp_path: Path) -> None:
    source = made.voc(tmp_path / "source")
    command = ["build", "custom", "--source", str(source), "--name", "mine", "--annotations", "Annotations"]
    result = CliRunner().invoke(app, [*command, "--keep-empty", "--out", str(tmp_path / "out"), "--json"])
    assert result.exit_code == 0, result.output
    assert open_dataset(tmp_path / "out").manifest.counts == {"train": 4, "test": 3}
    unknown = CliRunner().invoke(app, [*command, "--format", "xls", "--out", str(tmp_path / "other")])
    assert unknown.exit_code != 0


def classes_of(source: Path) -> dict[str, list[str]]:
    """File -> classes of its boxes, as `build` reads a folder."""
    found: dict[str, list[str]] = {}
    for row in planned(source, test_fraction=0).rows:
        found.setdefault(row.source_id, []).append(row.category)
    return found


def planned(source: Path, **options: Any) -> SourcePlan:
    name, annotations = find_format(source, None)
    return builder.plan(source, name="own", annotations=annotations, format_name=name, **options)


BOX = [("cup", 4, 6, 20, 10)]


@pytest.mark.parametrize(
    "fields",
    [
        {"attributes": {"angle": "45", "rotation": 0.0}},
        {"attributes": {"rotation": True}},
        {"rotation": -1e-7},
        {"rotation": float("nan")},
        {"rotation": 10**400},
        {"angle": "front"},
        {"rotation": 360},
    ],
)
def test_a_field_that_turns_no_box_is_left_alone(fields: dict[str, Any]) -> None:
    assert turned_by(fields, fields.get("attributes", {})) == ""


def test_yolo_pictures_that_are_all_in_one_split_are_that_split(tmp_path: Path) -> None:
    for kind in ("images", "labels"):
        (tmp_path / kind / "val").mkdir(parents=True)
    (tmp_path / "data.yaml").write_text("names: [cup]")
    for number in range(3):
        write_photo(tmp_path / "images" / "val" / f"{number}.jpg", number)
        (tmp_path / "labels" / "val" / f"{number}.txt").write_text("0 0.5 0.5 0.2 0.2")
    assert not planned(tmp_path).train and len(planned(tmp_path).test) == 3


@pytest.mark.parametrize(
    ("data", "to_name", "file"),
    [
        ({"image": "0.jpg", "image2": "1.jpg"}, "image", "0.jpg"),
        ({"image": "0.jpg", "image2": "1.jpg"}, "image2", "1.jpg"),
        ({"image": "0.jpg", "image2": "1.jpg"}, "img2", None),
        ({"image": "0.jpg", "filename": "0.jpg"}, "img", "0.jpg"),
        ({"photo": "1.jpg"}, "img", "1.jpg"),
        ({"text": "a cup", "image": "1.jpg"}, "text", "1.jpg"),
    ],
)
def test_label_studio_takes_the_picture_that_was_annotated(
    tmp_path: Path, data: dict[str, str], to_name: str, file: str | None
) -> None:
    for number in range(2):
        write_photo(tmp_path / f"{number}.jpg", number, (64, 48))
    tasks = [made.studio_task(1, "0.jpg", [made.studio_box(BOX[0]) | {"to_name": to_name}]) | {"data": data}]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    if file is None:
        with pytest.raises(DataError, match=r"task 1: its data name several pictures \(image, image2\)"):
            classes_of(tmp_path)
    else:
        assert classes_of(tmp_path) == {file: ["cup"]}


def test_label_studio_projects_that_call_the_picture_otherwise_go_together(tmp_path: Path) -> None:
    for number in range(2):
        write_photo(tmp_path / f"{number}.jpg", number, (64, 48))
    tasks = [
        made.studio_task(number, f"{number}.jpg", [made.studio_box(BOX[0]) | {"to_name": name}])
        for number, name in enumerate(("image", "img"))
    ]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    assert classes_of(tmp_path).keys() == {"0.jpg", "1.jpg"}


def test_an_upright_box_is_read_and_a_deleted_one_is_not(tmp_path: Path) -> None:
    write_photo(tmp_path / "0.jpg", 0)
    text = made.voc_xml("0.jpg", [("cup", 4, 6, 20, 10), ("cat", 4, 6, 20, 10), ("dog", 1, 1, 9, 9)])
    text = text.replace("<name>cup</name>", "<name>cup</name><angle>front</angle><rotation>360</rotation>")
    text = text.replace("<name>cat</name>", "<name>cat</name><deleted>1</deleted>")
    (tmp_path / "0.xml").write_text(text)
    assert sorted(classes_of(tmp_path)["0.jpg"]) == ["cup", "dog"]


def test_voc_takes_the_picture_of_its_own_name(tmp_path: Path) -> None:
    """Pictures that were renamed with their XML files, whose `filename` is the old one; and of folders."""
    made.pictures(tmp_path / "renamed", ["a.jpg", "b.jpg"])
    for stem, other, name in (("a", "b", "cup"), ("b", "a", "jar")):
        text = made.voc_xml(f"{other}.jpg", [(name, *BOX[0][1:])])
        (tmp_path / "renamed" / f"{stem}.xml").write_text(text)
    assert classes_of(tmp_path / "renamed") == {"a.jpg": ["cup"], "b.jpg": ["jar"]}
    folders = tmp_path / "folders"
    made.pictures(folders, ["train/1.jpg", "valid/1.jpg"])
    for split, name in (("train", "cup"), ("valid", "jar")):
        (folders / split / "1.xml").write_text(made.voc_xml("1.jpg", [(name, *BOX[0][1:])]))
    assert classes_of(folders) == {"train/1.jpg": ["cup"], "valid/1.jpg": ["jar"]}
    official = tmp_path / "official"
    made.pictures(official / "JPEGImages", ["v1/1.jpg", "v2/1.jpg"])
    for version, name in (("v1", "cup"), ("v2", "jar")):
        path = official / "Annotations" / version / "1.xml"
        path.parent.mkdir(parents=True)
        path.write_text(made.voc_xml("1.jpg", [(name, *BOX[0][1:])]))
    plan = builder.plan(official, name="own", annotations=official / "Annotations", test_fraction=0)
    found = {row.source_id: row.category for row in plan.rows}
    assert found == {"JPEGImages/v1/1.jpg": "cup", "JPEGImages/v2/1.jpg": "jar"}


@pytest.mark.parametrize(
    ("xml", "pictures", "problem"),
    [
        (["a/1.xml", "a/2.xml"], ["a/2.jpg", "b/1.jpg"], r"a/1\.xml: 1\.jpg lies where pictures of other"),
        (["1.xml", "2.xml"], ["2.jpg", "b/1.jpg"], r"1\.xml: 1\.jpg lies"),
        (["a/1.xml", "b/2.xml"], ["b/1.jpg", "b/2.jpg"], r"a/1\.xml: 1\.jpg lies"),
        (["a/1.xml"], ["a/2.jpg", "b/1.jpg"], r"a/1\.xml: 1\.jpg lies"),
        (["a/1.xml", "a/2.xml"], ["a/2.jpg"], r"a/1\.xml: .*a/1\.jpg is missing"),
        (["a/xml/1.xml"], ["a/img/2.jpg", "b/img/1.jpg"], r"a/xml/1\.xml: 1\.jpg lies"),
        (["Annotations/a/1.xml"], ["JPEGImages/a/2.jpg", "JPEGImages/b/1.jpg"], r"a/1\.xml: 1\.jpg lies"),
        (["xml/1.xml"], ["a/1.jpg", "b/1.jpg"], r"xml/1\.xml: its picture may be a/1\.jpg or b/1"),
        (["xml/1.xml"], ["a/1.jpg", "a/1.png", "b/1.png"], ""),
        (["xml/train/1.xml", "xml/val/2.xml"], ["img/1.jpg", "img/2.jpg"], ""),
        (["xml/a/1.xml", "xml/b/1.xml"], ["img/a/1.jpg", "img/b/1.jpg"], ""),
        (["a/xml/1.xml", "b/xml/1.xml"], ["a/img/1.jpg", "b/img/1.jpg"], ""),
    ],
)
def test_voc_takes_no_picture_of_another_folder(
    tmp_path: Path, xml: list[str], pictures: list[str], problem: str
) -> None:
    made.pictures(tmp_path, pictures)
    for path in xml:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(made.voc_xml(Path(path).with_suffix(".jpg").name, BOX))

    def plan() -> SourcePlan:
        return builder.plan(tmp_path, name="own", annotations=tmp_path, format_name="voc", test_fraction=0)

    if problem:
        with pytest.raises(DataError, match=problem):
            plan()
    else:
        assert len(plan().rows) == len(xml)


def test_flat_voc_files_outside_the_source_are_of_pictures_in_any_folder(tmp_path: Path) -> None:
    made.pictures(tmp_path / "photos", ["1.jpg", "b2/2.jpg"])
    (annotations := tmp_path / "annotations").mkdir()
    for name in ("1", "2"):
        (annotations / f"{name}.xml").write_text(made.voc_xml(f"{name}.jpg", BOX))
    asked = {"name": "own", "annotations": annotations, "format_name": "voc", "test_fraction": 0}
    plan = builder.plan(tmp_path / "photos", **asked)
    assert len(plan.rows) == 2


def test_yolo_takes_no_labels_of_a_namesake(tmp_path: Path) -> None:
    made.pictures(tmp_path, ["1.jpg", "night/1.jpg", "day/2.jpg"])
    (tmp_path / "classes.txt").write_text("cup\njar\n")
    for path, name in (("night/1", "jar"), ("2", "cup")):
        (tmp_path / "labels" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "labels" / f"{path}.txt").write_text(made.yolo_text([(name, *BOX[0][1:])]))
    (tmp_path / "1.txt").write_text(made.yolo_text(BOX))
    expected = {"1.jpg": ["cup"], "night/1.jpg": ["jar"], "day/2.jpg": ["cup"]}
    assert classes_of(tmp_path) == expected
    (tmp_path / "labels" / "1.txt").write_text(made.yolo_text(BOX))
    (tmp_path / "1.txt").unlink()
    assert classes_of(tmp_path) == expected, "of a picture of the source itself"
    (tmp_path / "1.jpg").rename(tmp_path / "day" / "1.jpg")
    with pytest.raises(DataError, match=r"labels/1\.txt: several pictures are called 1"):
        classes_of(tmp_path)


def test_pictures_outside_the_splits_of_yolo_are_counted(tmp_path: Path) -> None:
    made.yolo(tmp_path)
    made.pictures(tmp_path / "images" / "extra", ["9.jpg"])
    text = (tmp_path / "data.yaml").read_text()
    (tmp_path / "data.yaml").write_text(text.replace("val:", "validation:"))
    plan = planned(tmp_path)
    assert list(plan.drops[IN_NO_SPLIT]) == ["images/extra/9.jpg"]
    assert plan.train and plan.test, "the key of the validation pictures may be written out"


@pytest.mark.parametrize("form", ["TIFF", "JPEG", "PNG"])
def test_shares_of_a_turned_picture_are_of_what_is_shown(tmp_path: Path, form: str) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    suffix = {"TIFF": "tif", "JPEG": "jpg", "PNG": "png"}[form]
    write_photo(tmp_path / f"1.{suffix}", 1, (100, 50), form=form, exif=turned)
    (tmp_path / "classes.txt").write_text("cup\n")
    (tmp_path / "1.txt").write_text("0 0.2 0.5 0.2 0.2\n")
    (row,) = planned(tmp_path, test_fraction=0).rows
    assert row.annotation == Boxes(((5.0, 40.0, 10.0, 20.0),))


def test_hidden_files_and_other_xml_are_no_annotations(tmp_path: Path) -> None:
    made.pictures(tmp_path, ["cup/1.jpg", "jar/2.jpg"])
    others = {".idea/misc.xml": "<project/>", "cup/._x.xml": "\0", "jar/notes.xml": "<notes/>"}
    for path, text in others.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    assert find_format(tmp_path, None) == ("folders", None)


def test_an_export_of_training_pictures_alone_still_gets_a_test_split(tmp_path: Path) -> None:
    made.pictures(tmp_path, [f"train/{number}.jpg" for number in range(8)])
    for path in (tmp_path / "train").glob("*.jpg"):
        path.with_suffix(".txt").write_text(made.yolo_text(BOX))
    (tmp_path / "data.yaml").write_text("names: [cup]\ntrain: train\n")
    plan = planned(tmp_path, test_fraction=0.25)
    assert (len(plan.train), len(plan.test), plan.options["test_fraction"]) == (6, 2, "0.25")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("labels.csv", "image_id;klasse\n1;cup\n"),
        ("cup/_annotations.coco.json", '{"images": [], "annotations": []}'),
        ("cup/1.txt", "0 .5 .5 .5 .5"),
        ("cup/deep/3.xml", "<annotation/>"),
    ],
)
def test_folders_are_no_classes_where_annotations_may_be_meant(tmp_path: Path, path: str, text: str) -> None:
    made.pictures(tmp_path, ["cup/1.jpg", "jar/2.jpg", "cup/deep/3.jpg"])
    assert find_format(tmp_path, None)[0] == "folders"
    (tmp_path / path).write_text(text)
    with pytest.raises(DataError, match="looks like annotations .*--format folders"):
        find_format(tmp_path, None)
    assert find_format(tmp_path, None, sure=True)[0] == "folders"


def test_splits_of_another_name_are_no_classes(tmp_path: Path) -> None:
    names = [f"{split}/{name}/{split}{name}.jpg" for split in ("Training", "Testing") for name in ("a", "b")]
    made.pictures(tmp_path, names)
    plan = planned(tmp_path)
    assert plan.spec.classes == ("a", "b") and (len(plan.train), len(plan.test)) == (2, 2)
    (tmp_path / "Training").rename(tmp_path / "first")
    (tmp_path / "Testing").rename(tmp_path / "second")
    with pytest.raises(DataError, match="first and second both hold the folders a, b, as splits do"):
        planned(tmp_path)
    assert planned(tmp_path, test_fraction=0, classes=("first", "second")).spec.classes == ("first", "second")
    made.pictures(tmp_path, ["first/own.jpg"])
    assert planned(tmp_path, test_fraction=0).spec.classes == ("first", "second")


def test_splits_within_classes_are_no_reason_to_refuse_them(tmp_path: Path) -> None:
    made.pictures(
        tmp_path, [f"{name}/{split}/{name}{split}.jpg" for name in "ab" for split in ("train", "test")]
    )
    assert planned(tmp_path, test_fraction=0).spec.classes == ("a", "b")


def test_pictures_of_a_split_without_classes_are_counted(tmp_path: Path) -> None:
    made.pictures(tmp_path, ["train/a/1.jpg", "train/b/2.jpg", "val/a/3.jpg", "val/b/4.jpg", "test/7.jpg"])
    assert sum(plan_drops := [len(names) for names in planned(tmp_path).drops.values()]) == 1, plan_drops


def test_the_whole_path_of_label_studio_tells_namesakes_apart(tmp_path: Path) -> None:
    made.pictures(tmp_path, ["cats/1.jpg", "dogs/1.jpg", "1.jpg"])
    addresses = {
        "/data/local-files/?d=photos/cats/1.jpg": "cats/1.jpg",
        "s3://bucket/dogs/1.jpg": "dogs/1.jpg",
    }
    tasks = [
        made.studio_task(number, "", region()) | {"data": {"image": address}}
        for number, address in enumerate(addresses)
    ]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    assert set(classes_of(tmp_path)) == set(addresses.values())


def test_classes_that_are_asked_for_order_those_of_yolo_and_rename_none(tmp_path: Path) -> None:
    made.pictures(tmp_path, ["1.jpg"])
    (tmp_path / "data.yaml").write_text("names: [cup, jar]\n")
    (tmp_path / "1.txt").write_text("0 .5 .5 .5 .5\n")
    plan = planned(tmp_path, test_fraction=0, classes=("jar", "cup"))
    assert [row.category for row in plan.rows] == ["cup"] and plan.categories == ("jar", "cup")
    with pytest.raises(DataError, match="names the classes cup, jar, and --classes jar, mug"):
        planned(tmp_path, classes=("jar", "mug"))


def test_lists_of_voc_may_name_trainval_and_stems_with_blanks(tmp_path: Path) -> None:
    stems = ["a 1", "a 2", "b"]
    made.pictures(tmp_path / "JPEGImages", [f"{stem}.jpg" for stem in stems])
    for folder in ("Annotations", "ImageSets/Main"):
        (tmp_path / folder).mkdir(parents=True)
    for stem in stems:
        (tmp_path / "Annotations" / f"{stem}.xml").write_text(made.voc_xml(f"{stem}.jpg", BOX))
    (tmp_path / "ImageSets" / "Main" / "trainval.txt").write_text("a 1\nb 1\n")
    (tmp_path / "ImageSets" / "Main" / "test.txt").write_text("a 2\n")
    plan = planned(tmp_path)
    assert {Path(row.source_id).stem for row in plan.test} == {"a 2"}
    assert {Path(row.source_id).stem for row in plan.train} == {"a 1", "b"}


def test_two_images_of_coco_do_not_share_a_picture(tmp_path: Path) -> None:
    made.pictures(tmp_path, ["a/1.jpg"])
    images = [
        {"id": n, "file_name": name, "width": 64, "height": 48} for n, name in ((1, "1.jpg"), (2, "a/1.jpg"))
    ]
    boxes = [{"id": n, "image_id": n, "category_id": n, "bbox": [4, 6, 20, 10]} for n in (1, 2)]
    classes = [{"id": n, "name": name} for n, name in ((1, "cup"), (2, "jar"))]
    content = {"images": images, "annotations": boxes, "categories": classes}
    (tmp_path / "labels.json").write_text(json.dumps(content))
    with pytest.raises(
        DataError, match=r"labels\.json image 2: 'a/1\.jpg' is a/1\.jpg, as is image 1, '1\.jpg'"
    ):
        planned(tmp_path)


def _coco(folder: Path, categories: list[dict[str, Any]], category_id: int = 1) -> Path:
    made.pictures(folder, ["1.jpg", "2.jpg"])
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 64, "height": 48} for n in (1, 2)]
    boxes = [{"id": 1, "image_id": 1, "category_id": category_id, "bbox": [4, 6, 20, 10]}]
    content = {"images": images, "annotations": boxes, "categories": categories}
    (folder / "labels.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("root", ["helmets", "helmet"])
def test_the_root_category_of_roboflow_is_no_class(tmp_path: Path, root: str) -> None:
    categories = [
        {"id": 0, "name": root, "supercategory": "none"},
        {"id": 1, "name": "helmet", "supercategory": root},
    ]
    plan = planned(_coco(tmp_path / "a", categories), test_fraction=0, keep_empty=True)
    assert plan.categories == ("helmet",) and len(plan.rows) == 2
    used = _coco(tmp_path / "b", categories, category_id=0)
    if root == "helmet":
        with pytest.raises(DataError, match="two categories are called 'helmet'; join the two"):
            planned(used)
        for other in ("Helmet", "helmet_"):
            odd = [categories[0] | {"name": other}, categories[1] | {"supercategory": other}]
            with pytest.raises(DataError, match="join the two"):
                planned(_coco(tmp_path / other, odd, category_id=0))
    else:
        assert planned(used, test_fraction=0).categories == ("helmets", "helmet")
    alone = [
        {"id": 1, "name": "cup", "supercategory": "none"},
        {"id": 2, "name": "jar", "supercategory": "jar"},
    ]
    assert planned(_coco(tmp_path / "c", alone), test_fraction=0).categories == ("cup", "jar")


def test_a_list_of_classes_hides_no_other_annotations(tmp_path: Path) -> None:
    folders, table = tmp_path / "folders", tmp_path / "table"
    made.pictures(folders, ["cat/1.jpg", "cat/2.jpg", "dog/3.jpg"])
    made.pictures(table, ["1.jpg", "2.jpg"])
    (table / "labels.csv").write_text("file,label\n1.jpg,cat\n2.jpg,dog\n")
    boxes = made.pictures(tmp_path / "boxes", ["a/1.JPG", "b/2.JPG"])
    for source in (folders, table, boxes):
        (source / "classes.txt").write_text("cat\ndog\n")
    for stem in ("a/1", "b/2"):
        (boxes / f"{stem}.txt").write_text("0 .5 .5 .5 .5")
    assert find_format(boxes, None) == ("yolo", boxes / "classes.txt")
    (boxes / "classes.txt").unlink()
    with pytest.raises(DataError, match=r"1\.txt looks like annotations"):
        find_format(boxes, None)
    assert find_format(folders, None) == ("folders", None)
    assert find_format(table, None) == ("csv", table / "labels.csv")


def _studio(source: Path, addresses: list[str]) -> Path:
    tasks = [
        made.studio_task(number, "", region()) | {"data": {"image": address}}
        for number, address in enumerate(addresses)
    ]
    (source / "export.json").write_text(json.dumps(tasks))
    return source


LOCAL = "/data/local-files/?d="


@pytest.mark.parametrize(
    ("addresses", "pictures", "missing"),
    [
        (["20230415-cat.jpg"], ["cat.jpg"], "20230415-cat.jpg"),
        (["/data/upload/1/0123abcd-photo_20230415-1.jpg"], ["photo_1.jpg"], "photo_20230415-1.jpg"),
        (["photo_20230415-1.jpg"], ["photo_1.jpg"], "photo_20230415-1.jpg"),
        ([f"{LOCAL}s1/001.jpg"], ["s2/001.jpg"], "s1/001.jpg"),
        (["s1/001.jpg", "s2/002.jpg"], ["s2/001.jpg", "s2/002.jpg"], "s1/001.jpg"),
        (["https://x.org/s1/1.jpg", "https://x.org/s2/2.jpg"], ["s2/1.jpg", "s2/2.jpg"], "s1/1.jpg"),
        (["s3://x/a/1.jpg", "s3://x/b/1.jpg"], ["1.jpg"], "a/1.jpg"),
        (["http://[x/1.jpg"], ["2.jpg"], "1.jpg"),
        ([f"{LOCAL}a%2520b.jpg"], ["a b.jpg"], "a%20b.jpg"),
    ],
)
def test_a_missing_picture_of_label_studio_is_not_replaced(
    tmp_path: Path, addresses: list[str], pictures: list[str], missing: str
) -> None:
    made.pictures(tmp_path, pictures)
    with pytest.raises(DataError, match=rf"task 0: .*{missing}.*(is missing|has only its name); "):
        planned(_studio(tmp_path, addresses))


@pytest.mark.parametrize(
    ("addresses", "pictures"),
    [
        ([f"{LOCAL}{quote('a%20b.jpg')}", f"{LOCAL}{quote('a b.jpg')}"], ["a%20b.jpg", "a b.jpg"]),
        (["s3://x/a%20b.jpg"], ["a%20b.jpg"]),
        (["a%20b.jpg"], ["a b.jpg"]),
        (["my%20folder/1.jpg", "my%20folder/2.jpg"], ["1.jpg", "2.jpg"]),
        (["s3://bk/my%20folder/a/1.jpg"], ["a/1.jpg"]),
        ([f"{LOCAL}in/p/1.jpg", f"{LOCAL}in/2.jpg"], ["p/1.jpg", "2.jpg"]),
        ([f"{LOCAL}in%5C1.jpg"], ["photos/in/1.jpg"]),
        (["https://x.org/11/1.jpg", "https://y.org/12/2.jpg", "https://y.org/13/3.jpg"], list("123")),
        (["http://x.org/label/data/upload/1/0123abcd-1.jpg"], ["deep/1.jpg"]),
        (["/data/upload/1/0123abcd-1.jpg"], ["0123abcd-1.jpg"]),
        (["/ls/data/upload/1/0123abcd-1.jpg"], ["1.jpg"]),
    ],
)
def test_pictures_of_label_studio_are_found(
    tmp_path: Path, addresses: list[str], pictures: list[str]
) -> None:
    pictures = [name if "." in name else f"{name}.jpg" for name in pictures]
    made.pictures(tmp_path, pictures)
    assert list(classes_of(_studio(tmp_path, addresses))) == pictures


def test_an_address_of_two_readings_is_refused_where_both_are_pictures(tmp_path: Path) -> None:
    made.pictures(tmp_path, ["a%20b.jpg", "a b.jpg"])
    with pytest.raises(DataError, match=r"task 0: 'a%20b\.jpg' may be a b\.jpg or a%20b\.jpg; rename one"):
        planned(_studio(tmp_path, ["a%20b.jpg"]))


def test_uploads_of_label_studio_have_names_without_blanks_and_brackets(tmp_path: Path) -> None:
    made.pictures(tmp_path, ["my photo (1).png", "other.png"])
    address = "/data/upload/1/9f8e7d6c-my_photo_1.png"
    task = made.studio_task(0, "", region()) | {"data": {"image": address}}
    (tmp_path / "export.json").write_text(json.dumps([task]))
    assert list(classes_of(tmp_path)) == ["my photo (1).png"]
    made.pictures(tmp_path / "more", ["my photo 1.png"])
    with pytest.raises(DataError, match="my_photo_1.png is missing"):
        planned(tmp_path)


def test_a_name_in_another_unicode_form_is_told(tmp_path: Path) -> None:
    made.pictures(tmp_path, [unicodedata.normalize("NFD", "é.jpg"), "2.jpg"])
    (tmp_path / "labels.csv").write_text(unicodedata.normalize("NFC", "file,label\né.jpg,cat\n2.jpg,dog\n"))
    with pytest.raises(DataError, match=r"the file is called .*\(in another Unicode form, NFC or NFD\)"):
        planned(tmp_path)


@pytest.mark.parametrize("name", ["labels.csv", "1.xml", "data.yaml"])
def test_annotations_that_are_looked_for_lie_in_the_source(tmp_path: Path, name: str) -> None:
    source, outside = made.pictures(tmp_path / "source", ["1.jpg", "2.jpg"]), tmp_path / name
    texts = {
        "labels.csv": "file,label\n1.jpg,cat\n2.jpg,dog\n",
        "1.xml": made.voc_xml("1.jpg", BOX),
        "data.yaml": "names: [cup]\n",
    }
    outside.write_text(texts[name])
    (source / name).symlink_to(outside)
    with pytest.raises(DataError, match="is a link that leads out of"):
        planned(source)


def test_label_texts_of_yolo_may_end_in_capitals(tmp_path: Path) -> None:
    made.pictures(tmp_path / "images", ["1.jpg", "2.JPG"])
    (tmp_path / "labels").mkdir()
    (tmp_path / "classes.txt").write_text("cup\njar\n")
    for name, line in (("1.txt", "0 .5 .5 .5 .5"), ("2.TXT", "1 .5 .5 .5 .5")):
        (tmp_path / "labels" / name).write_text(line)
    assert classes_of(tmp_path) == {"images/1.jpg": ["cup"], "images/2.JPG": ["jar"]}
    (tmp_path / "labels" / "3.TXT").write_text("0 .5 .5 .5 .5")
    with pytest.raises(DataError, match=r"3\.TXT"):
        planned(tmp_path)


@pytest.mark.parametrize(
    ("folder", "advice"),
    [
        ("photos", r"start with photos/; give .*/x as --source"),
        ("images", r"there without images/; take that off"),
    ],
)
def test_paths_that_name_the_folder_itself_are_explained(tmp_path: Path, folder: str, advice: str) -> None:
    photos = tmp_path / "x" / "photos"
    photos.mkdir(parents=True)
    (photos / "a.jpg").touch()
    with pytest.raises(DataError, match=advice):
        picture_file(photos, f"{folder}/a.jpg", "labels.csv line 2")


def test_tasks_that_nobody_has_reviewed_are_refused_as_such(tmp_path: Path) -> None:
    source = made.label_studio(tmp_path / "source")
    (path,) = source.glob("*.json")
    tasks = json.loads(path.read_text())
    for task in tasks:
        task["predictions"] = task.pop("annotations")
    path.write_text(json.dumps(tasks))
    with pytest.raises(DataError, match=rf"{len(tasks)} of {len(tasks)} tasks have predictions and none"):
        read_source(source, path)


def test_the_line_of_a_table_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes("file,label\n1.jpg,dog\n2.jpg,Käse\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"near line 3: .*save it as UTF-8"):
        read_source(tmp_path, path)
