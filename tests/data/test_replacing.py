"""What `--overwrite` may delete: an earlier result, and nothing else."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from rise_bench.cli import app
from rise_bench.data.replacing import refuse_to_replace
from rise_bench.errors import ConfigError

from ..support.made_sources import write_csv, write_photo
from ..support.plain_data import write_plain


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ((), ""),
        (("manifest.json", "README.md", "data/train.parquet"), ""),
        (("labels.csv",), "has no manifest.json"),
        (("manifest.json", "decisions.csv"), "decisions.csv holds 2 decisions"),
        (("manifest.json", "audit/decisions.csv"), "audit/decisions.csv holds 2 decisions"),
        (("manifest.json", "older/pets/manifest.json"), "older/pets is a dataset"),
    ],
)
def test_an_earlier_result_may_be_replaced_and_nothing_else(
    tmp_path: Path, files: tuple[str, ...], problem: str
) -> None:
    for name in files:
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text("id,action\na,accept\nb,skip\n")
    refuse_to_replace(tmp_path / "absent")
    if not problem:
        return refuse_to_replace(tmp_path / "out")
    with pytest.raises(ConfigError, match=problem):
        refuse_to_replace(tmp_path / "out")


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
    with pytest.raises(ConfigError, match="has no manifest.json"):
        CliRunner().invoke(
            app, [*map(str, arguments), "--out", str(home), "--overwrite"], catch_exceptions=False
        )
    assert contents(home) == before
