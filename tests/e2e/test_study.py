"""`rise-bench study` through real trainings of very few steps: killed and started again it goes on."""

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from rise_bench.experiments.study.calibration import time_steps
from rise_bench.experiments.study.grid import Study

from .conftest import Run, Start, finish

GRID = ("--shots", "4-shot", "--seeds", "1", "--steps", "12", "--train", "40", "--test", "6", "--json")
METHODS = ("--method", "rise", "--method", "sft")
MINUTES = 15

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60 * MINUTES)]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study") / "out"


def records(out: Path) -> dict[str, dict]:
    folder = out / "jobs"
    return {
        str(p.relative_to(folder).with_suffix("")): json.loads(p.read_text()) for p in folder.rglob("*.json")
    }


@pytest.fixture(scope="module")
def rows(start: Start, out: Path) -> list[dict]:
    """The results of a study that was killed after its first job was done."""
    command = ("rise_bench", "study", *GRID, *METHODS, "--out", out)
    with start(*command) as process:
        deadline = time.monotonic() + 60 * MINUTES
        while not any(record["done"] for record in records(out).values()):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        os.kill(process.pid, signal.SIGKILL)
        finish(process)
    assert not (out / "results.jsonl").exists()
    before = {name for name, record in records(out).items() if record["done"]}
    done = finish(start(*command), minutes=MINUTES)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("done before") >= len(before) > 0
    return json.loads(done.stdout)


def test_every_cell_has_its_results(rows: list[dict], out: Path) -> None:
    keys = {(row["shots"], row["seed"], row["method"]) for row in rows if row["budget"]}
    assert keys == {("4-shot", 0, name) for name in ("rise", "sft")}
    for row in rows:
        assert 0 <= row["jsd"] <= 0.6932
        if row["method"] == "rise":
            assert 0 < row["share_kept"] <= 1 and row["train_seconds"] > 0
            assert row["leaking_share_of_kept_cots"] == 0  # eq. 1 pays nothing for them
    assert {row["method"] for row in rows if not row["budget"]} == {
        f"floor:{name}" for name in ("uniform", "train_mean", "majority_class")
    }
    page = (out / "study.md").read_text()
    assert "RISE is better than SFT" in page
    assert re.search(r"^Commits that the jobs ran at: .+ jobs\)", page, re.M)
    assert (out / "study-moods-steps.svg").is_file()
    assert json.loads((out / "summary.json").read_text())[0]["claims"][0]["seeds"] == 1
    verdicts = json.loads((out / "verdicts.json").read_text())
    assert {claim["verdict"] for claim in verdicts["claims"]} == {"open"} and verdicts["commit"]


def test_finished_trainings_keep_no_checkpoints(rows: list[dict], out: Path) -> None:
    assert not list(out.glob("moods/*/*/runs/*/*/checkpoint-*"))
    assert list(out.glob("moods/4-shot/seed-0/runs/rise_r1/grpo/final/model.safetensors"))


def test_equal_time_goes_on_from_measured_seconds(rows: list[dict], run: Run, out: Path) -> None:
    done = run("rise_bench", "study", *GRID, *METHODS, "--budget", "time", "--dry-run", "--out", out)
    assert done.returncode == 0, done.stderr
    jobs = json.loads(done.stdout)["jobs"]
    assert jobs == [f"moods/4-shot/seed-0/{job}-time" for job in ("sft", "eval_sft")]
    assert not (out / "calibration.json").exists()  # more runs may be measured yet


def test_equal_time_keeps_measured_seconds(rows: list[dict], out: Path) -> None:
    study = Study(out, shots=("4-shot",), seeds=1, methods=("rise", "sft"), steps=12, train=40, test=6)
    time_steps(study)
    rates = json.loads((out / "calibration.json").read_text())["moods"]["4-shot"]
    assert rates.keys() >= {"rise_cot.grpo", "rise_r1.sft", "rise_r1.grpo", "collect", "sft.sft"}
    assert min(rates.values()) > 0


def test_no_job_at_a_time_measures_what_is_done(rows: list[dict], run: Run, out: Path) -> None:
    done = run("rise_bench", "study", *GRID, "--jobs", "0", "--json", "--out", out)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == rows  # all methods were asked for, and the others are not there yet
    timed = run("rise_bench", "study", *GRID, *METHODS, "--budget", "time", "--jobs", "0", "--out", out)
    assert timed.returncode == 0, timed.stderr
    assert {row["method"] for row in json.loads(timed.stdout) if row["budget"] == "time"} == {"rise"}
    assert "not done yet" in timed.stderr


def test_another_budget_in_the_same_folder_is_refused(rows: list[dict], run: Run, out: Path) -> None:
    other = ["24" if word == "12" else word for word in GRID]
    done = run("rise_bench", "study", *other, *METHODS, "--out", out)
    assert done.returncode == 1
    assert "Choose another --out" in done.stderr
