"""Emotion6: the official layout, its traps, and the paper's counts."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rise_bench.builders import emotion6 as builder
from rise_bench.cli import app
from rise_bench.data.check import check_dataset
from rise_bench.data.dataset import open_dataset
from rise_bench.data.writer import write_dataset
from rise_bench.errors import DataError

from ..support.made_sources import EMOTION6_HEADER, emotion6, emotion6_line, write_photo

EVEN = [0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]


def test_official_layout_has_the_paper_s_counts(tmp_path: Path, shared_data: Path) -> None:
    plan = builder.plan(shared_data / "emotion6" / "standin_full")
    manifest = write_dataset(plan, tmp_path / "out")
    assert manifest.counts == manifest.paper_counts == {"train": 1386, "test": 594}
    assert not manifest.partial
    assert manifest.differences == ()
    assert "The counts are the paper's." in (tmp_path / "out" / "README.md").read_text()
    dataset = open_dataset(tmp_path / "out")
    assert [len(dataset.golds("train", config)) for config in ("4-shot", "16-shot")] == [28, 112]
    assert check_dataset(tmp_path / "out") == []


def test_small_source_is_split_in_proportion(tmp_path: Path) -> None:
    plan = builder.plan(emotion6(tmp_path / "Emotion6", rows=20))
    assert (len(plan.train), len(plan.test)) == (14, 6)
    assert plan.shortfalls == ["ground_truth.txt lists 20 images, the official file 1980"]
    assert builder.plan(tmp_path).train == plan.train  # the folder above is found too
    assert builder.plan(tmp_path, seed=1).train != plan.train


def test_folder_is_the_search_keyword_and_not_the_label(tmp_path: Path) -> None:
    plan = builder.plan(emotion6(tmp_path, rows=14))
    row = next(row for row in plan.rows if row.source_id == "anger/6.jpg")
    assert row.shot_class == "neutral"
    assert row.id == "emotion6/anger/6"


def write_truth(folder: Path, *lines: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "ground_truth.txt").write_text("\n".join(lines) + "\n")
    for i in range(4):
        write_photo(folder / "images" / "joy" / f"{i}.jpg", i)
    return folder


def test_tie_goes_to_the_first_class_and_sums_may_be_off_by_rounding(tmp_path: Path) -> None:
    source = write_truth(
        tmp_path / "source",
        EMOTION6_HEADER,
        emotion6_line("joy/0.jpg", [0.133333, 0.333333, 0.333333, 0.2, 0, 0, 0]),
        emotion6_line("joy/1.jpg", EVEN),
    )
    rows = {row.source_id: row for row in builder.plan(source).rows}
    assert rows["joy/0.jpg"].shot_class == "disgust"
    assert rows["joy/0.jpg"].annotation.probs[:2] == (0.133333, 0.333333)


def test_file_without_header_keeps_its_first_row(tmp_path: Path) -> None:
    source = write_truth(tmp_path / "source", *(emotion6_line(f"joy/{i}.jpg", EVEN) for i in range(4)))
    assert len(builder.plan(source).rows) == 4


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (emotion6_line("joy/1.jpg", EVEN[:6]), "9 fields, expected 10"),
        (emotion6_line("joy/1.jpg", [*EVEN[:6], "much"]), "could not convert"),
        (emotion6_line("joy/1.jpg", [0.5, *EVEN[1:]]), "sum to 1"),
        (emotion6_line("joy/1.jpg", [0.402, *EVEN[1:]]), "sum to 1"),
        (emotion6_line("joy/1.jpg", [0.6, -0.1, *EVEN[2:]]), "at least 0"),
        (emotion6_line("joy/1.jpg", ["nan", *EVEN[1:]]), "nan"),
        (emotion6_line("joy/1.jpg", ["inf", *EVEN[1:]]), "inf"),
        (emotion6_line("../1.jpg", EVEN), "leaves the folder"),
        (emotion6_line("/etc/1.jpg", EVEN), "leaves the folder"),
        (emotion6_line("joy/0.jpg", EVEN), "appears in line 2 already"),
    ],
)
def test_bad_line_is_an_error_that_names_it(tmp_path: Path, line: str, problem: str) -> None:
    source = write_truth(tmp_path / "source", EMOTION6_HEADER, emotion6_line("joy/0.jpg", EVEN), line)
    with pytest.raises(DataError, match=rf"ground_truth\.txt line 3: .*{problem}"):
        builder.plan(source)


def test_wrong_layout_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no ground_truth\.txt.*unpack Emotion6\.zip"):
        builder.plan(tmp_path)
    (tmp_path / "ground_truth.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not text"):
        builder.plan(tmp_path)


def test_missing_image_is_an_error_or_with_leave_a_listed_drop(tmp_path: Path) -> None:
    source = emotion6(tmp_path / "source", rows=12)
    (source / "images" / "fear" / "2.jpg").unlink()
    command = ["build", "emotion6", "--source", str(source), "--out", str(tmp_path / "out")]
    refused = CliRunner().invoke(app, command)
    assert isinstance(refused.exception, DataError)
    assert "1 images are missing, e.g. images/fear/2.jpg (ground_truth.txt line 4)" in str(refused.exception)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]
    built = CliRunner().invoke(app, [*command, "--allow-partial", "--json"])
    assert built.exit_code == 0, built.output
    summary = json.loads(built.stdout)
    assert summary["counts"] == {"train": 8, "test": 3}
    assert summary["drops"] == {"the image file is missing": 1}
    assert summary["partial"] is True
    card = (tmp_path / "out" / "README.md").read_text()
    assert "images/fear/2.jpg (ground_truth.txt line 4)" in card
    assert check_dataset(tmp_path / "out") == []


def test_default_folder_is_where_tasks_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rise_bench.hub.find import find_benchmark

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = emotion6(tmp_path / "source", rows=12)
    built = CliRunner().invoke(app, ["build", "emotion6", "--source", str(source), "--allow-partial"])
    assert built.exit_code == 0, built.output
    assert find_benchmark("emotion6").root == tmp_path / "cache" / "rise-bench" / "emotion6"
    assert "emotion6: 8 train (paper 1386), 4 test (paper 594)" in built.stdout
