"""Formats of other tools are read as their owners mean them; what is wrong is named by file and place."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rise_bench.builders import custom as builder
from rise_bench.builders.formats.detect import detect
from rise_bench.cli import app
from rise_bench.data.build_plan import SourcePlan
from rise_bench.data.check import check_dataset
from rise_bench.data.dataset import open_dataset
from rise_bench.data.writer import write_dataset

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


def test_command_reads_a_folder_of_voc_files(tmp_path: Path) -> None:
    source = made.voc(tmp_path / "source")
    command = ["build", "custom", "--source", str(source), "--name", "mine", "--annotations", "Annotations"]
    result = CliRunner().invoke(app, [*command, "--keep-empty", "--out", str(tmp_path / "out"), "--json"])
    assert result.exit_code == 0, result.output
    assert open_dataset(tmp_path / "out").manifest.counts == {"train": 4, "test": 3}
    unknown = CliRunner().invoke(app, [*command, "--format", "xls", "--out", str(tmp_path / "other")])
    assert unknown.exit_code != 0
