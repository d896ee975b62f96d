"""What `--overwrite` may delete: an earlier result, and nothing else."""

from contextlib import nullcontext
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rise_bench.cli import app
from rise_bench.data.replacing import refuse_to_replace, refuse_to_replace_unless
from rise_bench.errors import ConfigError

from ..support.made_sources import write_csv, write_photo
from ..support.plain_data import write_plain


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({}, ""),
        ({"corrections.jsonl": "{}", ".DS_Store": "", ".cache/x": ""}, ""),
        ({"decisions.csv": "id,action\n", "audit/decisions.csv": ""}, "decisions.csv is not a file of"),
        ({"decisions.csv": "id,action\n"}, ""),
        ({"decisions.csv": "id,action\na,accept\nb,skip\n"}, "decisions.csv holds 2 decisions"),
        ({"audit/decisions.csv": "id,action\na,accept\n"}, "audit/decisions.csv holds 1 decision,"),
        ({"older/pets/manifest.json": "{}"}, "older/pets/manifest.json is not a file of a benchmark"),
        ({".git/config": ""}, ".git/config is not a file of a benchmark"),
        ({"assets/1.jpg": "", "data/.DS_Store": ""}, ""),
        ({"images/1.jpg": ""}, "images/1.jpg is not a file of a benchmark"),
        ({"manifest.json": '{"name": "my app"}'}, "has no manifest.json of a benchmark"),
        ({"manifest.json": "[]"}, "has no manifest.json of a benchmark"),
    ],
)
def test_an_earlier_result_may_be_replaced_and_nothing_else(
    tmp_path: Path, files: dict[str, str], problem: str
) -> None:
    write_plain(tmp_path / "out", 3)
    for name, text in files.items():
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text(text)
    with pytest.raises(ConfigError, match=problem) if problem else nullcontext():
        refuse_to_replace(tmp_path / "out")


def test_a_benchmark_is_not_replaced_by_chains_of_thought_nor_an_empty_place_refused(tmp_path: Path) -> None:
    write_plain(tmp_path / "out", 3)
    with pytest.raises(ConfigError, match=r"has no manifest\.json of a CoT dataset"):
        refuse_to_replace(tmp_path / "out", cots=True)
    (tmp_path / "empty").mkdir()
    refuse_to_replace(tmp_path / "empty")
    refuse_to_replace(tmp_path / "absent")


@pytest.mark.parametrize(
    ("card", "refused"), [("# RISE moods, chains of thought for trl\n", False), ("# My project\n", True)]
)
def test_an_export_is_known_by_its_note(tmp_path: Path, card: str, refused: bool) -> None:
    (tmp_path / "README.md").write_text(card)
    with pytest.raises(ConfigError, match="was not made by this command") if refused else nullcontext():
        refuse_to_replace_unless(tmp_path, "README.md", ", chains of thought for ")


@pytest.mark.parametrize("command", ["build", "collect", "audit"])
def test_no_command_deletes_what_it_reads_or_what_lies_beside_it(tmp_path: Path, command: str) -> None:
    home = tmp_path / "home"
    dataset = write_plain(home / "plain", 3)
    for number in (1, 2):
        write_photo(tmp_path / "photos" / f"{number}.jpg", number)
    write_csv(home / "labels.csv", ["file", "label"], [["1.jpg", "cat"], ["2.jpg", "dog"]])
    (home / "audit").mkdir()
    decided = f'{next(iter(dataset.golds("train"))).id},edit,"[0.0, 1.0]"'
    (tmp_path / "decisions.csv").write_text(f"id,action,annotation\n{decided}\n")
    arguments = {
        "build": (
            "build",
            "custom",
            "--name",
            "pets",
            "--source",
            tmp_path / "photos",
            "--annotations",
            home / "labels.csv",
        ),
        "collect": (
            "collect",
            "--benchmark",
            dataset.root,
            "--model",
            "m",
            "--endpoint",
            "http://127.0.0.1:9",
        ),
        "audit": ("audit", dataset.root, "--apply", tmp_path / "decisions.csv"),
    }[command]
    before = contents(home)
    with pytest.raises(ConfigError, match=r"has no manifest\.json of"):
        CliRunner().invoke(
            app, [*map(str, arguments), "--out", str(home), "--overwrite"], catch_exceptions=False
        )
    assert contents(home) == before
