"""What no answer can be right about is found before a dataset is delivered, by `build` and by `check`."""

import dataclasses
from pathlib import Path

import pytest

from rise_bench.annotations.base import Gold
from rise_bench.annotations.boxes.parsing import MAX_BOXES
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.catalog.benchmarks import BENCHMARKS
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.data import ground_truth
from rise_bench.data.check import check_dataset
from rise_bench.data.ground_truth import sample_problem, spec_problem
from rise_bench.data.schema import row_to_gold, validate_gold
from rise_bench.data.writer import write_dataset
from rise_bench.errors import DataError

from ..support.made_sources import boxes_plan, distribution_plan


def of_classes(*classes: str, question: str = "Which?") -> BenchmarkSpec:
    return BenchmarkSpec("mine", "distribution", "accuracy", question, classes)


BOXES = BenchmarkSpec("mine", "boxes", "ap50", "Locate every {category}.")


@pytest.mark.parametrize("name", BENCHMARKS)
def test_the_catalogue_is_sound(name: str) -> None:
    assert spec_problem(BENCHMARKS[name]) == ""


@pytest.mark.parametrize(
    "classes",
    [
        ("cat", "dog"),
        ("dog", "hot dog", "dog house"),
        ("0", "1", "2"),
        ("tench, Tinca tinca", "eel"),
        ("Grün", "Grau"),
        ("犬", "猫"),
        ("да", "нет"),
        ("Band-Aid", "can opener"),
        tuple(f"class {i}" for i in range(1_000)),
    ],
)
def test_classes_that_can_be_read(classes: tuple[str, ...]) -> None:
    assert spec_problem(of_classes(*classes)) == ""


@pytest.mark.parametrize(
    ("classes", "problem"),
    [
        (("Cat", "cat"), "'Cat' and 'cat' cannot be told apart"),
        (("C", "C#", "C++"), "'C' and 'C[#+]+' cannot be told apart"),
        (("hair drier", "dog", "hair-drier"), "'hair drier' and 'hair-drier' cannot be told apart"),
        (("hair drier", "hair_drier"), "cannot be told apart"),
        (("a", "a"), "class 'a' cannot be read|cannot be told apart"),
        (("yes", "yes!"), "'yes' and 'yes!' cannot be told apart"),
        (("STRASSE", "straße"), "cannot be told apart"),
        (("😀", "😢"), "'😀' cannot be read"),
        (('cat "big"', "dog"), "quotation mark.*write it without"),
        (('3"', '5"'), "quotation mark"),
        (("+", "-"), "'.' cannot be read"),
        (("...", "cat"), "'...' cannot be read"),
        (("dog", "..."), "'...' cannot be read"),
        (("dog", "cat", "<b>cow</b>", "😀"), "'<b>cow</b>'|'😀' cannot be read"),
        (("a", "a: 0.5 b"), "holds a number or looks like another"),
        (("", "cat"), "class '' is empty"),
        (("  ", "cat"), "is empty"),
        (("</answer>", "cat"), "tag or a special token"),
        (("<think>", "cat"), "tag or a special token"),
        (("a <|im_end|> b", "cat"), "tag or a special token"),
        (("<image>", "cat"), "tag or a special token"),
        (("c\x1b[31mat", "dog"), r"control character U\+001B"),
        (("c\0at", "dog"), r"control character U\+0000"),
        (("c\u2028at", "dog"), r"control character U\+2028"),
        (("c\nat", "dog"), "line break or a tab"),
        (("c\ud800", "dog"), r"control character U\+D800"),
    ],
)
def test_classes_that_cannot(classes: tuple[str, ...], problem: str) -> None:
    found = spec_problem(of_classes(*classes))
    with pytest.raises(DataError, match=problem):
        raise DataError(found)
    assert ";" in found


@pytest.mark.parametrize(
    ("gold", "question", "problem"),
    [
        (Gold("x", Distribution(("a", "b"), (1.0, 0.0)), 9, 9), "{question}", "it has no question"),
        (
            Gold("x", Distribution(("a", "b"), (1.0, 0.0)), 9, 9, question=" "),
            "{question}",
            "it has no question",
        ),
        (Gold("x", Distribution(("a", "b"), (1.0, 0.0)), 9, 9), " ", "it has no question"),
        (
            Gold("x", Distribution(("a", "b"), (1.0, 0.0)), 9, 9, question="Is it <|image_pad|>?"),
            "{question}",
            "tag or a special token",
        ),
        (Gold("x", Distribution(("a", "b"), (0.7, 0.3)), 9, 9, question="Which?"), "{question}", ""),
    ],
)
def test_questions(gold: Gold, question: str, problem: str) -> None:
    found = sample_problem(of_classes("a", "b", question=question), gold)
    assert problem in found if problem else found == ""


