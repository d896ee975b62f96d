"""How the work is laid out changes nothing: accumulation, processes, ZeRO-3, shared image encodings."""

import importlib.util
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageTextToText

from rise_bench.cot.row_log import read_rows
from rise_bench.trainers.settings.recipe_loader import dump_config

from ..support.commands import run_processes

BASE = (
    *("grpo.steps=3", "grpo.learning_rate=0.05", "grpo.lr_scheduler=constant", "run.save_steps=100"),
    *("grpo.num_generations=8", "grpo.gradient_accumulation_steps=1"),
)


def _load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "support" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


replay = _load("replay")


@pytest.fixture(scope="module")
def done():
    """Weights and rollouts of every layout that was trained, for the tests that compare with it again."""
    return {}


@pytest.fixture
def trained(make_config, tmp_path, monkeypatch, done):
    """`trained(name, *overrides, processes=1)` trains, once, and returns weights and rollouts."""

    def run(name, *overrides, processes=1, deepspeed=None):
        layout = (overrides, processes)
        if layout not in done:
            done[layout] = train(name, overrides, processes, deepspeed)
        return done[layout]

    def train(name, overrides, processes, deepspeed):
        config = make_config(*BASE, f"run.output_dir={tmp_path / name}", *overrides)
        if processes == 1:
            with monkeypatch.context() as patch:
                replay.replace_sampling(patch.setattr)
                replay.train(config)
        else:
            launch(config, tmp_path / f"{name}.yaml", processes, deepspeed)
        model = AutoModelForImageTextToText.from_pretrained(tmp_path / name / "grpo" / "final")
        rows = [located.row for located in read_rows([tmp_path / name / "rollouts"])]
        return model.float().state_dict(), rows

    return run


def launch(config, recipe, processes, deepspeed):
    """Train under torchrun over gloo."""
    recipe.write_text(dump_config(config))
    option = ["--deepspeed"] if deepspeed else []
    run_processes(replay.__file__, recipe, *option, env=deepspeed or {"ACCELERATE_USE_CPU": "true"})


def assert_same(first, second, start, tolerance=2e-5):
    """Equal weights, and weights that moved: by far more than the tolerance."""
    moved = max((tensor - start[name]).abs().max().item() for name, tensor in first[0].items())
    assert moved > 100 * tolerance
    for name, tensor in first[0].items():
        difference = (second[0][name] - tensor).abs().max().item()
        assert difference <= tolerance, (name, difference)
    assert told(first) == told(second)


def told(result):
    kept = ("step", "id", "cot", "reconstruction", "reward")
    return sorted(tuple(row[name] for name in kept) for row in result[1])


@pytest.fixture
def base(tiny):
    return AutoModelForImageTextToText.from_pretrained(tiny(), dtype=torch.float32).state_dict()


@pytest.fixture
def whole_batch(trained):
    return trained("whole", "grpo.rollouts_per_device=8")


def test_one_batch_of_eight_is_eight_of_one(trained, whole_batch, base):
    single = trained("single", "grpo.rollouts_per_device=1", "grpo.gradient_accumulation_steps=8")
    assert_same(whole_batch, single, base)


def test_the_prefix_tree_changes_nothing(trained, whole_batch, base):
    padded = trained("padded", "grpo.rollouts_per_device=8", "grpo.prefix_tree=false")
    assert_same(whole_batch, padded, base)


def test_one_process_is_two_even_with_a_group_spread_over_both(trained, whole_batch, base):
    assert_same(whole_batch, trained("two", "grpo.rollouts_per_device=4", processes=2), base)


def test_one_process_is_two_with_reconstructions_without_the_picture(trained, base):
    """Three rows a rollout, of which one has no picture."""
    whole = trained("whole_both", "grpo.rollouts_per_device=8", "reward.view=both")
    two = trained("two_both", "grpo.rollouts_per_device=4", "reward.view=both", processes=2)
    assert_same(whole, two, base)
    assert all(row["paid"] == min(row["reward"], row["reward_blind"]) for row in whole[1])


@pytest.mark.slow
def test_zero3_is_ddp(trained, base, zero3_environment, tmp_path):
    layout = ("grpo.rollouts_per_device=4", "compute.accelerate=zero3", "run.save_steps=3")
    ddp = trained("two", "grpo.rollouts_per_device=4", processes=2)
    assert_same(ddp, trained("zero3", *layout, processes=2, deepspeed=zero3_environment), base)
    shards = (tmp_path / "zero3" / "grpo" / "checkpoint-3").rglob("zero_pp_rank_*_model_states.pt")
    assert len(list(shards)) == 2  # the weights were sharded too, which only ZeRO-3 does
