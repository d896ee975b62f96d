"""`rise-bench study` of a benchmark that is not drawn, with any checkpoint, on this machine and on Slurm."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rise_bench.builders import emotion6 as builder
from rise_bench.cli import app
from rise_bench.data.writer import write_dataset
from rise_bench.experiments.methods import METHODS
from rise_bench.experiments.study.grid import ablations_for, methods_for
from rise_bench.models.tiny import make_tiny_model

from ..support.made_sources import emotion6

pytest.importorskip("submitit")

GRID = ("--benchmark", "emotion6", "--budget", "paper", "--shots", "4-shot", "--seeds", "1")
TINY = (*GRID, "--scale", "smoke", "--steps", "1")
BASE = (*TINY, "--method", "base")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for RISE_BENCH_DATA with Emotion6 of 40 pictures."""
    root = tmp_path_factory.mktemp("emotion6")
    plan = builder.plan(emotion6(root / "source", rows=40))
    write_dataset(plan, root / "data" / "emotion6", workers=1, allow_partial=True)
    return root / "data"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


def planned(monkeypatch: pytest.MonkeyPatch, data: Path, *options: object) -> dict[str, list[str]]:
    """The command of each job."""
    monkeypatch.setenv("RISE_BENCH_DATA", str(data))
    asked = ["study", *GRID, "--dry-run", "--json", *map(str, options)]
    done = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return {name: command[1:] for name, command in json.loads(done.stdout)["commands"].items()}


def test_the_papers_tables_of_the_papers_model(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All methods and ablations: recipes of the benchmark, 200 steps for each phase, a model of the Hub."""
    asked = ("--ablations", "--out", tmp_path / "study", "--model", "Qwen/Qwen2-VL-2B-Instruct")
    jobs = planned(monkeypatch, data, *asked, "--set", "compute.accelerate=none")
    trained = [job for job in jobs.values() if job[0] == "train"]
    assert all(
        job[3].startswith("emotion6/") and "model.name=Qwen/Qwen2-VL-2B-Instruct" in job for job in trained
    )
    assert all("compute.accelerate=none" in job for job in trained)
    steps = {text for job in trained for text in job if ".steps=" in text}
    early, long = (
        {"sft.steps=50", "sft.steps=25"},
        {"sft.steps=600", "grpo.steps=600", "sft.steps=300", "grpo.steps=300"},
    )
    assert steps == {"sft.steps=200", "grpo.steps=200"} | early | long
    evaluated = [job for job in jobs.values() if job[0] == "eval"]
    assert len(evaluated) == len(methods_for(drawn=False)) + len(
        ablations_for("distribution", "paper", drawn=False)
    )
    assert set(METHODS) - set(methods_for(drawn=False)) == {
        "reason_rft_oracle"
    }  # only drawn pictures have one
    assert all("rise_emotion6" in job and "device=cpu" not in str(job) for job in evaluated)
    assert not (tmp_path / "study").exists()


def test_what_a_study_decides_itself_or_has_not_is_refused(model: Path, tmp_path: Path) -> None:
    for options, message in {
        ("--set", "grpo.steps=3"): "the study decides it itself",
        ("--set", "data.tau=0.6"): "the study decides it itself",
        ("--set", "grpo.step=3"): "did you mean 'grpo.steps'",
        ("--benchmark", "emotion7"): "no dataset 'emotion7'",
        ("--tune",): "--tune needs validation pictures",
        ("--resource", "partition=gpu"): "--resource is for --launcher",
        ("--model", str(tmp_path)): "holds no model",
        ("--method", "reason_rft_oracle"): "its chains of thought are drawn",
    }.items():
        asked = ["study", *GRID[:2], "--out", str(tmp_path / "study"), *options]
        done = CliRunner().invoke(app, asked)
        assert done.exit_code == 1 and message in str(done.exception), options


class Launched:
    """A study whose jobs submitit starts."""

    def __init__(
        self, out: Path, launcher: str, environment: dict[str, str], options: tuple[str, ...]
    ) -> None:
        self.out, self.jobs = out, out / "jobs" / "emotion6"
        self._environment = environment
        self._command = [sys.executable, "-m", "rise_bench", "study", *options, "--out", str(out)]
        self._command += ["--launcher", launcher, "--resource", "timeout_min=20"]

    def kill_once_started(self, name: str) -> None:
        """Start the study, and kill it when a job of it runs."""
        with subprocess.Popen(
            self._command, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            deadline = time.monotonic() + 600
            while not (self.jobs / f"{name}.submitit" / "seconds").exists():
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.1)
            os.kill(process.pid, signal.SIGKILL)

    def run(self, *options: str) -> str:
        """Run it to its end; return what it printed."""
        done = subprocess.run(
            [*self._command, *options], env=self._environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def rows(self) -> dict[str, dict[str, float]]:
        """Run it to its end; return the results by method."""
        return {row["method"]: row for row in json.loads(self.run("--json"))}

    def submitted(self) -> list[str]:
        """Jobs by name, once for each submission."""
        return sorted(
            path.parent.name.removesuffix(".submitit") for path in self.jobs.rglob("*submitted.pkl")
        )


def test_on_this_machine_a_killed_starter_finds_its_job(data: Path, tmp_path: Path) -> None:
    """Of a family that lmms-eval runs by our own model."""
    model = make_tiny_model(tmp_path / "tiny", "idefics3")
    environment = os.environ | {"RISE_BENCH_DATA": str(data), "OMP_NUM_THREADS": "1"}
    study = Launched(tmp_path / "study", "local", environment, (*BASE, "--model", str(model)))
    study.kill_once_started("base/seed-0/eval_base")
    assert not (study.out / "results.jsonl").exists()
    rows = study.rows()
    assert 0 <= rows["base"]["jsd"] <= 0.6932 and "floor:uniform" in rows
    assert study.submitted() == ["eval_base"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_twice_each_job_is_submitted_once(
    request: pytest.FixtureRequest, data: Path, model: Path, tmp_path: Path
) -> None:
    """The starter dies, its jobs do not: the next start finds them, from training to the page."""
    launcher = "slurm" if shutil.which("sbatch") else "local"
    cluster = request.getfixturevalue("slurm").environment if launcher == "slurm" else os.environ
    environment = cluster | {"RISE_BENCH_DATA": str(data), "OMP_NUM_THREADS": "1"}
    options = (*BASE, "--method", "sft", "--model", str(model))
    study = Launched(tmp_path / "study", launcher, environment, options)
    study.kill_once_started("paper/4-shot/seed-0/sft")
    study.kill_once_started("paper/4-shot/seed-0/eval_sft")
    assert not (study.out / "results.jsonl").exists()
    rows = study.rows()
    assert {"sft", "base", "floor:uniform"} <= rows.keys()
    assert all(0 <= rows[name]["jsd"] <= 0.6932 for name in ("sft", "base"))
    assert rows["sft"]["train_seconds"] > 0 and rows["sft"]["budget"] == "paper"
    assert study.submitted() == ["eval_base", "eval_sft", "sft"]
    assert (study.out / "data" / "emotion6").is_symlink() and (study.out / "study.md").is_file()
    assert study.run("--dry-run").startswith("0 jobs, 3 done; about 0.0 hours")
