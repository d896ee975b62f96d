"""`rise-bench demo`: killed and started again it goes on; a finished one is only shown again."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from rise_bench.manifest import MANIFEST_NAME

from .conftest import Run, Start, finish

COMMAND = ("rise_bench", "demo", "--train", "12", "--test", "6", "--json", "--out")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "out"


def test_demo_goes_on_after_kill_9(start: Start, run: Run, out: Path) -> None:
    manifest = out / "data" / "moods" / MANIFEST_NAME
    with start(*COMMAND, out) as process:
        deadline = time.monotonic() + 120
        while not manifest.is_file():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        finish(process)
    drawn = manifest.stat().st_mtime_ns
    done = run(*COMMAND, out)
    assert done.returncode == 0, done.stderr
    assert manifest.stat().st_mtime_ns == drawn  # not drawn again
    scores = json.loads(done.stdout)
    assert scores["samples"] == 6
    assert scores["floors"].keys() == {"uniform", "train_mean", "majority_class"}
    assert json.loads((out / "scores.json").read_text(), parse_constant=pytest.fail) == scores


def test_a_finished_demo_is_only_shown_again(run: Run, out: Path) -> None:
    done = run(*COMMAND[:-2], "--out", out)
    assert done.returncode == 0, done.stderr
    assert "done before" in done.stderr
    assert len(list(out.glob("results/*/*_results.json"))) == 1
    for words in ("tiny, untrained", "train_mean", "Next:", "rise-bench build custom", "rise-bench explain"):
        assert words in done.stdout


def test_other_settings_in_the_same_folder_are_refused(run: Run, out: Path) -> None:
    done = run("rise_bench", "demo", "--train", "12", "--test", "7", "--out", out)
    assert done.returncode == 1
    assert "not what this demo asks for; choose another --out" in done.stderr
