"""`kill -9` in training loses at most the steps since the last checkpoint, wherever it strikes."""

import os
import signal
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rise_bench.cot.rollout_groups import groups
from rise_bench.reports.run_report import read_metrics
from rise_bench.trainers import rise_cot
from rise_bench.trainers.runs.run_folder import RunFolder, step_of
from rise_bench.trainers.settings.recipe_loader import dump_config

from ..support.commands import Command, run_command

SUPPORT = Path(__file__).parents[1] / "support"


@pytest.fixture
def make_child(tmp_path):
    """`make_child(config)` starts training in a process of its own."""

    def start(config):
        recipe = tmp_path / "recipe.yaml"
        recipe.write_text(dump_config(config))
        return Command(SUPPORT / "graded_training.py", recipe)

    return start


def test_a_run_killed_in_a_step_goes_on_from_the_step_before(make_config, make_child, graded, tmp_path):
    settings = ("grpo.steps=8", "grpo.lr_scheduler=constant", "run.save_total_limit=1")
    config = make_config(*settings)
    child, run = make_child(config), RunFolder(tmp_path / "run")
    deadline = time.monotonic() + 120
    while len(read_metrics(run.path)) < 3:
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    logged = len(read_metrics(run.path))
    assert logged - 1 <= step_of(run.last_checkpoint("grpo")) < 8
    final = rise_cot.train(config, run)
    whole = make_config(*settings, f"run.output_dir={tmp_path / 'whole'}")
    expected = load_file(rise_cot.train(whole, RunFolder.create(whole)) / "model.safetensors")
    for name, tensor in load_file(final / "model.safetensors").items():
        torch.testing.assert_close(tensor, expected[name], atol=1e-6, rtol=1e-5, msg=name)
    assert [row["step"] for row in read_metrics(run.path) if "reward" in row] == list(range(1, 9))
    assert counted(run) == counted(RunFolder(tmp_path / "whole"))


def counted(run):
    """What `rise-bench collect` counts: the rewards of every group, by sample and step."""
    found = groups([run.rollouts_dir])
    return {(uid, group.step): group.rewards for uid, all_ in found.items() for group in all_}


@pytest.mark.slow
def test_killed_before_every_write_a_run_ends_as_one_that_was_never_killed(make_config, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        dump_config(make_config("grpo.steps=3", "grpo.lr_scheduler=constant", "run.save_total_limit=1"))
    )
    done = run_command(SUPPORT / "kill_training.py", recipe, timeout=580)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.split()[-1]) > 20
