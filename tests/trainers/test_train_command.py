"""`rise-bench train` as a user calls it: in its own process, by recipe, killed and started again."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from rise_bench.errors import ConfigError
from rise_bench.report import read_metrics
from rise_bench.trainers.provenance import git_state, versions
from rise_bench.trainers.run_folder import RunFolder


@pytest.fixture
def command(tmp_path, built, tiny):
    """`command(stage, *overrides)` is the command line of the smoke recipe on the toy benchmark."""

    def line(stage, *overrides):
        return [
            *(sys.executable, "-m", "rise_bench", "train", stage, "--recipe", f"smoke/{stage}"),
            *(f"data.benchmark={built}", f"run.output_dir={tmp_path / 'run'}", *overrides),
        ]

    return line


def test_a_smoke_recipe_runs_with_its_tiny_model_and_leaves_a_full_record(command, tmp_path):
    done = subprocess.run(command("sft"), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(tmp_path / "run" / "sft" / "final")
    assert "pre-flight: sft: 2 prompts a step" in done.stderr
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert len(record["prompt_hashes"]["toy"]) == 16 and record["world_size"] == 1
    assert record["git"] == git_state() and record["versions"] == versions()


def test_a_folder_of_a_run_with_other_settings_is_refused(smoke):
    RunFolder.create(smoke("sft"))
    with pytest.raises(ConfigError, match=r"sft\.steps was 2, now 3"):
        RunFolder.create(smoke("sft", "sft.steps=3"))
    RunFolder.create(smoke("sft", "run.save_steps=5"))  # how a run is kept may change


def test_a_run_of_a_version_that_lacked_a_setting_goes_on(smoke, tmp_path):
    RunFolder.create(smoke("sft"))
    path = tmp_path / "run" / "config.yaml"
    path.write_text(path.read_text().replace("  warmup_steps: 0\n", ""))
    RunFolder.create(smoke("sft"))
    with pytest.raises(ConfigError, match=r"sft\.warmup_steps was 0, now 1"):
        path.write_text(path.read_text().replace("  warmup_steps: 0\n", ""))
        RunFolder.create(smoke("sft", "sft.warmup_steps=1"))


@pytest.mark.slow
def test_kill_9_and_the_same_command_again_lose_at_most_the_step_in_flight(command, tmp_path):
    line = command("sft", "sft.steps=12", "run.save_total_limit=3")
    run = RunFolder(tmp_path / "run")
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while (reached := _steps(run)) < 3:
        assert process.poll() is None and time.monotonic() < deadline, "no third step"
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not run.final_dir("sft").exists()
    kept = int(run.last_checkpoint("sft").name.rsplit("-", 1)[1])
    assert kept >= reached - 1
    subprocess.run(line, check=True, capture_output=True, timeout=300)
    rows = [
        json.loads(text)
        for text in (run.path / "metrics.jsonl").read_text().splitlines()
        if text.endswith("}")
    ]
    assert [row["step"] for row in read_metrics(run.path) if "loss" in row] == list(range(1, 13))
    assert sum("loss" in row for row in rows) <= 12 + 1  # nothing but the step in flight was done twice


def _steps(run):
    return max((row["step"] for row in read_metrics(run.path)), default=0)
