"""The name of a built dataset works in every command that takes one, as its folder does."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import rise_bench
from rise_bench.cli import app
from rise_bench.data.dataset import open_dataset
from rise_bench.data.writer import write_dataset
from rise_bench.errors import ConfigError, DataError, RiseError
from rise_bench.files.paths import cache_folder
from rise_bench.hub.find import find_benchmark

from ..support.made_sources import distribution_plan
from .test_hostile_datasets import write_small_cots


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("built")
    write_dataset(distribution_plan(root / "source", train=14, test=3), root / "shades", workers=1)
    write_small_cots(root / "shades", root / "shades-cot", root / "rollouts")
    samples = [
        {"id": gold.id, "response": "<answer>{}</answer>"}
        for gold in open_dataset(root / "shades").golds("test")
    ]
    (root / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in samples))
    return root


@pytest.fixture(params=["RISE_BENCH_DATA", "cache folder"])
def place(
    request: pytest.FixtureRequest, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The datasets where names are looked for, and a working folder that holds none."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    if request.param == "RISE_BENCH_DATA":
        monkeypatch.setenv("RISE_BENCH_DATA", str(built))
        return built
    cache_folder("").mkdir(parents=True)
    for name in ("shades", "shades-cot"):
        cache_folder(name).symlink_to(built / name)
    return cache_folder("")


COMMANDS = {
    "check": ["check", "shades"],
    "check chains of thought": ["check", "shades-cot"],
    "baselines": ["baselines", "shades", "--resamples", "0"],
    "score": ["score", "{built}/samples.jsonl", "--data", "shades", "--resamples", "0"],
    "explain": ["explain", "--data", "shades", "--id", "shades/014", "--text", "<answer>red</answer>"],
    "export": ["export", "shades-cot", "--trl", "out"],
    "publish": ["publish", "shades", "--repo", "me/shades", "--dry-run"],
    "publish chains of thought": ["publish", "shades-cot", "--repo", "me/shades-cot", "--dry-run"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_take_names(place: Path, built: Path, name: str) -> None:
    done = CliRunner().invoke(app, [part.format(built=built) for part in COMMANDS[name]])
    assert done.exit_code == 0, (done.output, done.exception)


@pytest.mark.parametrize("streaming", [False, True])
def test_load_takes_names_and_says_where(
    place: Path, capsys: pytest.CaptureFixture[str], streaming: bool
) -> None:
    rows = rise_bench.load("shades", "4-shot", split="train", streaming=streaming)
    assert len(list(rows)) == 12
    assert f"shades: taken from {place / 'shades'}" in capsys.readouterr().err.replace("\n", "")
    assert len(list(rise_bench.load("shades-cot", "high", split="train", streaming=streaming))) == 14
    assert set(rise_bench.load(str(place / "shades"), streaming=streaming)) == {"train", "test"}


def test_what_is_wrong_with_a_name_is_said(place: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"no dataset 'shade' in .*built here: shades, shades-cot.*rise-bench build"
    ):
        find_benchmark("shade")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty has no manifest\.json"):
        find_benchmark("empty")
    with pytest.raises(DataError, match=r"x/y has no manifest\.json"):
        open_dataset("x/y")
    with pytest.raises(ConfigError, match=r"no rows of split 'val' .*; it has train, test"):
        rise_bench.load("shades", split="val")
    for sliced in ("train[:1]", "train[:50%]", "train+test[1:]"):
        with pytest.raises(ConfigError, match=r"streaming has no slices.*use \.take\(n\)"):
            rise_bench.load("shades", split=sliced, streaming=True)
    assert len(rise_bench.load("shades", split="train[:1]")) == 1
    for whole in ("train", "train+test", "all"):
        assert next(iter(rise_bench.load("shades", split=whole, streaming=True)))["id"]
    with pytest.raises(ConfigError, match="no configuration 'high'; choose one of 4-shot, 16-shot, full"):
        rise_bench.load("shades", "high")


@pytest.mark.parametrize(
    "command", [["baselines"], ["explain", "--id", "shades/001", "--text", "x", "--data"]]
)
def test_chains_of_thought_are_no_benchmark(place: Path, command: list[str]) -> None:
    done = CliRunner().invoke(app, [*command, "shades-cot"])
    assert isinstance(done.exception, RiseError), done.output
    assert "holds chains of thought; name the benchmark" in str(done.exception)


def test_a_folder_here_comes_after_the_variable_and_before_the_cache(
    place: Path, built: Path, tmp_path: Path
) -> None:
    """Jobs name their data by the variable, and may run beside a folder of the same name."""
    write_dataset(distribution_plan(tmp_path / "source", train=4, test=1), tmp_path / "shades", workers=1)
    here = {"train": 4, "test": 1}
    assert find_benchmark("shades").manifest.counts == ({"train": 14, "test": 3} if place == built else here)
    assert find_benchmark(tmp_path / "shades").manifest.counts == here


def test_dry_run_without_the_hub_says_what_could_not_be_compared(place: Path) -> None:
    arguments = ["publish", "shades", "--repo", "me/shades", "--dry-run"]
    text = CliRunner().invoke(app, arguments).stdout
    assert "Not compared with me/shades, so what is there already, and what would go, is not known:" in text
    assert "Would send at most" in text
    assert "  send    data/test-00000.parquet" in text
    assert "does not exist" not in text
    assert text.endswith("Nothing was sent.\n")
    seen = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert "HF_HUB_OFFLINE" in seen["not_compared"]
    assert {"manifest.json", "README.md", "data/test-00000.parquet"} <= seen["send"].keys()
    assert isinstance(
        CliRunner().invoke(app, [*arguments[:3], "no-name", "--dry-run"]).exception, ConfigError
    )
