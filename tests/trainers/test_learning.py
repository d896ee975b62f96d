"""RISE-CoT learns: on drawn pictures, from the base model that ships, its mean reward (eq. 1) rises clearly.

The recipe and the reward are the shipped ones, all terms of the reward included; eight pictures of different
truths, so that a minute is enough.
"""

import pytest
from typer.testing import CliRunner

from rise_bench.cli import app
from rise_bench.reports.run_report import read_metrics
from rise_bench.trainers import rise_cot
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.recipe_loader import load_config


@pytest.fixture(scope="module")
def moods(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learning") / "moods"
    built = CliRunner().invoke(app, ["build", "moods", "--train", "8", "--test", "1", "--out", str(folder)])
    assert built.exit_code == 0, built.output
    return folder


@pytest.mark.slow
def test_mean_reward_rises(moods, tmp_path):
    config = load_config(
        "world/rise_cot",
        [
            *(f"data.benchmark={moods}", "data.shots=full", f"run.output_dir={tmp_path / 'run'}"),
            *("grpo.steps=12", "grpo.learning_rate=1e-4", "grpo.lr_scheduler=constant"),
        ],
    )
    run = RunFolder.create(config)
    rise_cot.train(config, run)
    rewards = [row["reward"] for row in read_metrics(run.path) if "reward" in row]
    assert sum(rewards[-4:]) / 4 > sum(rewards[:4]) / 4 + 0.04, rewards
