"""Visual-RFT, Reason-RFT and Metis-RISE run end to end on a tiny model, each phase on what it should see."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rise_bench.annotations.kinds import render_gold
from rise_bench.cot.closed_loop import LoopSettings
from rise_bench.cot.collect import collect
from rise_bench.cot.collect_job import CollectJob
from rise_bench.cot.rollout_log import Rollout
from rise_bench.cot.row_log import RowLog, read_rows
from rise_bench.cot.share import Share
from rise_bench.data.dataset import open_dataset
from rise_bench.errors import ConfigError
from rise_bench.hub.find import find_benchmark
from rise_bench.prompts.templates import think_answer_prompt, think_answer_text
from rise_bench.reports.run_report import read_metrics
from rise_bench.trainers import metis_rise, reason_rft, sft, visual_rft
from rise_bench.trainers.checks.preflight import inspect
from rise_bench.trainers.data.training_data import (
    cots_sha256,
    open_grpo_data,
    open_training_data,
    training_cots,
)
from rise_bench.trainers.rollouts import trajectories
from rise_bench.trainers.rollouts.trajectories import read_trajectories, sample_trajectories
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.recipe_loader import dump_config

from ..support.commands import run_processes


def test_visual_rft_logs_every_response_and_its_verdict(smoke, toy):
    config = smoke("visual_rft")
    run = RunFolder.create(config)
    assert visual_rft.train(config, run) == run.final_dir("grpo")
    rows = [located.row for located in read_rows([run.rollouts_dir])]
    assert len(rows) == 2 * 4  # steps x rollouts
    assert {row["step"] for row in rows} == {0, 1}
    assert {row["id"] for row in rows} <= {gold.id for gold in toy.golds}
    assert all(0 < row["response_tokens"] <= 24 and row["reward"] == 0 for row in rows)
    for row in read_metrics(run.path):
        if "loss" in row:
            assert {"reward", "format_ok", "similarity", "frac_reward_zero_std"} <= set(row)


@pytest.fixture
def cots(tmp_path, toy, built):
    """`cots(rewards)` is a CoT dataset of the toy benchmark, one reward for each sample."""

    def write(rewards):
        log = RowLog(tmp_path / "log", 0, attempt="1")
        for gold, reward in zip(toy.golds, rewards, strict=True):
            verdict = {"reward": reward, "similarity": reward, "leak_numbers": False, "leak_strict": False}
            verdict |= {"format_ok": True, "reason": "ok", "reconstruction": "<answer>{}</answer>"}
            log.append([{"id": gold.id, "step": 0, "group": 0, "cot": f"The cue of {gold.id}."} | verdict])
        job = CollectJob(
            open_dataset(built),
            "full",
            tmp_path / "cots",
            tmp_path / "sweep",
            LoopSettings(),
            train_log=tmp_path / "log",
            tau=0.75,
            provenance={"model": "none"},
        )
        collect(job, Share())
        return tmp_path / "cots"

    return write


REWARDS = [0.9, 0.1, 0.8, 0.0, 0.2, 0.3, 0.75, 0.5]


def test_reason_rft_trains_on_every_chain_of_thought_and_then_on_rewards(smoke, cots, toy, monkeypatch):
    seen = []
    rows = sft.sft_rows
    monkeypatch.setattr(sft, "sft_rows", lambda data, examples: seen.extend(examples) or rows(data, examples))
    config = smoke("reason_rft", f"data.cots={cots(REWARDS)}", "grpo.weight_decay=0")
    run = RunFolder.create(config)
    assert reason_rft.train(config, run) == run.final_dir("grpo")
    golds = open_training_data(config.data).golds
    assert [e.completion for e in seen] == [
        think_answer_text(f"The cue of {gold.id}.", render_gold(gold)) for gold in golds
    ]
    assert [e.prompt for e in seen] == [think_answer_prompt(toy.spec, gold) for gold in golds]
    assert {row["phase"] for row in read_metrics(run.path)} == {"sft", "grpo"}
    trained, final = weights(run.final_dir("sft")), weights(run.final_dir("grpo"))
    own = (Path(config.model.name) / "generation_config.json").read_text()
    for phase in ("sft", "grpo"):
        assert (run.final_dir(phase) / "generation_config.json").read_text() == own, "as of a LoRA model"
    assert not same(weights(config.model.name), trained)
    assert same(trained, final)  # no reward differs, so GRPO moves nothing: it started from the SFT model


def test_grpo_on_the_samples_that_sft_left_out(smoke, cots, toy, monkeypatch):
    told = []
    rows = sft.sft_rows
    monkeypatch.setattr(sft, "sft_rows", lambda data, examples: told.extend(examples) or rows(data, examples))
    own = [f"data.cots={cots(REWARDS)}", "data.cot_rows=3", "data.grpo_samples=rest"]
    config = smoke("reason_rft", *own)
    run = RunFolder.create(config)
    reason_rft.train(config, run)
    golds = open_training_data(config.data).golds
    sft_ids = {golds[example.position].id for example in told}
    assert len(sft_ids) == 3
    assert open_grpo_data(config).images["source_sha256"] == [
        sha
        for gold, sha in zip(golds, open_training_data(config.data).images["source_sha256"], strict=True)
        if gold.id not in sft_ids
    ]
    sampled = {located.row["id"] for located in read_rows([run.rollouts_dir])}
    assert sampled and not sampled & sft_ids
    assert {gold.id for gold in open_grpo_data(config).golds} == {gold.id for gold in toy.golds} - sft_ids
    alone = smoke("reason_rft", *own, "phases=grpo")
    assert cots_sha256(alone) == cots_sha256(config) != "", "what is the rest depends on them"
    assert not cots_sha256(smoke("reason_rft", own[0], "phases=grpo"))
    other = smoke("reason_rft", *own, "seed=1")
    assert {gold.id for gold in open_grpo_data(other).golds} != {
        gold.id for gold in open_grpo_data(config).golds
    }


def test_chains_of_thought_are_drawn_among_those_of_the_few_shot_set(smoke, cots):
    named = f"data.cots={cots(REWARDS)}"
    every = training_cots(smoke("reason_rft", named))
    data = open_training_data(smoke("reason_rft", named).data)
    few = replace(data, golds=[gold for gold in data.golds if gold.id in every][-2:])
    for seed in range(5):
        drawn = training_cots(smoke("reason_rft", named, "data.cot_rows=2", f"seed={seed}"), few)
        assert drawn.keys() == {gold.id for gold in few.golds}


def test_a_rest_has_to_be_there(smoke, cots):
    config = smoke("reason_rft", f"data.cots={cots(REWARDS)}", "data.grpo_samples=rest")
    with pytest.raises(ConfigError, match=r"Lower data\.cot_rows"):
        open_grpo_data(config)
    with pytest.raises(ConfigError, match=r"visual_rft has no phase on chains of thought"):
        smoke("visual_rft", "data.grpo_samples=rest")
    with pytest.raises(ConfigError, match=r"data\.cots is empty.*grpo_samples=all"):
        open_grpo_data(smoke("reason_rft", "data.cots=", "data.grpo_samples=rest", "phases=grpo"))


def test_a_format_bonus_needs_a_stage_that_pays_by_eq_9(smoke):
    rule = ("reward.format_term=false", "reward.format_bonus=1")
    assert smoke("visual_rft", *rule).reward.format_bonus == 1
    with pytest.raises(ConfigError, match=r"eq\. 1.*Set reward\.format_bonus=0"):
        smoke("rise_cot", *rule)


def test_reason_rft_refuses_to_filter(smoke, tmp_path):
    config = smoke("reason_rft", "data.cot_subset=high")
    with pytest.raises(ConfigError, match=r"train rise_r1"):
        reason_rft.train(config, RunFolder.create(config))


def trajectory(uid, rewards):
    return {
        uid: [Rollout(uid, 0, 0, r, format_ok=True, response=f"{uid} {i}") for i, r in enumerate(rewards)]
    }


def test_metis_distils_what_is_solved_sometimes_and_asks_the_expert_for_what_never_is(
    smoke, cots, toy, built
):
    config = smoke("metis_rise", f"data.expert_cots={cots(REWARDS)}", "data.tau=0.75")
    data = open_training_data(config.data)
    ids = [gold.id for gold in data.golds]
    always, sometimes, never_high, never_low = (toy.golds[i].id for i in (4, 5, 0, 1))
    judged = trajectory(always, [0.9, 0.8]) | trajectory(sometimes, [0.74, 0.75])
    judged |= trajectory(never_high, [0.1, 0.2]) | trajectory(never_low, [0.0, 0.0])
    chosen = {ids[e.position]: e.completion for e in metis_rise.enhancement_examples(config, data, judged)}
    gold = toy.golds[0]
    assert chosen == {
        sometimes: f"{sometimes} 1",
        never_high: think_answer_text(f"The cue of {never_high}.", render_gold(gold)),
    }  # the expert's chain of thought for never_low has a reward below tau
    everything = replace(config, data=replace(config.data, cot_subset="all"))
    more = metis_rise.enhancement_examples(everything, data, judged)
    assert {ids[e.position] for e in more} == {sometimes, never_high, never_low}


def test_metis_goes_without_an_expert_of_whom_nothing_is_good_enough(smoke, cots, toy):
    """As where RISE-CoT has no chain of thought with a reward of tau; RISE cannot be trained there."""
    named = cots([reward / 2 for reward in REWARDS])
    config = smoke("metis_rise", f"data.expert_cots={named}", "data.tau=0.75")
    data = open_training_data(config.data)
    assert training_cots(config, data) == {}
    seen = inspect(config)
    assert seen.findings == [] and "sft: 0 of 8 samples have a chain of thought to use" in seen.facts
    sometimes, never = (toy.golds[i].id for i in (4, 5))
    judged = trajectory(sometimes, [0.1, 0.8]) | trajectory(never, [0.1, 0.2])
    (left,) = metis_rise.enhancement_examples(config, data, judged)
    assert left.completion == f"{sometimes} 1"
    with pytest.raises(ConfigError, match=r"no chain of thought with reward >= 0\.75"):
        training_cots(smoke("rise_r1", f"data.cots={named}", "data.tau=0.75"), data)


def test_metis_keeps_the_best_solutions_in_the_asked_form(smoke):
    rollouts = trajectory("a", [0.8, 0.95, 0.9, 0.1])["a"]
    rollouts[1] = replace(rollouts[1], format_ok=False)
    assert metis_rise.solutions(rollouts, smoke("metis_rise").metis) == ["a 2", "a 0"]


def test_metis_with_nothing_to_train_on_says_what_it_found(smoke, built):
    config = smoke("metis_rise", "data.expert_cots=")
    data = open_training_data(config.data)
    with pytest.raises(ConfigError, match=r"always solved: 1, sometimes: 0, never: 1.*data\.expert_cots"):
        judged = trajectory("a", [1.0, 1.0]) | trajectory("b", [0.0, 0.0])
        metis_rise.enhancement_examples(config, data, judged)


def test_metis_runs_grpo_then_sft_from_it_and_samples_each_prompt_once(smoke, cots, toy):
    config = smoke("metis_rise", f"data.expert_cots={cots(REWARDS)}")
    run = RunFolder.create(config)
    assert metis_rise.train(config, run) == run.final_dir("sft")
    assert list(dict.fromkeys(row["phase"] for row in read_metrics(run.path))) == ["grpo", "sft"]
    path = run.path / "trajectories" / "rank00000.jsonl"
    logged = path.read_text().splitlines()
    assert len(logged) == len(toy.golds) * config.metis.samples
    path.write_text("\n".join(logged[:5]) + "\n" + logged[5][:20])  # killed while sampling the third prompt
    assert len(read_trajectories(path.parent, 2)) == 2
    again = sample_trajectories(config, run, find_benchmark(config.data.benchmark), run.final_dir("grpo"))
    assert set(again) == {gold.id for gold in toy.golds}
    assert len(path.read_text().splitlines()) == 6 + 6 * 2
    sample_trajectories(config, run, find_benchmark(config.data.benchmark), Path(config.model.name))
    before = run.path / "trajectories_before_grpo" / "rank00000.jsonl"
    expected = len(toy.golds) * config.metis.samples
    assert len(before.read_text().splitlines()) == expected, (
        "those of another model are not taken for its own"
    )


@pytest.mark.parametrize("trained", [True, False])
def test_metis_samples_from_the_revision_that_it_trains(smoke, monkeypatch, trained):
    """The base model is that of `model.revision`; the GRPO model is a folder, which has none."""
    config = smoke("metis_rise", "model.revision=v1")
    run, loaded = RunFolder.create(config), []
    monkeypatch.setattr(trajectories, "LocalModel", lambda name, **of: loaded.append((name, of["revision"])))
    monkeypatch.setattr(trajectories, "sweep", lambda *_, **__: None)
    start = run.final_dir("grpo") if trained else Path(config.model.name)
    sample_trajectories(config, run, find_benchmark(config.data.benchmark), start)
    assert loaded == [(str(start), "" if trained else "v1")]


def weights(folder):
    return load_file(next(Path(folder).glob("*.safetensors")))


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


TWO_PROCESSES = """
import sys
import deepspeed.ops
from accelerate import PartialState
deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False  # would be compiled, for a minute
PartialState(backend="gloo")  # CPU in place of the GPUs that DeepSpeed expects
from rise_bench.trainers.phases import trl_arguments as loading
from rise_bench.trainers import metis_rise, sft
from rise_bench.trainers.settings.recipe_loader import load_config
from rise_bench.trainers.settings.recipe_loader import dump_config
from rise_bench.trainers.runs.run_folder import RunFolder
common = loading.common_arguments
cpu = {"use_cpu": False, "accelerator_config": {"use_configured_state": True}}
loading.common_arguments = sft.common_arguments = lambda *args: common(*args) | cpu
config = load_config(sys.argv[1])
metis_rise.train(config, RunFolder.create(config))
"""


@pytest.mark.slow
def test_phases_follow_each_other_under_zero3_on_two_processes(smoke, cots, toy, zero3_environment, tmp_path):
    """GRPO sharded, then sampling from an unsharded model on each process, then SFT sharded again."""
    pytest.importorskip("deepspeed")
    overrides = ("compute.accelerate=zero3", "grpo.rollouts_per_device=2")
    config = smoke("metis_rise", f"data.expert_cots={cots(REWARDS)}", *overrides)
    (tmp_path / "recipe.yaml").write_text(dump_config(config))
    (tmp_path / "two.py").write_text(TWO_PROCESSES)
    run_processes(tmp_path / "two.py", tmp_path / "recipe.yaml", env=zero3_environment)
    run = RunFolder(Path(config.run.output_dir))
    assert not same(weights(run.final_dir("grpo")), weights(run.final_dir("sft")))
    assert len(list((run.path / "trajectories").glob("rank*.jsonl"))) == 2
    assert set(read_trajectories(run.path / "trajectories", 2)) == {gold.id for gold in toy.golds}
    for phase in (
        "grpo",
        "sft",
    ):  # the final model of a run that was killed after its last step is copied from here
        assert same(weights(run.last_checkpoint(phase)), weights(run.final_dir(phase)))
        assert list(
            run.last_checkpoint(phase).rglob("zero_pp_rank_1_*_model_states.pt")
        )  # weights sharded: ZeRO-3
