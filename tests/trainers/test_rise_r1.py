"""RISE-R1: which chains of thought it learns from, and that its two phases are one command or two."""

import json
import re

import pytest
import torch
from transformers import AutoModelForImageTextToText

from rise_bench.cot.rollout_groups import best_of, groups
from rise_bench.cot.row_log import RowLog
from rise_bench.cot.writer import CotPlan, write_cots
from rise_bench.data.dataset import open_dataset
from rise_bench.errors import ConfigError
from rise_bench.reports.run_report import read_metrics
from rise_bench.trainers import rise_r1
from rise_bench.trainers.runs.run_folder import RunFolder


@pytest.fixture
def cots(built, toy, tmp_path):
    """A CoT dataset whose rewards are 0, 1/8, … 7/8."""
    log = RowLog(tmp_path / "rollouts", 0, attempt="1")
    verdict = {"leak_numbers": False, "leak_strict": False, "format_ok": True}
    for i, gold in enumerate(toy.golds):
        row = {"id": gold.id, "step": 0, "group": 0, "cot": f"cue {gold.id}", "reconstruction": "<answer>"}
        log.append([row | verdict | {"reward": i / 8, "similarity": i / 8}])
    plan = CotPlan(
        open_dataset(built), "full", best_of(groups([tmp_path / "rollouts"])), lambda group: {"model": "m"}
    )
    write_cots(plan, tmp_path / "cots")
    return tmp_path / "cots"


def weights(folder):
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).state_dict()


def train(config):
    folder = RunFolder.create(config)
    return rise_r1.train(config, folder), folder


def test_one_command_is_both_phases_and_each_also_runs_alone(make_config, cots, tmp_path):
    settings = (f"data.cots={cots}", "data.tau=0.5")
    both, folder = train(make_config(*settings, f"run.output_dir={tmp_path / 'both'}", stage="rise_r1"))
    assert both == folder.final_dir("grpo") and folder.final_dir("sft").is_dir()
    assert [m["phase"] for m in read_metrics(folder.path) if "loss" in m] == ["sft"] * 2 + ["grpo"] * 2
    alone = [*settings, f"run.output_dir={tmp_path / 'alone'}"]
    sft, _ = train(make_config(*alone, "phases=[sft]", stage="rise_r1"))
    grpo, _ = train(make_config(*alone, "phases=[grpo]", stage="rise_r1"))
    for one, two in ((folder.final_dir("sft"), sft), (both, grpo)):
        first, second = weights(one), weights(two)
        for name, tensor in first.items():
            torch.testing.assert_close(second[name], tensor, atol=1e-6, rtol=1e-5, msg=name)


@pytest.mark.parametrize(
    ("overrides", "kept"),
    [
        (["data.tau=0.5"], {4, 5, 6, 7}),
        (["data.tau=0.75"], {6, 7}),
        (["data.tau=0.75", "data.cot_subset=all"], set(range(8))),
    ],
    ids=["tau-0.5", "tau-0.75", "all"],
)
def test_tau_picks_the_chains_of_thought(make_config, cots, toy, monkeypatch, overrides, kept):
    seen = []
    monkeypatch.setattr(
        rise_r1, "train_sft", lambda config, run, start, data, examples: seen.extend(examples)
    )
    config = make_config(f"data.cots={cots}", *overrides, "phases=[sft]", stage="rise_r1")
    rise_r1.train_on_cots(config, RunFolder.create(config), "start")
    golds = {gold.id: gold for gold in toy.golds}
    told = {}
    for example in seen:
        think, answer = re.fullmatch(
            r"<think>cue (.*)</think><answer>(.*)</answer>", example.completion
        ).groups()
        told[think] = json.loads(answer)
    assert set(told) == {toy.golds[i].id for i in kept}
    for uid, answer in told.items():
        gold = golds[uid].annotation
        assert answer == pytest.approx(dict(zip(gold.classes, gold.probs, strict=True)), abs=1e-3)


def test_without_chains_of_thought_the_message_names_the_setting(make_config):
    with pytest.raises(ConfigError, match="data.cots"):
        train(make_config("phases=[sft]", stage="rise_r1"))
