"""Sources that look like something else, or whose annotations may not be true."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rise_bench.builders import custom as builder
from rise_bench.builders.formats.coco_table import CROWD
from rise_bench.builders.formats.detect import detect
from rise_bench.builders.formats.voc import DIFFICULT
from rise_bench.cli import app
from rise_bench.data.writer import write_dataset
from rise_bench.errors import DataError

from ..support import made_formats as made
from ..support.made_sources import coco_json, photo, write_photo


def folders(source: Path, *files: str) -> Path:
    for number, file in enumerate(files):
        path = source / file
        if path.suffix in (".jpg", ".png"):
            write_photo(path, number)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}")
    return source


@pytest.mark.parametrize(
    ("files", "doubt"),
    [
        (("images/1.jpg", "images/2.jpg", "more/3.jpg", "json/1.json"), "json/1.json"),
        (("images/1.jpg", "more/2.jpg", "a/b/1.jsonl"), "a/b/1.jsonl"),
        (("images/1.jpg", "more/2.jpg", "texts/2.csv"), "texts/2.csv"),
        (("cat/1.jpg", "dog/2.jpg", "metadata.jsonl"), "metadata.jsonl"),
        (("images/1.jpg", "images/2.jpg", "masks/1.png", "masks/2.png"), "masks"),
        (
            ("JPEGImages/1.jpg", "JPEGImages/2.jpg", "SegmentationClass/1.png", "SegmentationClass/2.png"),
            "Seg",
        ),
    ],
)
def test_folders_that_may_be_no_classes_are_not_taken_for_them(tmp_path, files, doubt) -> None:
    source = folders(tmp_path / "source", *files)
    with pytest.raises(DataError, match=f"{doubt}.*looks like annotations.*--format folders"):
        detect(source)
    classes = {Path(file).parts[0] for file in files if file.endswith((".jpg", ".png"))}
    if {Path(file).parts[0] for file in files if "/" in file} == classes:  # no folder without a picture
        assert set(builder.plan(source, name="own", format_name="folders").spec.classes) == classes


def test_init_takes_a_stated_format(tmp_path: Path) -> None:
    files = ("mask/1.jpg", "mask/2.jpg", "no_mask/1.jpg", "no_mask/2.jpg")
    source = folders(tmp_path / "source", *files)
    command = ["init", str(source), "--out", str(tmp_path / "own"), "--yes", "--test-fraction", "0"]
    refused = CliRunner().invoke(app, command)
    assert refused.exit_code == 1 and "--format folders" in str(refused.exception)
    unknown = CliRunner().invoke(app, [*command, "--format", "x"])
    assert "choose one of csv, coco" in str(unknown.exception)
    done = CliRunner().invoke(app, [*command, "--format", "folders"])
    assert done.exit_code == 0 and "2 classes: mask 2, no_mask 2" in done.output


@pytest.mark.parametrize(
    "files",
    [
        ("cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/2.jpg", "README.txt", "cat/Thumbs.db"),
        ("mask/1.jpg", "mask/2.jpg", "no_mask/3.jpg", "no_mask/4.jpg"),
        ("cat/1.jpg", "dog/2.jpg", "dataset-metadata.json", "licence.txt"),
    ],
)
def test_folders_that_are_classes(tmp_path, files) -> None:
    source = folders(tmp_path / "source", *files)
    assert set(detect(source).classes) == {Path(file).parts[0] for file in files if file.endswith("g")}


def test_labels_of_label_img_with_their_classes_beside_them(tmp_path: Path) -> None:
    source = folders(tmp_path / "source", "images/1.jpg", "images/2.jpg")
    (source / "labels").mkdir()
    (source / "labels" / "classes.txt").write_text("cup\ncat\n")
    for name in "12":
        (source / "labels" / f"{name}.txt").write_text("1 0.5 0.5 0.2 0.2\n")
    seen = detect(source)
    assert (seen.format, seen.classes, seen.problems) == ("yolo", {"cup": 0, "cat": 2}, ())


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("via.json", '{"_via_settings": {}, "_via_img_metadata": {}}', "is of VIA.*export it as COCO"),
        ("via.json", '{"1.jpg9": {"regions": [{"shape_attributes": {}}]}}', "is of VIA"),
        ("ml.json", '[{"image": "1.jpg", "annotations": [{"label": "a", "coordinates": {}}]}]', "CreateML"),
        ("me.json", '{"shapes": [], "imagePath": "1.jpg"}', "is of LabelMe"),
        ("metadata.jsonl", '{"file_name": "1.jpg", "label": "a"}', "is JSON lines.*columns file and label"),
    ],
)
def test_formats_that_are_not_read_are_named(source: Path, name: str, content: str, problem: str) -> None:
    (source / name).write_text(content)
    with pytest.raises(DataError, match=problem):
        detect(source, Path(name))


def test_keys_of_other_programs_inside_a_label_studio_export_are_its_own(source: Path) -> None:
    result = {"type": "choices", "value": {"choices": ["a"]}, "meta": {"coordinates": [1, 2]}}
    tasks = [
        {"id": i, "data": {"image": f"{i}.jpg"}, "annotations": [{"result": [result]}]} for i in range(4)
    ]
    (source / "export.json").write_text(json.dumps(tasks))
    assert detect(source).format == "label-studio"


def test_excel_s_line_about_the_separator_is_skipped(source: Path) -> None:
    (source / "labels.csv").write_text("sep=,\nfile,label\n0.jpg,a\n1.jpg,b\n2.jpg,c\n")
    seen = detect(source)
    assert (seen.classes, seen.problems) == ({"a": 1, "b": 1, "c": 1}, ())
    (source / "labels.csv").write_text("sep=,\nfile,label\n0.jpg,a\n1.jpg\n")
    assert "line 4" in detect(source).problems[0]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("file,label,confidence,reason\n0.jpg,a,0.5,x\n1.jpg,b,1.0,y\n2.jpg,a,0.75,z\n", 2),
        ("file,label,confidence,reason\n0.jpg,a,1.0,x\n1.jpg,b,1.0,y\n", 0),
        ("file,class,x,y,width,height,box_confidence\n0.jpg,a,1,1,9,9,0.5\n1.jpg,a,1,1,9,9,0.25\n", 2),
        ("file,a,b,confidence,reason\n0.jpg,0.5,0.5,0.25,x\n1.jpg,1,0,1.0,y\n", 1),
    ],
)
def test_annotations_of_a_model_are_pointed_out(source: Path, text: str, count: int) -> None:
    (source / "labels.csv").write_text(text)
    notes = detect(source).notes
    assert [note.split(" ", 1)[0] for note in notes] == ([str(count)] if count else [])
    plan = builder.plan(source, name="own")
    assert set(notes) <= set(plan.notes)
    assert all("`rise-bench review`" in note for note in notes)


def test_scores_of_a_detector_are_pointed_out(source: Path) -> None:
    boxes = [
        {"image_id": i, "category_id": 1, "bbox": [1, 1, 9, 9], "score": 0.25 * (i + 1)} for i in range(4)
    ]
    content = coco_json([(i, f"{i}.jpg") for i in range(4)], boxes, categories={1: "cup"})
    for image in content["images"]:
        image |= {"width": 64, "height": 48}
    (source / "boxes.json").write_text(json.dumps(content))
    assert detect(source).notes[0].startswith("3 annotations have a confidence below 1")


def test_what_an_evaluation_ignores_is_left_out_with_its_class(source: Path) -> None:
    boxes = [{"image_id": 0, "category_id": c, "bbox": [1, 1, 9, 9], "ignore": c % 2} for c in (1, 2)]
    boxes.append({"image_id": 0, "category_id": 1, "bbox": [2, 2, 9, 9], "ignore": 0})
    content = coco_json([(0, "0.jpg")], boxes, categories={1: "cup", 2: "cat"})
    content["images"][0] |= {"width": 64, "height": 48}
    (source / "boxes.json").write_text(json.dumps(content))
    plan = builder.plan(source, name="own", test_fraction=0)
    assert [row.category for row in plan.train] == ["cat"]
    assert plan.drops[CROWD] == ["0.jpg cup"]


def test_difficult_objects_of_pascal_voc_are_left_out_with_their_class(source: Path) -> None:
    boxes = [("cup", 4, 6, 20, 10), ("cup", 30, 6, 20, 10), ("cat", 4, 6, 20, 10)]
    text = made.voc_xml("0.jpg", boxes).replace("<difficult>0", "<difficult>1", 1)
    (source / "0.xml").write_text(text)
    plan = builder.plan(source, name="own", format_name="voc", test_fraction=0)
    assert [row.category for row in plan.train] == ["cat"]
    assert plan.drops[DIFFICULT] == ["0.jpg cup"]


def test_equal_pictures_with_different_labels_are_named(tmp_path: Path) -> None:
    source = folders(tmp_path / "source", "cat/0.jpg", "cat/1.jpg", "dog/2.jpg", "dog/3.jpg")
    (source / "dog" / "again.jpg").write_bytes(photo(1, (48, 36)))
    (source / "dog" / "same.jpg").write_bytes((source / "dog" / "2.jpg").read_bytes())
    manifest = write_dataset(builder.plan(source, name="own", test_fraction=0), tmp_path / "out")
    (said,) = manifest.differences
    assert said.startswith("1 images are the same as another and have another annotation, e.g. ")
    assert "again" in said and "cat/1" in said and "dog/same" not in said
    made_by_init = CliRunner().invoke(
        app, ["init", str(source), "--test-fraction", "0", "--out", str(tmp_path / "own"), "--yes"]
    )
    assert made_by_init.exit_code == 0, made_by_init.output
    assert "- 1 images are the same as another" in made_by_init.output


@pytest.mark.parametrize(("broken", "more"), [(1, ""), (3, ""), (12, "\n- and 2 more")])
def test_all_pictures_that_cannot_be_read_are_listed_at_once(tmp_path: Path, broken: int, more: str) -> None:
    source = folders(
        tmp_path / "source", *(f"cat/{i}.jpg" for i in range(7)), *(f"dog/{i}.jpg" for i in range(7))
    )
    for path in sorted(source.glob("*/*.jpg"))[:broken]:
        path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError) as caught:
        write_dataset(builder.plan(source, name="own"), tmp_path / "out")
    text = str(caught.value)
    assert text.startswith(f"{broken} pictures are bad:\n- ") == (broken > 1)
    assert text.endswith(more) and text.count("(folder ") == min(broken, 10)
    assert not (tmp_path / "out").exists()


def test_splits_inside_the_folders_of_classes_are_kept(tmp_path: Path) -> None:
    files = ("cat/train/0.jpg", "cat/test/1.jpg", "dog/train/2.jpg", "dog/train/3.jpg", "dog/test/4.jpg")
    source = folders(tmp_path / "source", *files)
    plan = builder.plan(source, name="own")
    assert plan.spec.classes == ("cat", "dog")
    assert {row.source_id for row in plan.test} == {"cat/test/1.jpg", "dog/test/4.jpg"}
    write_photo(source / "cat" / "5.jpg", 5)  # a picture in no split
    with_loose = builder.plan(source, name="own")
    assert len(with_loose.rows) == 6 and "test_fraction" in with_loose.options
