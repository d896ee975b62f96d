"""Custom data: a folder of images with a CSV of probabilities or labels, or with a COCO json."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rise_bench.annotations.boxes.values import Boxes
from rise_bench.builders import custom as builder
from rise_bench.builders.formats.coco_table import CROWD
from rise_bench.cli import app
from rise_bench.data.check import check_dataset
from rise_bench.data.dataset import open_dataset
from rise_bench.data.writer import write_dataset
from rise_bench.errors import ConfigError, DataError

from ..support.made_sources import coco_json, write_csv, write_photo


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for i in range(10):
        write_photo(tmp_path / "source" / "pictures" / f"{i}.jpg", i)
    return tmp_path / "source"


FILES = [f"pictures/{i}.jpg" for i in range(10)]
PLAN: dict[str, Any] = {"name": "mine", "annotations": Path("labels.csv")}


def test_csv_of_probabilities(tmp_path: Path, source: Path) -> None:
    rows = [(file, 0.25, 0.5, 0.25) for file in FILES]
    write_csv(source / "labels.csv", ["file_name", "calm", "tense", "odd"], rows)
    plan = builder.plan(source, **PLAN)
    assert (plan.spec.kind, plan.spec.metric, plan.spec.classes) == (
        "distribution",
        "jsd",
        ("calm", "tense", "odd"),
    )
    manifest = write_dataset(plan, tmp_path / "out")
    assert manifest.counts == {"train": 7, "test": 3}
    assert manifest.paper_counts is None
    assert not manifest.partial
    assert check_dataset(tmp_path / "out") == []


def test_csv_of_labels(tmp_path: Path, source: Path) -> None:
    write_csv(
        source / "labels.csv",
        ["image", "label"],
        [(f, "cat" if i % 2 else "ant") for i, f in enumerate(FILES)],
    )
    plan = builder.plan(source, **PLAN, test_fraction=0.5)
    assert (plan.spec.metric, plan.spec.classes) == ("accuracy", ("ant", "cat"))
    assert len(plan.test) == 5
    write_dataset(plan, tmp_path / "out")
    assert check_dataset(tmp_path / "out") == []
    given = builder.plan(source, **PLAN, classes=("cat", "dog", "ant"), metric="jsd")
    assert (given.spec.metric, given.spec.classes) == ("jsd", ("cat", "dog", "ant"))


def test_split_question_and_licence_of_the_csv_count(tmp_path: Path, source: Path) -> None:
    rows = [
        (f, "ant", ["train", "TEST", "val"][i % 3], f"Which {i}?", "cc0-1.0") for i, f in enumerate(FILES)
    ]
    write_csv(source / "labels.csv", ["path", "label", "split", "question", "license"], rows)
    plan = builder.plan(source, **PLAN, classes=("ant", "bee"))
    assert [row.source_id for row in plan.train] == FILES[::3]
    assert len(plan.test) == 6
    assert plan.spec.question == "{question}"
    write_dataset(plan, tmp_path / "out")
    row = next(iter(open_dataset(tmp_path / "out").rows("test")))
    assert row["problem"].startswith("Which 1?")
    assert row["license"] == "cc0-1.0"


def test_coco_json(tmp_path: Path, source: Path) -> None:
    """A row for each (image, class); rows of one image stay in one split."""
    images = [(i, f"pictures/{i}.jpg") for i in range(10)]
    annotations = [
        {"image_id": i, "category_id": c, "bbox": [c, 2.5, 10, 10]} for i in range(10) for c in (1, 2)
    ] + [{"image_id": 3, "category_id": 1, "bbox": [0, 0, 9, 9], "iscrowd": 1}]
    content = coco_json(images, annotations, categories={1: "cup", 2: "hair drier"})
    (source / "boxes.json").write_text(json.dumps(content))
    plan = builder.plan(source, name="mine", annotations=Path("boxes.json"))
    assert (plan.spec.kind, plan.spec.metric, plan.categories) == ("boxes", "ap50", ("cup", "hair drier"))
    assert len(plan.rows) == 19
    dropped = {reason: names for reason, names in plan.drops.items() if names}
    assert dropped == {CROWD: ["pictures/3.jpg cup"]}
    assert not {row.source_id for row in plan.train} & {row.source_id for row in plan.test}
    write_dataset(plan, tmp_path / "out")
    assert check_dataset(tmp_path / "out") == []
    golds = {g.id: g for split in ("train", "test") for g in open_dataset(tmp_path / "out").golds(split)}
    assert golds["mine/pictures/4/hair_drier"].annotation == Boxes(((2.0, 2.5, 10.0, 10.0),))


def test_command(tmp_path: Path, source: Path) -> None:
    write_csv(
        source / "labels.csv",
        ["file", "label"],
        [(f, "cat" if i % 2 else "ant") for i, f in enumerate(FILES)],
    )
    command = ["build", "custom", "--source", str(source), "--name", "mine", "--annotations", "labels.csv"]
    command += ["--out", str(tmp_path / "out"), "--classes", "cat, ant", "--question", "Which animal?"]
    result = CliRunner().invoke(app, [*command, "--license", "mit", "--images", "embed", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["counts"] == {"train": 7, "test": 3}
    spec = open_dataset(tmp_path / "out").spec
    assert (spec.classes, spec.question, spec.license, spec.images) == (
        ("cat", "ant"),
        "Which animal?",
        "mit",
        "embed",
    )


@pytest.mark.parametrize(
    ("header", "row", "problem"),
    [
        (["file", "a", "b"], ["pictures/1.jpg", 0.5, 0.6], r"labels\.csv line 3: .*sum to 1"),
        (["file", "a", "b"], ["pictures/1.jpg", 1.5, -0.5], r"line 3: .*at least 0"),
        (["file", "a", "b"], ["pictures/1.jpg", "nan", 1], r"line 3: .*nan"),
        (
            ["file", "a", "b"],
            ["pictures/1.jpg", "", 1],
            r"line 3: the probability of 'a' is ''; write a number",
        ),
        (["file", "a", "b"], ["pictures/1.jpg", 1], r"line 3: 2 cells, the header has 3"),
        (["file", "a", "b"], ["pictures/1.jpg", 1, 0, 0], r"line 3: 4 cells, the header has 3"),
        (["file", "a", "b"], ["pictures/99.jpg", 1, 0], r"line 3: .*99\.jpg is missing"),
        (["file", "a", "b"], ["../source/pictures/1.jpg", 1, 0], r"line 3: .*must be a path inside"),
        (["file", "a", "b"], ["", 1, 0], r"line 3: .*must be a path inside"),
        (["file", "a", "b", "split"], ["pictures/1.jpg", 1, 0, "dev"], r"line 3: split 'dev'"),
        (["name", "a", "b"], ["pictures/1.jpg", 1, 0], r"name no image"),
        (["file", "a"], ["pictures/1.jpg", 1], "two classes or more"),
    ],
)
def test_bad_csv_is_an_error_that_names_the_line(
    source: Path, header: list[str], row: list[Any], problem: str
) -> None:
    good = ["pictures/0.jpg", 1, 0, "train"][: len(header)]
    write_csv(source / "labels.csv", header, [good, row])
    with pytest.raises(DataError, match=problem):
        builder.plan(source, **PLAN)


def test_csv_that_is_none_is_an_error(source: Path) -> None:
    with pytest.raises(DataError, match=r"neither .*labels\.csv nor .*labels\.csv is there"):
        builder.plan(source, **PLAN)
    write_csv(source / "labels.csv", ["file", "a", "b"], [])
    with pytest.raises(DataError, match="no row under its header"):
        builder.plan(source, **PLAN)
    (source / "labels.csv").write_bytes(b"file,a,b\n\xff\xfe,1,0\n")
    with pytest.raises(DataError, match="save it as UTF-8"):
        builder.plan(source, **PLAN)
    (source / "labels.csv").write_text('file,a,b\n"pictures/0.jpg,1,0\n')
    with pytest.raises(DataError, match="save it as UTF-8 CSV"):
        builder.plan(source, **PLAN)


def test_label_and_class_that_do_not_fit_are_errors(source: Path) -> None:
    write_csv(source / "labels.csv", ["file", "label"], [(FILES[0], "cat"), (FILES[1], "cow")])
    with pytest.raises(DataError, match=r"labels\.csv line 3: unknown class 'cow'.*cat, dog"):
        builder.plan(source, **PLAN, classes=("cat", "dog"))
    write_csv(source / "labels.csv", ["file", "a", "b"], [(FILES[0], 1, 0)])
    with pytest.raises(DataError, match="no column for class 'c'"):
        builder.plan(source, **PLAN, classes=("a", "c"))


def test_one_image_in_two_rows_is_an_error(tmp_path: Path, source: Path) -> None:
    write_csv(source / "labels.csv", ["file", "a", "b"], [(FILES[0], 1, 0), (FILES[0], 0, 1)])
    with pytest.raises(DataError, match=r"pictures/0.jpg appears twice.*line 2.*line 3"):
        write_dataset(builder.plan(source, **PLAN), tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"name": "coco_sub"}, "must be new"),
        ({"name": "My Data"}, "a-z, 0-9 and _"),
        ({"name": "../x"}, "a-z, 0-9 and _"),
        ({"test_fraction": 1.5}, "between 0 and 1"),
        ({"annotations": Path("boxes.json"), "classes": ("a", "b")}, "drop --classes"),
    ],
)
def test_options_that_make_no_sense_are_errors(source: Path, change: dict[str, Any], problem: str) -> None:
    (source / "boxes.json").write_text("{}")
    write_csv(source / "labels.csv", ["file", "a", "b"], [(FILES[0], 1, 0)])
    with pytest.raises(ConfigError, match=problem):
        builder.plan(source, **(PLAN | change))


def test_box_without_area_is_an_error_here(source: Path) -> None:
    """In COCO's files such boxes are known and counted; in the user's own they are a mistake."""
    annotations = [{"image_id": 0, "category_id": 1, "bbox": [1, 1, 0, 5]}]
    (source / "boxes.json").write_text(json.dumps(coco_json([(0, FILES[0])], annotations)))
    with pytest.raises(DataError, match=r"boxes\.json: annotation 1 .*no area"):
        builder.plan(source, name="mine", annotations=Path("boxes.json"))
