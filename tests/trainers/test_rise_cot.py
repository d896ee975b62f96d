"""RISE-CoT end to end on a tiny model: what a run leaves behind, and resuming."""

import pytest
import torch
from transformers import AutoModelForImageTextToText

from rise_bench.cot.row_log import read_rows
from rise_bench.reports.run_report import read_metrics
from rise_bench.trainers import rise_cot
from rise_bench.trainers.runs.run_folder import RunFolder

from .test_resuming import interrupted


def run(config):
    folder = RunFolder.create(config)
    return rise_cot.train(config, folder), folder


def rollouts(folder):
    return [located.row for located in read_rows([folder.rollouts_dir])]


def weights(checkpoint):
    return AutoModelForImageTextToText.from_pretrained(checkpoint, dtype=torch.float32).state_dict()


def test_a_run_leaves_a_model_metrics_and_every_rollout(make_config, graded, tiny):
    final, folder = run(make_config("grpo.steps=3", "grpo.gradient_accumulation_steps=2"))
    assert (final / "preprocessor_config.json").is_file() or (final / "processor_config.json").is_file()
    before, after = weights(tiny()), weights(final)
    assert any(not torch.equal(before[name], after[name]) for name in before)
    rows = rollouts(folder)
    assert len(rows) == 3 * 2 * 4  # steps x prompts x G
    assert {row["step"] for row in rows} == {0, 1, 2}
    sizes = {}
    for row in rows:
        sizes[row["id"], row["group"], row["step"]] = sizes.get((row["id"], row["group"], row["step"]), 0) + 1
    assert set(sizes.values()) == {4}
    steps = [m for m in read_metrics(folder.path) if "reward" in m]
    assert [m["step"] for m in steps] == [1, 2, 3]
    names = {"similarity", "leak_numbers", "format_ok", "cot_length", "reconstruction_length"}
    assert names <= set(steps[0]) and "frac_reward_zero_std" in steps[0]
    by_step = {s: [r["reward"] for r in rows if r["step"] == s] for s in range(3)}
    for m in steps:
        rewards = by_step[m["step"] - 1]
        assert m["reward"] == pytest.approx(sum(rewards) / len(rewards), abs=1e-5)


def test_a_finished_run_is_not_trained_again(make_config, graded):
    config = make_config("grpo.steps=1")
    final, folder = run(config)
    count = len(rollouts(folder))
    assert run(config)[0] == final
    assert len(rollouts(folder)) == count


def test_resumed_in_the_second_epoch_steps_are_those_of_an_unbroken_run(make_config, graded, tmp_path):
    settings = ("grpo.steps=12", "run.save_steps=9")  # eight samples: eight steps an epoch
    whole, unbroken = run(make_config(*settings))
    config = make_config(*settings, f"run.output_dir={tmp_path / 'halves'}")
    with interrupted(rise_cot, "ClosedLoopTrainer", after=9):
        run(config)
    halves, folder = run(config)
    first, second = weights(whole), weights(halves)
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor, atol=1e-6, rtol=1e-5, msg=name)
    assert [m["step"] for m in read_metrics(folder.path) if "reward" in m] == list(range(1, 13))
    ids = [[(row["step"], row["id"]) for row in rollouts(r)] for r in (unbroken, folder)]
    assert ids[0] == ids[1]
