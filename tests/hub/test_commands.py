"""The commands as a person runs them: in a process of their own, with HF_ENDPOINT and HF_TOKEN set."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset
from typer.testing import CliRunner

from rise_bench.cli import app
from rise_bench.errors import ConfigError, DataError, RiseError
from rise_bench.files.atomic import sha256_file
from rise_bench.hub.find import find, find_benchmark
from rise_bench.hub.publish import publish

from ..support.in_process import invoke
from ..support.minihub import Minihub
from .conftest import COCO_SUB, Source, build

TOKEN = "hf_" + "Abcdefghij" * 3 + "Wxyz"


@pytest.fixture
def hub(alice: Minihub, monkeypatch: pytest.MonkeyPatch) -> Minihub:
    """The Hub, with alice signed in by a token of real length."""
    alice.users[TOKEN] = alice.users["hf_alice"]
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    return alice


def in_process(*arguments: Any) -> str:
    return invoke(*arguments).stdout


def of_its_own(*arguments: Any, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `rise-bench` in a new process that may reach the Hub."""
    env = os.environ | {"HF_HUB_OFFLINE": "0", "HF_DATASETS_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "0"}
    command = [sys.executable, "-m", "rise_bench", *map(str, arguments)]
    return subprocess.run(
        command, env=env | environment, capture_output=True, text=True, check=False, timeout=120
    )


def test_publish_prints_the_commit_to_pin(hub: Minihub, emotion6: Source) -> None:
    done = of_its_own("publish", emotion6.cots, "--repo", "rise/cots", HF_TOKEN=TOKEN)
    commit = hub.history("rise/cots")[0].oid
    assert done.returncode == 0, done.stderr
    assert f"Commit to pin: {commit}" in done.stdout
    assert f'rise_bench.load("rise/cots", revision="{commit}")' in done.stdout
    assert TOKEN not in done.stdout + done.stderr


def test_killed_while_uploading_a_rerun_sends_only_the_rest(hub: Minihub, coco_sub: Source) -> None:
    last = sha256_file(coco_sub.benchmark / "data" / "test-00000.parquet")
    hub.spoil("PUT", f"/lfs/{last}", status=500, times=10_000)
    command = [sys.executable, "-m", "rise_bench", "publish", coco_sub.benchmark, "--repo", "rise/set"]
    env = os.environ | {"HF_HUB_OFFLINE": "0", "HF_TOKEN": TOKEN}
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 100
        while {r.status for r in hub.requests("PUT", "/lfs/")} != {200, 500}:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    assert set(hub.files("rise/set")) == set(), "no half-sent version can be seen"
    arrived = {r.path for r in hub.requests("PUT", "/lfs/") if r.status == 200}
    assert arrived
    hub.spoilers.clear()
    hub.log.clear()
    publish(coco_sub.benchmark, "rise/set")
    sent = [r.path for r in hub.requests("PUT", "/lfs/")]
    assert f"/lfs/{last}" in sent
    assert arrived & set(sent) == set()
    assert load_dataset("rise/set", "16-shot", split="test").num_rows == 4


def test_dry_run_lists_and_sends_nothing(hub: Minihub, emotion6: Source) -> None:
    text = in_process("publish", emotion6.cots, "--repo", "rise/cots", "--dry-run")
    assert "rise/cots does not exist yet and would be made." in text
    assert "Images: reference. Rows: train 20." in text
    assert "  send    data/train-high-00000.parquet" in text
    assert text.endswith("Nothing was sent.\n")
    assert hub.repos == {}
    seen = json.loads(in_process("publish", emotion6.cots, "--repo", "rise/cots", "--dry-run", "--json"))
    assert seen["images"] == "reference"
    assert "manifest.json" in seen["send"]


def test_private_and_pull_request_flags(hub: Minihub, coco_sub: Source, tmp_path: Path) -> None:
    in_process("publish", coco_sub.cots, "--repo", "rise/cots", "--private")
    assert hub.repos["dataset", "rise/cots"].private
    newer = build(tmp_path, COCO_SUB, train=8).cots
    out = in_process("publish", newer, "--repo", "rise/cots", "--create-pr", "--json")
    pushed = json.loads(out)
    assert pushed["pull_request"].endswith("/discussions/1")
    assert len(hub.history("rise/cots")) == 2, "main is as it was"


def test_rehydrate_command_lists_missing_rows(hub: Minihub, emotion6: Source, tmp_path: Path) -> None:
    publish(emotion6.benchmark, "rise/e6")
    source = tmp_path / "source"
    shutil.copytree(emotion6.images, source)
    (source / "part1" / "003.jpg").unlink()
    arguments = ["rehydrate", "rise/e6", "--source", source, "--out", tmp_path / "out"]
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    assert isinstance(done.exception, RiseError)
    assert done.stdout.startswith("missing\temotion6/003: part1/003.jpg, sha256 ")
    outcome = json.loads(in_process(*arguments, "--allow-missing", "--json"))
    assert (outcome["rows"], [m["id"] for m in outcome["missing"]]) == (23, ["emotion6/003"])


def test_export_command_writes_each_form(coco_sub: Source, tmp_path: Path) -> None:
    flags = ("--trl", "--messages", "--visual-rft", "--vlm-r1")
    out = in_process("export", coco_sub.cots, *[a for f in flags for a in (f, tmp_path / f.strip("-"))])
    assert out.count("5 rows for ") == 4
    assert all((tmp_path / flag.strip("-") / "README.md").is_file() for flag in flags)
    done = CliRunner().invoke(app, ["export", str(coco_sub.cots)])
    assert "--vlm-r1" in str(done.exception)


@pytest.mark.parametrize("command", ["publish", "rehydrate"])
def test_a_hub_that_is_down_gives_one_clear_line(emotion6: Source, tmp_path: Path, command: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = "http://{}:{}".format(*closed.getsockname())
        arguments: list[Any] = {
            "publish": [emotion6.cots, "--repo", "rise/cots"],
            "rehydrate": ["rise/cots", "--source", emotion6.images],
        }[command]
        environment = {"HF_ENDPOINT": endpoint, "HF_TOKEN": TOKEN, "COLUMNS": "500"}
        done = of_its_own(command, *arguments, **environment)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.strip() and "Hashing" not in line]
    assert f"the Hub at {endpoint} cannot be reached (" in line
    kept = ": what was sent is kept" if command == "publish" else ""
    assert line.endswith(f"check the network and HF_ENDPOINT, then run again{kept}")
    assert TOKEN not in done.stdout + done.stderr


def test_tasks_find_a_published_benchmark_at_its_revision(
    hub: Minihub, coco_sub: Source, emotion6: Source, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The third place where data is looked for: the Hub, images included, or the command that gets them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    commit = publish(coco_sub.benchmark, "rise-bench/rise-coco-sub").commit
    monkeypatch.setenv("RISE_BENCH_REVISION", f"rise-bench/rise-coco-sub@{commit}")
    assert len(find_benchmark("coco_sub").golds("test")) == 4
    assert find("coco_sub").commit == commit
    monkeypatch.setenv("RISE_BENCH_REVISION", commit)
    with pytest.raises(ConfigError, match=f"a revision belongs to a repository.*rise-coco-sub@{commit}"):
        find("coco_sub")
    monkeypatch.delenv("RISE_BENCH_REVISION")
    publish(emotion6.benchmark, "rise-bench/rise-emotion6")
    with pytest.raises(DataError, match="rise-bench rehydrate rise-bench/rise-emotion6 --source DIR"):
        find_benchmark("emotion6")


def smoke_test(*arguments: str, **environment: str) -> None:
    script = Path(__file__).parents[1] / "support" / "real_hub.py"
    env = os.environ | {"HF_HUB_OFFLINE": "0", "HF_DATASETS_OFFLINE": "0"} | environment
    if environment.get("HF_ENDPOINT") == "":
        env = {k: v for k, v in env.items() if k not in ("HF_ENDPOINT", "HF_HUB_DISABLE_XET")}
    done = subprocess.run(
        [sys.executable, script, *arguments], env=env, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_smoke_test_itself_works(hub: Minihub, coco_sub: Source, tmp_path: Path) -> None:
    publish(coco_sub.benchmark, "rise/public")
    smoke_test("rise/public", "rise/smoke", HF_TOKEN=TOKEN, HF_HOME=str(tmp_path / "home"))
    assert hub.repos["dataset", "rise/smoke"].private


@pytest.mark.skipif(
    os.environ.get("RISE_BENCH_REAL_HUB") != "1", reason="needs the network; set RISE_BENCH_REAL_HUB=1"
)
def test_real_hub(tmp_path: Path) -> None:
    """Against huggingface.co: read a public dataset; with a token, publish and load one too.

    RISE_BENCH_REAL_HUB_TOKEN is a write token, RISE_BENCH_REAL_HUB_REPO a private dataset to overwrite.
    """
    token, repo = (os.environ.get(f"RISE_BENCH_REAL_HUB_{name}", "") for name in ("TOKEN", "REPO"))
    to_write = [repo] if token and repo else []
    smoke_test("ylecun/mnist", *to_write, HF_ENDPOINT="", HF_TOKEN=token, HF_HOME=str(tmp_path / "home"))
