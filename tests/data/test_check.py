"""`check` finds what was broken, one break at a time, and is silent on a sound dataset."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from rise_bench.cli import app
from rise_bench.data.check import check_dataset
from rise_bench.data.writer import write_dataset
from rise_bench.files.atomic import sha256_file

from ..support.made_sources import boxes_plan, distribution_plan, photo

TEST = "data/test-00000.parquet"
FEW = "data/train-4-shot-00000.parquet"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("sound")
    write_dataset(distribution_plan(root / "source", train=20), root / "distribution")
    write_dataset(boxes_plan(root / "photos"), root / "boxes")
    return {kind: root / kind for kind in ("distribution", "boxes")}


@pytest.fixture
def folder(sound: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound["distribution"], tmp_path / "data"))


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    change(content)
    content.pop("manifest_sha256", None)  # an edit that is meant; manifests of version 0.1.0 have none
    path.write_text(json.dumps(content))


def edit_rows(folder: Path, name: str, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change a file's rows and make the manifest agree with the new file, as a careful forger would."""
    schema = pq.read_schema(folder / name)
    rows = pq.read_table(folder / name).to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / name)

    def agree(manifest: dict[str, Any]) -> None:
        entry = manifest["files"][name]
        entry.update(sha256=sha256_file(folder / name), rows=len(rows), bytes=(folder / name).stat().st_size)

    edit_manifest(folder, agree)


def row_gone(folder: Path) -> None:
    edit_rows(folder, TEST, lambda rows: rows.pop())
    edit_manifest(folder, lambda m: m["counts"].update(test=4))


@pytest.mark.parametrize("kind", ["distribution", "boxes"])
def test_sound_dataset_has_no_findings(sound: dict[str, Path], kind: str) -> None:
    rows = 0

    def advance() -> None:
        nonlocal rows
        rows += 1

    assert check_dataset(sound[kind], advance) == []
    assert rows == {"distribution": 25, "boxes": 12}[kind]


def set_first(column: str, value: Any) -> Callable[[list[dict[str, Any]]], None]:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[0][column] = value

    return change


def copy_train_image(folder: Path) -> None:
    [train] = pq.read_table(folder / FEW).slice(0, 1).to_pylist()

    def change(rows: list[dict[str, Any]]) -> None:
        rows[0].update({name: train[name] for name in ("image", "source_sha256", "width", "height")})

    edit_rows(folder, TEST, change)
    edit_manifest(folder, lambda m: m["images_sha256"].update({"shades/020": train["source_sha256"]}))


BREAKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "no manifest"),
    "file gone": (lambda f: (f / TEST).unlink(), "is missing"),
    "bytes changed": (
        lambda f: (f / TEST).write_bytes((f / TEST).read_bytes().replace(b"shades/020", b"shades/999")),
        "sha256 is not the manifest's",
    ),
    "file too many": (
        lambda f: shutil.copy(f / TEST, f / "data" / "test-00001.parquet"),
        "not in the manifest",
    ),
    "other image": (
        lambda f: edit_rows(f, TEST, set_first("image", {"bytes": photo(900), "path": "x.jpg"})),
        "not the one that source_sha256 names",
    ),
    "torn image": (
        lambda f: edit_rows(f, TEST, set_first("image", {"bytes": photo(1)[:400], "path": "x.jpg"})),
        "cannot be decoded",
    ),
    "no image": (lambda f: edit_rows(f, TEST, set_first("image", None)), "has no image"),
    "other size": (lambda f: edit_rows(f, TEST, set_first("width", 99)), "the row says 99 x 36"),
    "other hash": (lambda f: edit_rows(f, TEST, set_first("source_sha256", "0" * 64)), "source_sha256"),
    "other truth": (
        lambda f: edit_rows(f, TEST, set_first("probs", [0.0, 0.0, 1.0])),
        "the hash of its content is not that of the rows",
    ),
    "no truth": (lambda f: edit_rows(f, TEST, set_first("probs", [0.9, 0.9, 0.9])), "sum to 2.7"),
    "other solution": (
        lambda f: edit_rows(f, TEST, set_first("solution", "<answer>{}</answer>")),
        "solution is not the ground truth",
    ),
    "double id": (lambda f: edit_rows(f, TEST, set_first("id", "shades/021")), "appears twice"),
    "row gone": (row_gone, "1 rows are in no file, e.g. 'shades/"),
    "shot rank": (lambda f: edit_rows(f, FEW, set_first("shot_rank", 7)), "does not belong to shard 4-shot"),
    "double shot rank": (
        lambda f: edit_rows(f, FEW, lambda rows: [row.update(shot_rank=0) for row in rows] and None),
        "shot ranks of class",
    ),
    "shot rank in test": (
        lambda f: edit_rows(f, TEST, set_first("shot_rank", 0)),
        "test row has a shot rank",
    ),
    "shared image": (copy_train_image, "one image is in two splits"),
    "counts": (lambda f: edit_manifest(f, lambda m: m["counts"].update(test=6)), "counts are"),
    "identity": (lambda f: edit_manifest(f, lambda m: m.update(content_sha256="0" * 64)), "content_sha256"),
    "ghost row": (
        lambda f: edit_manifest(f, lambda m: m["images_sha256"].update(ghost="0" * 64)),
        "1 rows are in no file, e.g. 'ghost'",
    ),
    "other kind": (
        lambda f: edit_manifest(f, lambda m: m["spec"].update(classes=["red", "green"])),
        "content_sha256 is not that of its rows, classes",
    ),
    "no card": (lambda f: (f / "README.md").unlink(), "README.md"),
    "card without configurations": (lambda f: (f / "README.md").write_text("# Data\n"), "README.md"),
    "card that leaves files out": (
        lambda f: (f / "README.md").write_text(
            (f / "README.md").read_text().replace("    - data/train-16-shot-*.parquet\n", "")
        ),
        "does not name the files of train",
    ),
    "no eval.yaml": (lambda f: (f / "eval.yaml").unlink(), "eval.yaml"),
    "eval.yaml elsewhere": (
        lambda f: (f / "eval.yaml").write_text("tasks: [{id: x, config: tiny, split: test}]\n"),
        "names a configuration",
    ),
    "reference that holds images": (
        lambda f: edit_manifest(f, lambda m: m.update(images="reference")),
        "holds an image in a dataset by reference",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_break_is_found(folder: Path, name: str) -> None:
    break_it, said = BREAKS[name]
    break_it(folder)
    assert any(said in f"{finding.where}: {finding.problem}" for finding in check_dataset(folder))


def test_truth_that_does_not_score_as_truth_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the guard: a scoring that pays the empty answer, or not the true one, is reported."""
    from rise_bench.data import ground_truth

    def upside_down(gold: Any, text: str, *asked: Any) -> Any:
        return score(gold, "" if text else '<answer>{"red": 1}</answer>', *asked)

    score = ground_truth.score_response
    monkeypatch.setattr(ground_truth, "score_response", upside_down)
    problems = " ".join(finding.problem for finding in check_dataset(folder))
    assert "its true answer scores 0" in problems
    assert "an empty answer scores" in problems
    assert "the true answers have jsd" in problems


def test_command_prints_findings_and_exits_1(sound: dict[str, Path], folder: Path) -> None:
    runner = CliRunner()
    good = runner.invoke(app, ["check", str(sound["boxes"])])
    assert good.exit_code == 0
    assert "no findings" in good.stdout
    (folder / "eval.yaml").unlink()
    bad = runner.invoke(app, ["check", str(folder)])
    assert bad.exit_code == 1
    assert bad.stdout.startswith("eval.yaml: is not readable")
    as_json = runner.invoke(app, ["check", str(folder), "--json"])
    assert as_json.exit_code == 1
    content = json.loads(as_json.stdout)
    assert content["ok"] is False
    assert [finding["where"] for finding in content["findings"]] == ["eval.yaml"]
