"""A resumed run is an unbroken one, past the end of an epoch too, with rewards that a model really gets."""

import json
from contextlib import contextmanager

import pytest
import torch
from accelerate import skip_first_batches
from accelerate.data_loader import prepare_data_loader
from safetensors.torch import load_file
from torch.utils.data import DataLoader
from transformers import TrainerState
from trl.trainer.utils import RepeatSampler
from typer.testing import CliRunner

from rise_bench.cli import app
from rise_bench.cot.row_log import read_rows
from rise_bench.reports.run_report import read_metrics
from rise_bench.trainers import visual_rft
from rise_bench.trainers.phases.resuming import EpochOfData, EpochSampler
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.recipe_loader import load_config


@pytest.fixture(scope="module")
def moods(tmp_path_factory):
    """Four pictures: two prompts a step, each batch of rollouts for two steps, are four steps an epoch."""
    folder = tmp_path_factory.mktemp("resuming") / "moods"
    built = CliRunner().invoke(app, ["build", "moods", "--train", "4", "--test", "1", "--out", str(folder)])
    assert built.exit_code == 0, built.output
    return folder


@pytest.fixture
def train(moods, tmp_path):
    """`train(name)` trains six steps of the base model that ships, with a reference model."""

    def run(name):
        config = load_config(
            "world/visual_rft",
            [
                *(f"data.benchmark={moods}", "data.shots=full", f"run.output_dir={tmp_path / name}"),
                *("grpo.steps=6", "grpo.num_generations=2", "grpo.rollouts_per_device=4", "grpo.beta=0.1"),
                *("grpo.learning_rate=1e-3", "grpo.max_completion_length=64", "grpo.num_iterations=2"),
                "run.save_steps=1",
            ],
        )
        folder = RunFolder.create(config)
        return load_file(visual_rft.train(config, folder) / "model.safetensors"), outcome(folder)

    return run


@contextmanager
def interrupted(stage, trainer, after):
    """The user stops the trainer of that name after so many steps."""

    class Stopping(getattr(stage, trainer)):
        def training_step(self, *arguments, **options):
            if self.state.global_step == after:
                raise KeyboardInterrupt
            return super().training_step(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(stage, trainer, Stopping)
        yield


def outcome(folder):
    """What a run did: the rollouts of each step, and what it logged, time apart."""
    rollouts = {}
    for row, *_ in read_rows([folder.rollouts_dir]):
        rollouts.setdefault(row["step"], {}).setdefault(row["attempt"], []).append(
            (row["id"], row["response"], row["reward"])
        )
    metrics = [
        {name: row.get(name) for name in ("step", "reward", "kl", "loss")}
        for row in read_metrics(folder.path)
        if "loss" in row
    ]
    return {step: attempts[max(attempts)] for step, attempts in rollouts.items()}, metrics


def test_resumed_in_the_second_epoch_rollouts_kl_and_weights_are_those_of_an_unbroken_run(train, tmp_path):
    weights, (rollouts, metrics) = train("whole")
    assert any(reward > 0 for rows in rollouts.values() for *_, reward in rows)
    assert any(row["kl"] for row in metrics)
    with interrupted(visual_rft, "ResumableGRPOTrainer", after=5):
        train("halves")
    kept = RunFolder(tmp_path / "halves").last_checkpoint("grpo")
    assert kept.name == "checkpoint-4"  # step 5 used rollouts that no checkpoint holds
    resumed_weights, (resumed_rollouts, resumed_metrics) = train("halves")
    assert resumed_rollouts == rollouts
    for row, expected in zip(resumed_metrics, metrics, strict=True):
        assert row == pytest.approx(expected, abs=1e-6)
    for name, tensor in weights.items():
        torch.testing.assert_close(resumed_weights[name], tensor, atol=1e-6, rtol=1e-5, msg=name)


def test_the_order_of_an_epoch_is_trl_s_and_needs_no_epoch_before_it():
    given = {"data_source": range(7), "mini_repeat_count": 2, "batch_size": 3, "repeat_count": 2, "seed": 5}
    unbroken, resumed = RepeatSampler(**given), EpochSampler(**given)
    epochs = [list(unbroken) for _ in range(4)]
    assert len({json.dumps(epoch) for epoch in epochs}) == 4
    for epoch in (3, 0, 2, 2, 1):
        resumed.set_epoch(epoch)
        assert list(resumed) == epochs[epoch]


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("skipped", [0, 1])
def test_the_sampler_is_told_its_epoch_through_whatever_wraps_it(processes, skipped):
    sampler = EpochSampler(range(8), mini_repeat_count=1, seed=0)
    loader = prepare_data_loader(
        DataLoader(range(8), batch_size=2, sampler=sampler), num_processes=processes, process_index=0
    )
    if skipped:
        loader = skip_first_batches(loader, skipped)
    EpochOfData().on_epoch_begin(None, TrainerState(epoch=3.75), None, train_dataloader=loader)
    assert sampler.epoch == 3
