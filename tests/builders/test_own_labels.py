"""A CSV, or folders, of the user's own: labels and probabilities are read as they are meant, or refused."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rise_bench.builders import custom as builder
from rise_bench.builders.formats.detect import detect
from rise_bench.builders.formats.label_folders import NO_CLASS, NOT_AN_IMAGE
from rise_bench.cli import app
from rise_bench.data.check import check_dataset
from rise_bench.data.dataset import open_dataset
from rise_bench.data.manifest import Manifest
from rise_bench.data.writer import write_dataset
from rise_bench.errors import ConfigError, DataError, RiseError

from ..support.made_sources import coco_json, write_csv, write_photo


def build(source: Path, text: str | bytes, **options: Any) -> Manifest:
    data = text if isinstance(text, bytes) else text.encode()
    (source / "labels.csv").write_bytes(data)
    plan = builder.plan(source, name="mine", annotations=Path("labels.csv"), **options)
    return write_dataset(plan, source.parent / "out")


def rows(source: Path) -> dict[str, dict[str, Any]]:
    dataset = open_dataset(source.parent / "out")
    assert check_dataset(dataset.root) == []
    return {row["source_id"]: row for split in dataset.manifest.counts for row in dataset.rows(split)}


REFUSED: dict[str, tuple[str | bytes, str]] = {
    # separators and encodings
    "semicolons": ("file;a;b\n0.jpg;0,5;0,5\n", "separated by semicolons; save it with commas"),
    "tabs": ("file\ta\tb\n0.jpg\t0.5\t0.5\n", "separated by tabs"),
    "bars": ("file|a|b\n0.jpg|1|0\n", "separated by vertical bars"),
    "decimal commas": (
        'file,a,b\n0.jpg,"0,5","0,5"\n',
        r"line 2: the probability of 'a' is '0,5'; write 0\.5",
    ),
    "UTF-16": ("file,label\n0.jpg,cat\n".encode("utf-16"), "is UTF-16; save it as CSV in UTF-8"),
    "UTF-16, big end first": (b"\xfe\xff" + "file,label\n".encode("utf-16-be"), "is UTF-16"),
    "Latin-1": ("file,label\n0.jpg,Grün\n1.jpg,rot\n".encode("latin-1"), "save it as UTF-8 CSV"),
    "workbook": (b"PK\x03\x04xl", "is an Excel workbook; save it as CSV"),
    "zeros": (b"file,label\n0.jpg,c\0t\n1.jpg,dog\n", "NUL|control character"),
    "open quote": ('file,label\n"0.jpg,cat\n1.jpg,dog\n', "save it as UTF-8 CSV"),
    # header
    "empty": ("", "is empty; write a header"),
    "blank": ("\n", "is empty; write a header|has no row"),
    "header only": ("file,label\n", "has no row under its header"),
    "no file column": ("name,label\n0.jpg,cat\n", "name no image; call that column one of"),
    "column twice": ("file,a,a,b\n0.jpg,1,0,0\n", "two columns are called 'a'"),
    "special column twice": ("file,label,Label\n0.jpg,cat,dog\n", "two columns are called 'label'"),
    "label and class": ("file,label,class\n0.jpg,1,cat\n", "columns 'label' and 'class' both name classes"),
    "one class": ("file,a\n0.jpg,1\n", "one column, 'a'; add a column 'label'"),
    "file only": ("file\n0.jpg\n", "no column; add a column 'label'"),
    "index called id": ("file,id,a,b\n0.jpg,0,1,0\n", "columns id, a, b would be read as classes, and 'id'"),
    "index of one row": ("id,file,a,b\n0,0.jpg,1,0\n", "'id' looks like an index; remove it, or name"),
    "index of pandas": ("Unnamed: 0,file,a,b\n0,0.jpg,1,0\n", "'Unnamed: 0' looks like an index"),
    "label and probabilities": (
        "file,label,a,b\n0.jpg,a,1,0\n1.jpg,b,0.2,0.8\n",
        "'label' holds labels, and a, b hold probabilities",
    ),
    # labels
    "empty label": (
        "file,label\n0.jpg,cat\n1.jpg,\n2.jpg,dog\n",
        r"labels\.csv line 3: no label; write the class",
    ),
    "blank label": ("file,label\n0.jpg,cat\n1.jpg,  \n", r"line 3: no label"),
    "empty class": ("file,class\n0.jpg,cat\n1.jpg,\n", r"line 3: no class"),
    "cases of a label": (
        "file,label\n0.jpg,Cat\n1.jpg,cat\n2.jpg,dog\n",
        "'Cat' and 'cat' cannot be told apart",
    ),
    "signs": ("file,label\n0.jpg,C\n1.jpg,C#\n2.jpg,C++\n", "cannot be told apart"),
    "emoji": ("file,label\n0.jpg,😀\n1.jpg,😢\n", "cannot be read in an answer"),
    "tag": ("file,label\n0.jpg,</answer>\n1.jpg,b\n", "holds a tag"),
    "escape": ("file,label\n0.jpg,a\x1b[31m\n1.jpg,b\n", "control character"),
    "one label": ("file,label\n0.jpg,cat\n1.jpg,cat\n", "2 classes or more"),
    # numbers
    "per cent": ("file,a,b\n0.jpg,50%,50%\n", "'50%'; write shares of 1"),
    "of a hundred": ("file,a,b\n0.jpg,30,70\n", "sum to 1.*divide per cent by 100"),
    "not a class": ("file,width,a,b\n0.jpg,64,1,0\n", "the probabilities width 64, a 1, b 0 .*--classes"),
    "underscores": ("file,a,b\n0.jpg,0_1,0\n", "probability of 'a' is '0_1'"),
    "infinity": ("file,a,b\n0.jpg,inf,0\n", "probability of 'a' is 'inf'"),
    "minus": ("file,a,b\n0.jpg,-0.5,1.5\n", "must be at least 0"),
    "too large": ("file,a,b\n0.jpg,1e999,0\n", "must be at least 0 and sum to 1"),
    "a label among numbers": ("file,kind,a\n0.jpg,cat,1\n", "or call a column of labels 'label'"),
    # rows and files
    "short row": ("file,label\n0.jpg\n", "line 2: 1 cells, the header has 2"),
    "unquoted comma": (
        "file,label\n0.jpg,tench, Tinca\n",
        "line 2: 3 cells, .*quote a cell that holds a comma",
    ),
    "Windows path": (
        "file,label\nimages\\0.jpg,cat\n1.jpg,dog\n",
        r"backslash of Windows; write images/0\.jpg",
    ),
    "file twice": (
        "file,label\n0.jpg,cat\n0.jpg,dog\n",
        r"0\.jpg appears twice \(.*line 2, .*line 3\); keep one row per picture",
    ),
    "file twice, written in two ways": ("file,label\n0.jpg,cat\n./0.jpg,dog\n", "appears twice"),
    "no file": ("file,label\n,cat\n1.jpg,dog\n", "must be a path inside"),
    "folder": ("file,label\n.,cat\n1.jpg,dog\n", "is missing"),
    "corner and size": (
        "file,label,left,upper,w,h\n0.jpg,cat,1,2,20,20\n1.jpg,dog,1,2,20,20\n",
        "columns left, upper, w, h look like boxes and are not read; for boxes, name",
    ),
    "centres": (
        "file,label,x_center,y_center,width,height\n0.jpg,cat,.5,.5,.2,.2\n1.jpg,dog,.5,.5,.2,.2\n",
        "columns x_center, y_center, width, height look like boxes",
    ),
    "a list of corners": (
        'file,label,bbox\n0.jpg,cat,"[1, 2, 20, 20]"\n1.jpg,dog,"[1, 2, 20, 20]"\n',
        r"column 'bbox' holds lists, e\.g\. .*, and is not read",
    ),
    "four numbers": (
        'file,label,box\n0.jpg,cat,"1, 2, 20, 20"\n1.jpg,dog,1 2 20 20\n',
        "column 'box' holds lists",
    ),
    "splits by another name": (
        "file,label,subset\n0.jpg,cat,train\n1.jpg,dog,VAL\n",
        "column 'subset' holds names of splits and is not read; call it split",
    ),
    "a list of labels": (
        "file,label\n0.jpg,\"['cat', 'dog']\"\n1.jpg,dog\n",
        r"line 2: column 'label' holds several labels, .*; write the one that is right",
    ),
    "several labels": (
        "file,label\n0.jpg,cat; dog\n1.jpg,dog\n2.jpg,cat\n",
        "holds several labels, 'cat; dog'",
    ),
    "split unknown": ("file,label,split\n0.jpg,cat,dev\n1.jpg,dog,train\n", "split 'dev' is unknown"),
    "split empty": ("file,label,split\n0.jpg,cat,\n1.jpg,dog,train\n", "split '' is unknown"),
}


@pytest.mark.parametrize(
    ("text", "unused"),
    [
        ("file,label,status\n0.jpg,cat,valid\n1.jpg,dog,valid\n2.jpg,cat,valid\n", ("status",)),
        ("file,label,tags\n0.jpg,cat,\"['x']\"\n1.jpg,dog,[]\n2.jpg,cat,[]\n", ("tags",)),
        ("file,label,day\n0.jpg,cat,2020 01 02 03\n1.jpg,dog,2020 01 02 04\n", ("day",)),
        ('file,label,embedding\n0.jpg,cat,"[1, 2, 3, 4, 5]"\n1.jpg,dog,"[1, 2, 3, 4, 6]"\n', ("embedding",)),
    ],
)
def test_columns_that_are_neither_splits_nor_boxes_are_left_alone(
    source: Path, text: str, unused: tuple[str, ...]
) -> None:
    (source / "labels.csv").write_text(text)
    assert detect(source).unused == unused and not detect(source).problems


def test_a_class_with_a_sign_between_two_others_is_one_if_it_is_named(source: Path) -> None:
    text = "file,label\n0.jpg,black/white\n1.jpg,black\n2.jpg,white\n"
    build(source, text, classes=("black", "white", "black/white"))
    with pytest.raises(DataError, match="several labels, 'black/white'.*with --classes"):
        build(source, text)
    with pytest.raises(DataError, match="line 3: no label"):
        build(source, "file,label\n0.jpg,C++\n1.jpg,\n2.jpg,dog\n")


def test_what_is_not_read_of_a_csv_is_said(source: Path) -> None:
    text = "file,label,annotator,left\n0.jpg,black/white,ann,1\n1.jpg,dog,ann,2\n2.jpg,black,ann,3\n"
    (source / "labels.csv").write_text(text)
    assert detect(source).unused == ("annotator", "left") and not detect(source).problems


@pytest.mark.parametrize("format_name", ["csv", "coco"])
def test_folders_called_train_and_test_are_the_splits_of_any_format(tmp_path: Path, format_name: str) -> None:
    files = [f"{split}/{number}.jpg" for number, split in enumerate(("train", "train", "val", "val"))]
    for number, file in enumerate(files):
        write_photo(tmp_path / file, number)
    if format_name == "csv":
        write_csv(tmp_path / "labels.csv", ["file", "label"], list(zip(files, "abab", strict=True)))
    else:
        cups = [{"image_id": i, "category_id": 1, "bbox": [4, 6, 20, 10]} for i in range(4)]
        content = coco_json(list(enumerate(files)), cups, categories={1: "cup"})
        (tmp_path / "labels.json").write_text(json.dumps(content))
    assert detect(tmp_path).splits == {"train": 2, "test": 2}


def test_one_folder_of_a_split_is_all_there_is_and_is_split(source: Path) -> None:
    (source / "val").mkdir()
    for file in sorted(source.glob("*.jpg")):
        file.rename(source / "val" / file.name)
    files = sorted(f"val/{file.name}" for file in (source / "val").glob("*.jpg"))
    rows = "".join(f"{file},{'ab'[i % 2]}\n" for i, file in enumerate(files))
    assert build(source, "file,label\n" + rows).counts.keys() == {"train", "test"}


@pytest.mark.parametrize("fault", REFUSED)
def test_fault_is_named_and_nothing_is_left(source: Path, fault: str) -> None:
    text, problem = REFUSED[fault]
    with pytest.raises(RiseError, match=problem):
        build(source, text)
    assert sorted(path.name for path in source.parent.iterdir()) == ["source"]


@pytest.mark.parametrize(
    "data",
    [b"", b"%!PS-Adobe", b"\xff\xd8\xff\xe0 half a photo", b"<svg></svg>"],
    ids=["empty", "PostScript", "truncated", "SVG"],
)
def test_file_that_is_no_image_is_named_with_its_line(source: Path, data: bytes) -> None:
    (source / "1.jpg").write_bytes(data)
    with pytest.raises(DataError, match=r"1\.jpg \(labels\.csv line 3\): "):
        build(source, "file,label\n0.jpg,cat\n1.jpg,dog\n")
    assert sorted(path.name for path in source.parent.iterdir()) == ["source"]


@pytest.mark.parametrize(
    "text",
    [
        "file,label\n0.jpg,cat\n1.jpg,dog\n",
        "\ufefffile,label\r\n0.jpg,cat\r\n\r\n1.jpg,dog\r\n",
        "file,class\n0.jpg,cat\n1.jpg,dog\n",
        "image,category\n0.jpg,cat\n1.jpg,dog\n",
        "File,Label\n0.jpg,cat\n1.jpg,dog\n",
        ",file,label\n0,0.jpg,cat\n1,1.jpg,dog\n",
        "file,label,\n0.jpg,cat,\n1.jpg,dog,\n",
        "id,file,label,photographer\n7,0.jpg,cat,me\n8,1.jpg,dog,you\n",
        ' file , label \n"0.jpg", cat \n1.jpg,"dog"\n',
    ],
)
def test_ways_to_write_labels(source: Path, text: str) -> None:
    build(source, text)
    assert {name: row["label"] for name, row in rows(source).items()} == {"0.jpg": 0, "1.jpg": 1}


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("file,a,b\n0.jpg,1,0\n1.jpg,.25,7.5e-1\n", ()),
        (",file,a,b\n9,0.jpg,1,0\n9,1.jpg,0.25,0.75\n", ()),
        ("id,file,a,b\n9,0.jpg,1,0\n9,1.jpg,0.25,0.75\n", ("a", "b")),
        ("file,label,a,b\n0.jpg,b,1,0\n1.jpg,b,0.25,0.75\n", ("a", "b")),
        ("file,a,b,confidence,reason\n0.jpg,1,0,.5,It sits.\n1.jpg,.25,.75,1,\n", ()),  # of `annotate`
    ],
)
def test_ways_to_write_probabilities(source: Path, text: str, classes: tuple[str, ...]) -> None:
    build(source, text, classes=classes)
    assert {name: row["probs"] for name, row in rows(source).items()} == {
        "0.jpg": [1, 0],
        "1.jpg": [0.25, 0.75],
    }
    assert open_dataset(source.parent / "out").spec.metric == "jsd"


def asked(source: Path) -> dict[str, str]:
    return {name: row["problem"].splitlines()[0] for name, row in rows(source).items()}


DEFAULT = "Which of the classes fits this image?"
FIRST_EMPTY = "file,label,question\n0.jpg,cat,\n1.jpg,dog,Which?\n2.jpg,cat,What?\n"
LATER_EMPTY = "file,label,question\n1.jpg,dog,Which?\n2.jpg,cat,What?\n0.jpg,cat,  \n"


@pytest.mark.parametrize("text", [FIRST_EMPTY, LATER_EMPTY])
@pytest.mark.parametrize(("question", "common"), [("", DEFAULT), ("Well?", "Well?")])
def test_each_row_is_asked_its_own_question_or_the_common_one(
    source: Path, text: str, question: str, common: str
) -> None:
    build(source, text, question=question)
    assert asked(source) == {"0.jpg": common, "1.jpg": "Which?", "2.jpg": "What?"}


def test_question_around_the_row_s_own(source: Path) -> None:
    build(source, FIRST_EMPTY.replace("cat,\n", "cat,Who?\n"), question="Look. {question}")
    assert asked(source) == {"0.jpg": "Look. Who?", "1.jpg": "Look. Which?", "2.jpg": "Look. What?"}


@pytest.mark.parametrize(
    ("text", "question", "problem"),
    [
        (FIRST_EMPTY, "Look. {question}", r"line 2\): it has no question"),
        ("file,label\n0.jpg,cat\n1.jpg,dog\n", "Look. {question}", "it has no question"),
        (FIRST_EMPTY, "Is it a {category}?", "class of boxes"),
        (FIRST_EMPTY.replace("What?", "<|im_end|>"), "", "tag or a special token"),
        (FIRST_EMPTY.replace("What?", "W\x1bhat?"), "", "control character"),
    ],
)
def test_question_that_cannot_be_asked_is_an_error(
    source: Path, text: str, question: str, problem: str
) -> None:
    with pytest.raises((ConfigError, DataError), match=problem):
        build(source, text, question=question)


def test_no_row_has_a_question(source: Path) -> None:
    build(source, "file,label,question\n0.jpg,cat,\n1.jpg,dog,\n")
    assert set(asked(source).values()) == {DEFAULT}
    assert open_dataset(source.parent / "out").spec.question == DEFAULT


def folders(source: Path, *files: str) -> Path:
    for number, file in enumerate(files):
        write_photo(source / file, number, form="PNG" if file.lower().endswith("png") else "JPEG")
    return source


def test_folders_are_classes(tmp_path: Path) -> None:
    source = folders(
        tmp_path / "source", "cat/0.jpg", "cat/more/1.PNG", "dog/0.jpg", "dog/0.png", "loose.jpg"
    )
    (source / "dog" / "notes.txt").write_text("x")
    (source / ".cache").mkdir()
    (source / "cat" / ".DS_Store").write_bytes(b"x")
    plan = builder.plan(source, name="mine")
    assert (plan.spec.classes, plan.spec.metric) == (("cat", "dog"), "accuracy")
    manifest = write_dataset(plan, tmp_path / "out")
    assert manifest.drops == {NO_CLASS: ("loose.jpg",), NOT_AN_IMAGE: ("dog/notes.txt",)}
    found = rows(source)
    assert {name: row["label"] for name, row in found.items()} == {
        "cat/0.jpg": 0,
        "cat/more/1.PNG": 0,
        "dog/0.jpg": 1,
        "dog/0.png": 1,
    }
    assert {row["id"] for row in found.values()} == {
        *("mine/cat/0", "mine/cat/more/1", "mine/dog/0.jpg", "mine/dog/0.png")
    }


def test_folders_of_splits_hold_folders_of_classes(tmp_path: Path) -> None:
    source = folders(
        tmp_path / "source", "train/cat/0.jpg", "train/dog/1.jpg", "val/cat/2.jpg", "val/dog/3.jpg"
    )
    plan = builder.plan(source, name="mine", classes=("dog", "cat"))
    assert plan.spec.classes == ("dog", "cat")
    assert {row.source_id for row in plan.test} == {"val/cat/2.jpg", "val/dog/3.jpg"}
    write_dataset(plan, tmp_path / "out")
    assert rows(source)["train/cat/0.jpg"]["label"] == 1


@pytest.mark.parametrize(
    ("files", "classes", "problem"),
    [
        (
            ["0.jpg"],
            (),
            "holds 0 folders; without --annotations it must hold one folder of images for each class",
        ),
        (["images/cat/0.jpg", "images/dog/0.jpg"], (), "holds 1 folders"),
        (["cat/0.jpg", "dog/0.jpg", "cow/notes.txt"], (), "cow holds no image"),
        (
            ["cat/0.jpg", "dog/0.jpg"],
            ("cat", "cow"),
            "folder dog: unknown class 'dog'; expected one of cat, cow",
        ),
        (["Cat/0.jpg", "cat/1.jpg"], (), "cannot be told apart"),
        (
            ["train/cat/0.jpg", "train/dog/1.jpg", "test/cat/2.jpg", "test/dog/3.jpg", "unlabeled/4.jpg"],
            (),
            "test holds folders, as a split does, and unlabeled is none; move it out",
        ),
        (
            ["cat/0.jpg", os.fsdecode(b"dog/caf\xe9.jpg")],
            (),
            r"the file name 'dog/caf\\udce9.jpg' is not UTF-8; rename the file",
        ),
    ],
)
def test_folders_that_are_no_classes(
    tmp_path: Path, files: list[str], classes: tuple[str, ...], problem: str
) -> None:
    source = folders(tmp_path / "source", *files)
    with pytest.raises(DataError, match=problem):
        write_dataset(builder.plan(source, name="mine", classes=classes), tmp_path / "out")


def test_folder_of_the_name_of_a_split_may_be_a_class(tmp_path: Path) -> None:
    source = folders(tmp_path / "source", "train/0.jpg", "bus/1.jpg")
    assert builder.plan(source, name="mine").spec.classes == ("bus", "train")


def test_csv_beside_folders_is_recognised_whatever_the_case_of_its_header(tmp_path: Path) -> None:
    source = folders(tmp_path / "source", "cam1/0.jpg", "cam2/1.jpg")
    (source / "labels.csv").write_text("Image,Label\ncam1/0.jpg,broken\ncam2/1.jpg,ok\n")
    assert detect(source).classes == {"broken": 1, "ok": 1}


@pytest.mark.parametrize(
    ("fraction", "said"),
    [
        ("1", "no train split: it can be evaluated on"),
        ("0", "no test split: it can be trained on"),
        ("0.5", "`collect` writes chains of thought for train unless --splits"),
    ],
)
def test_command_says_what_the_splits_are_good_for(tmp_path: Path, fraction: str, said: str) -> None:
    source = folders(tmp_path / "source", "cat/0.jpg", "cat/1.jpg", "dog/0.jpg", "dog/1.jpg")
    command = ["build", "custom", "--source", str(source), "--name", "mine", "--test-fraction", fraction]
    result = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert said in result.stdout
    assert check_dataset(tmp_path / "out") == []


def test_thin_images_are_pointed_out(source: Path) -> None:
    write_photo(source / "1.jpg", 1, (2_010, 10))
    manifest = build(source, "file,label\n0.jpg,cat\n1.jpg,dog\n")
    assert [line for line in manifest.differences if "200 times as long as wide, e.g. mine/1" in line]
    write_photo(source / "1.jpg", 1, (2_000, 10))
    write_dataset(builder.plan(source, name="mine", annotations=Path("labels.csv")), source.parent / "other")
    assert not open_dataset(source.parent / "other").manifest.differences
