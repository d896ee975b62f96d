"""What `build custom` says when it is done, and what the cards of own data say of their source."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from rise_bench.builders import custom as builder
from rise_bench.cli import app
from rise_bench.data.writer import write_dataset
from rise_bench.errors import ConfigError
from rise_bench.hub.publish import stage

from ..support import made_formats as made

ABOUT = {
    "title": "Cups & <b>jars</b>",
    "citation": "Example Ltd, Cups 2026",
    "source_url": "https://example.org/cups",
    "license_id": "cc-by-4.0",
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.cvat(tmp_path_factory.mktemp("given") / "source")


def run(source: Path, out: Path, *more: str) -> str:
    command = ["build", "custom", "--source", str(source), "--name", "mine", "--out", str(out)]
    result = CliRunner().invoke(app, [*command, "--test-fraction", "0.5", *more])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_summary_for_people(source: Path, tmp_path: Path) -> None:
    text = run(source, tmp_path / "out")
    table = {tuple(line.replace("│", " ").split()) for line in text.splitlines()}
    assert {("cup", "1", "1", "2"), ("jar", "2", "1", "3")} <= table
    assert "2 left out of the source: the image has no annotation" in text
    assert "no picture; if they may be republished, build with --images embed" in text
    kept = run(source, tmp_path / "kept", "--keep-empty", "--images", "embed")
    assert "- 2 images show no object (1 in train, 1 in test)" in kept
    assert "(no object)" in kept and "sends the images with the dataset" in kept


def test_summary_for_machines(source: Path, tmp_path: Path) -> None:
    summary = json.loads(run(source, tmp_path / "out", "--keep-empty", "--json"))
    assert summary["classes"] == {
        "cup": {"train": 1, "test": 1},
        "jar": {"train": 2, "test": 1},
        "(no object)": {"train": 2, "test": 2},
    }
    assert summary["images"] == {"train": 3, "test": 3}
    assert summary["images_without_object"] == {"train": 1, "test": 1}


def test_cards_name_the_source_and_not_the_paper(source: Path, tmp_path: Path) -> None:
    write_dataset(builder.plan(source, name="mine", **ABOUT), tmp_path / "out")
    (tmp_path / "work").mkdir()
    _, files = stage(tmp_path / "out", "org/name", tmp_path / "work")
    sent = {file.path: file.source for file in files}["README.md"]
    assert isinstance(sent, bytes)
    for card in ((tmp_path / "out" / "README.md").read_text(), sent.decode()):
        front = yaml.safe_load(card.split("---\n")[1])
        assert (front["pretty_name"], front["license"]) == (ABOUT["title"], "cc-by-4.0")
        assert "Example Ltd, Cups 2026" in card and "https://example.org/cups" in card
        assert "2508.13229" not in card and "<b>" not in card.split("---\n", 2)[2]
    assert "## Citation\n\nThe source: Example Ltd, Cups 2026." in sent.decode().replace("\n\n\n", "\n\n")


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("source_url", "javascript:alert(1)"),
        ("source_url", "example.org"),
        ("source_url", "https://example.org/with blank"),
        ("title", "two\nlines"),
        ("citation", "a\x1b[31m"),
    ],
)
def test_texts_that_no_card_can_show(source: Path, option: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"--{option.replace('_', '-')}"):
        builder.plan(source, name="mine", **{option: text})