@pytest.mark.parametrize(
    ("boxes", "problem"),
    [
        ([(1.0, 1.0, 5.0, 5.0)] * 101, "101 boxes, and AP looks at 100"),
        ([(40.5, 1.0, 0.4, 5.0)], "centre outside"),
        ([(1.0, -0.9, 5.0, 1.0)], "centre outside"),
        ([(1.0, 1.0, 1e-7, 5.0)], "its true answer scores"),
        ([(1.0, 1.0, 5.0, 5.0), (2.0, 2.0, 1e-9, 1e-9)], "its true answer scores"),
        ([(1.0, 1.0, 0.01, 0.01)], ""),
        ([(float(i % 9), float(i // 9), 1.5, 1.5) for i in range(100)], ""),
        ([(0.0, 0.0, 40.0, 30.0)], ""),
    ],
)
def test_boxes(boxes: list[tuple[float, float, float, float]], problem: str) -> None:
    found = sample_problem(BOXES, Gold("x", Boxes(tuple(boxes)), 40, 30, "cat"))
    assert problem in found if problem else found == ""


def test_box_without_its_class_is_found() -> None:
    assert "it has no category" in sample_problem(BOXES, Gold("x", Boxes(((1.0, 1.0, 5.0, 5.0),)), 40, 30))
    assert "does not name the class" in spec_problem(dataclasses.replace(BOXES, question="Find!"), ("a", "b"))
    assert spec_problem(dataclasses.replace(BOXES, question="Find!"), ("a",)) == ""


@pytest.mark.parametrize(
    "other", ["Traffic light", "traffic_light", "traffic  light", "ｔraffic light", "traffic\u00a0light"]
)
def test_classes_of_boxes_that_look_the_same_are_one_thing(other: str) -> None:
    """Each would be asked for, and what the other names would count as wrong."""
    problem = f"classes 'traffic light' and {other!r} differ only in case, blanks or Unicode form"
    assert problem in spec_problem(BOXES, ("car", "traffic light", other))
    assert "join the two" in spec_problem(BOXES, ("café", "cafe\u0301"))
    assert spec_problem(BOXES, ("café", "cafe", "C", "C++", "kit", "k-it")) == ""


def test_more_boxes_than_are_read_is_an_error_wherever_a_truth_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is scored against them: 200,000 boxes took a minute and 9.5 GB."""
    monkeypatch.setattr(ground_truth, "score_response", None)
    boxes = [[i % 40, 1, 1, 1] for i in range(50_000)]
    row = {
        "id": "x",
        "width": 64,
        "height": 48,
        "objects": {"bbox": boxes},
        "category": "cat",
        "question": "",
    }
    with pytest.raises(DataError, match=f"50000 boxes, and no more than {MAX_BOXES} are read"):
        row_to_gold(BOXES, row)
    row["objects"]["bbox"] = boxes[:1000]
    gold = row_to_gold(BOXES, row)
    validate_gold(BOXES, gold)  # a dataset that holds it is read still, and `check` says what is wrong
    assert "1000 boxes, and AP looks at 100" in sample_problem(BOXES, gold)


def test_build_refuses_what_check_would_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is, also where no check of a single row sees it."""
    from rise_bench.data import writer as dataset_writer

    write_card = dataset_writer.write_card

    def without_configurations(folder: Path, manifest: object) -> None:
        write_card(folder, manifest)
        (folder / "README.md").write_text("---\nlicense: mit\n---\n")

    monkeypatch.setattr(dataset_writer, "write_card", without_configurations)
    with pytest.raises(DataError, match=r"README\.md.*configurations.*build again"):
        write_dataset(distribution_plan(tmp_path / "source"), tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


def test_build_names_the_row_of_a_truth_that_cannot_be_right(tmp_path: Path) -> None:
    plan = boxes_plan(tmp_path / "source")
    bad = dataclasses.replace(
        plan.train[3], annotation=Boxes(((47.6, 5.0, 1.0, 9.0),)), where="boxes.json image 3"
    )
    plan = dataclasses.replace(plan, train=[*plan.train[:3], bad, *plan.train[4:]])
    with pytest.raises(DataError, match=r"3\.jpg \(boxes\.json image 3\): box .* has its centre outside"):
        write_dataset(plan, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_check_finds_classes_that_cannot_be_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a dataset that was built before `build` looked at them."""
    plan = distribution_plan(tmp_path / "source")
    spec = dataclasses.replace(plan.spec, classes=("Red", "red", "blue"))
    rows = [
        [
            dataclasses.replace(r, annotation=dataclasses.replace(r.annotation, classes=spec.classes))
            for r in part
        ]
        for part in (plan.train, plan.test)
    ]
    with monkeypatch.context() as patch:
        patch.setattr("rise_bench.data.writer.spec_problem", lambda *_: "")
        patch.setattr("rise_bench.data.writer.check_dataset", lambda *_, **__: [])
        patch.setattr("rise_bench.data.shards.sample_problem", lambda *_: "")
        write_dataset(dataclasses.replace(plan, spec=spec, train=rows[0], test=rows[1]), tmp_path / "out")
    findings = check_dataset(tmp_path / "out")
    assert "'Red' and 'red' cannot be told apart" in next(
        f.problem for f in findings if f.where == "manifest.json"
    )
