"""`rise-bench train` as a user calls it: in its own process, by recipe, killed and started again."""

import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from transformers.integrations import is_wandb_available
from typer.testing import CliRunner

from rise_bench.annotations.kinds import render_gold
from rise_bench.catalog.stages import stages
from rise_bench.cli import app
from rise_bench.cli.train import leave_out_wandb
from rise_bench.cot.rollout_groups import best_of, groups
from rise_bench.cot.row_log import RowLog
from rise_bench.cot.writer import CotPlan, write_cots
from rise_bench.data.dataset import open_dataset
from rise_bench.errors import ConfigError
from rise_bench.hub.find import find_benchmark
from rise_bench.reports.run_report import read_metrics
from rise_bench.trainers import visual_rft
from rise_bench.trainers.data.training_data import open_training_data, training_cots
from rise_bench.trainers.runs import next_steps
from rise_bench.trainers.runs.provenance import git_state, versions
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.recipe_loader import load_config
from rise_bench.trainers.sft import think_answer_examples

from ..support.commands import Command, run_command
from ..support.drawn_data import write_drawn
from .conftest import write_benchmark


@pytest.fixture
def command(tmp_path, built, tiny):
    """`command(stage, *overrides)` is what follows `rise-bench` for the smoke recipe on the toy benchmark."""

    def line(stage, *overrides):
        return [
            *("train", stage, "--recipe", f"smoke/{stage}"),
            *(f"data.benchmark={built}", f"run.output_dir={tmp_path / 'run'}", *overrides),
        ]

    return line


def test_a_smoke_recipe_runs_with_its_tiny_model_and_leaves_a_full_record(command, tmp_path):
    done = run_command("rise_bench", *command("sft"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(tmp_path / "run" / "sft" / "final")
    assert "pre-flight: sft: 2 prompts a step" in done.stderr
    report, evaluation = (line.split() for line in done.stderr.splitlines() if line.startswith("next: "))
    assert report == ["next:", "rise-bench", "report", str(tmp_path / "run")]
    assert evaluation[-2:] == ["--style", "answer_only"] and "RISE_BENCH_CUSTOM=toy" in evaluation
    assert (
        f"pretrained={tmp_path / 'run' / 'sft' / 'final'}" in evaluation[evaluation.index("--model_args") + 1]
    )
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert len(record["prompt_hashes"]["toy"]) == 16 and record["world_size"] == 1
    assert record["git"] == git_state() and record["versions"] == versions()


def test_the_printed_evaluation_is_on_the_data_that_was_trained_on(
    make_config, built, tmp_path, tiny, monkeypatch
):
    """A corrected copy has another folder's name; under the dataset's own the uncorrected one is found."""
    shutil.copytree(built, tmp_path / "toy-2")
    model = Path(tiny("qwen2_vl"))
    for folder, where in (
        (built, f"RISE_BENCH_CUSTOM=toy RISE_BENCH_DATA={built.parent} "),
        (tmp_path / "toy-2", f"RISE_BENCH_CUSTOM={tmp_path / 'toy-2'} "),
    ):
        config = make_config(f"data.benchmark={folder}", stage="rise_r1")
        line = next_steps.evaluation(config, open_dataset(folder), model)
        assert line.startswith(f"{where}rise-bench eval --tasks rise_custom")
        given = dict(part.split("=") for part in where.split())
        monkeypatch.setenv("RISE_BENCH_DATA", given.get("RISE_BENCH_DATA", str(tmp_path)))
        assert find_benchmark(given["RISE_BENCH_CUSTOM"]).root == folder


def test_a_folder_of_a_run_with_other_settings_is_refused(smoke):
    RunFolder.create(smoke("sft"))
    with pytest.raises(ConfigError, match=r"sft\.steps was 2, now 3"):
        RunFolder.create(smoke("sft", "sft.steps=3"))
    with pytest.raises(ConfigError, match=r"compute\.bf16 was False, now True"):
        RunFolder.create(smoke("sft", "compute.bf16=true"))
    for free in ("run.save_steps=5", "compute.gradient_checkpointing=true", "compute.accelerate=ddp"):
        RunFolder.create(smoke("sft", free))  # how a run is kept, and where it is computed, may change


def test_a_run_of_a_version_that_lacked_a_setting_goes_on(smoke, tmp_path):
    RunFolder.create(smoke("sft"))
    path = tmp_path / "run" / "config.yaml"
    path.write_text(path.read_text().replace("  warmup_steps: 0\n", ""))
    RunFolder.create(smoke("sft"))
    with pytest.raises(ConfigError, match=r"sft\.warmup_steps was 0, now 1"):
        path.write_text(path.read_text().replace("  warmup_steps: 0\n", ""))
        RunFolder.create(smoke("sft", "sft.warmup_steps=1"))


@pytest.fixture
def train(monkeypatch):
    """`train(*arguments)` calls the command; `train.trained` lists the configs that it would train."""
    call = SimpleNamespace(trained=[])

    def record(config, run):
        call.trained.append(config)
        raise KeyboardInterrupt

    for stage in stages():
        module = importlib.import_module(f"rise_bench.trainers.{stage}")
        monkeypatch.setattr(module, "train", record)
    call.run = lambda *arguments: CliRunner().invoke(app, ["train", *map(str, arguments)])
    return call


@pytest.fixture
def built_as(toy, tmp_path):
    """`built_as(name)` is the toy benchmark under the name of another."""

    def build(name):
        task = SimpleNamespace(**vars(toy))
        task.spec = replace(toy.spec, name=name)
        return write_benchmark(tmp_path / "built" / name, task)

    return build


@pytest.mark.parametrize(
    ("arguments", "same_as"),
    [
        (["rise_r1", "data.benchmark=moods"], ["rise_r1", "--recipe", "world/rise_r1"]),
        (["--recipe", "world/rise_r1"], ["rise_r1", "--recipe", "world/rise_r1"]),
        (["seed=7", "--recipe", "world/sft"], ["sft", "seed=7", "--recipe", "world/sft"]),
        (["stage=sft", "data.benchmark=lisa"], ["sft", "--recipe", "lisa/sft"]),
        (["sft"], ["sft", "--recipe", "emotion6/sft"]),
        (
            ["sft", "data.benchmark=pets"],
            ["sft", "data.benchmark=pets", "--recipe", "emotion6/sft"],
        ),
        (
            ["sft", "data.benchmark=moods", "data.benchmark=kinds"],
            ["sft", "data.benchmark=kinds", "--recipe", "world/sft"],
        ),
    ],
)
def test_the_stage_or_the_recipe_is_enough(train, arguments, same_as):
    short, full = train.run(*arguments, "--dry-run"), train.run(*same_as, "--dry-run")
    assert short.exit_code == full.exit_code == 0, short.output
    assert yaml.safe_load(short.stdout) == yaml.safe_load(full.stdout)


def test_the_recipe_of_a_folder_is_that_of_the_benchmark_in_it(train, built_as):
    folder = built_as("kinds")
    result = train.run("rise_cot", f"data.benchmark={folder}", "--dry-run")
    assert result.stderr.strip() == "recipe: kinds/rise_cot" and f"benchmark: {folder}" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "no stage is named"),
        (["rise_r2"], "no stage 'rise_r2'; choose one of .*rise_cot"),
        (["sft", "--recipe", "world/rise_r1"], "is for rise_r1, not sft"),
        (["sft", "sft.steps=0"], r"sft.steps = 0: it must be greater than 0"),
        (["rise_r1", "grpo.steps=0"], r"grpo.steps = 0.*leave the phase out by phases=sft"),
        (["rise_r1", "grpo.steps=-1"], "grpo.steps = -1"),
        (["sft", "sft.learning_rate=-1e-5"], "sft.learning_rate = -1e-05: it must be 0 or greater"),
        (["sft", "sft.learning_rate=.nan"], "sft.learning_rate = nan"),
        (["rise_cot", "grpo.temperature=0"], "grpo.temperature = 0"),
        (["rise_cot", "grpo.top_p=1.5"], "grpo.top_p = 1.5"),
        (["sft", "sft.gradient_accumulation_steps=0"], "sft.gradient_accumulation_steps = 0"),
        (["rise_cot", "grpo.max_cot_length=0"], "grpo.max_cot_length = 0"),
        (["sft", "run.save_steps=0"], "run.save_steps = 0"),
        (["sft", "model.min_pixels=99999999"], "is above model.max_pixels"),
        (["sft", "data.max_prompt_length=0"], "data.max_prompt_length = 0"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_can(train, arguments, says):
    result = train.run(*arguments, "--dry-run")
    assert isinstance(result.exception, ConfigError) and re.search(says, str(result.exception))


@pytest.mark.parametrize("stage", ["rise_r1", "metis_rise"])
@pytest.mark.parametrize(
    ("overrides", "cots"),
    [
        ([], "runs/moods-16-shot-rise_cot/cots"),
        (["data.benchmark=kinds"], "runs/kinds-16-shot-rise_cot/cots"),
        (["data.benchmark=a/b/mine", "data.shots=full"], "runs/mine-full-rise_cot/cots"),
        (["data.cots=x", "data.expert_cots=x", "data.benchmark=kinds"], "x"),
    ],
)
def test_the_chains_of_thought_are_those_of_the_benchmark_that_is_trained_on(stage, overrides, cots):
    data = load_config(f"world/{stage}", overrides).data
    assert (data.cots or data.expert_cots) == cots


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen2_5_vl"])
def test_the_answer_of_sft_is_the_annotation_or_the_teacher_s_own(make_config, tmp_path, family):
    """The teacher wrote in thousandths; the reconstruction is written in the unit of the run."""
    dataset = write_drawn(tmp_path / "scenes", "scenes", train=4, test=1)
    log, golds = RowLog(tmp_path / "rollouts", 0, attempt="1"), dataset.golds("train")
    verdict = {
        "leak_numbers": False,
        "leak_strict": False,
        "format_ok": True,
        "reward": 1.0,
        "similarity": 1.0,
    }
    for gold, text in zip(golds, ["[[500, 500, 250, 250]]", "here", "[]", "[[0, 0, 100, 100]]"], strict=True):
        rollout = {
            "id": gold.id,
            "step": 0,
            "group": 0,
            "cot": "c",
            "reconstruction": f"<answer>{text}</answer>",
        }
        log.append([rollout | verdict])
    write_cots(
        CotPlan(dataset, "full", best_of(groups([tmp_path / "rollouts"])), lambda group: {}),
        tmp_path / "cots",
    )
    unit = {"qwen2_vl": "norm1000", "qwen2_5_vl": "px"}[family]
    given = (f"data.benchmark={dataset.root}", f"data.cots={tmp_path / 'cots'}", f"model.box_unit={unit}")
    made = {}
    for answers in ("annotation", "reconstruction"):
        config = make_config(*given, f"data.cot_answers={answers}", stage="rise_r1", family=family)
        data = open_training_data(config.data)
        examples = think_answer_examples(config, data, training_cots(config, data))
        made[answers] = {data.golds[e.position].id: e.completion for e in examples}
    form = config.model.answer_format
    assert made["annotation"] == {
        gold.id: f"<think>c</think><answer>{render_gold(gold, form)}</answer>" for gold in golds
    }
    side = golds[0].width_px
    whole = {
        "norm1000": "[[500, 500, 250, 250]]",
        "px": f"[[{side // 2}, {side // 2}, {side // 4}, {side // 4}]]",
    }
    own = [made["reconstruction"][gold.id] for gold in golds]
    assert own[0] == f"<think>c</think><answer>{whole[unit]}</answer>"
    assert own[1] == made["annotation"][golds[1].id], "what cannot be read is not imitated"
    assert own[2].endswith("<answer>[]</answer>")


def test_chains_of_thought_of_another_benchmark_are_refused(make_config, built_as, tmp_path):
    dataset = open_dataset(built_as("other"))
    log = RowLog(tmp_path / "rollouts", 0, attempt="1")
    verdict = {
        "leak_numbers": False,
        "leak_strict": False,
        "format_ok": True,
        "reward": 1.0,
        "similarity": 1.0,
    }
    for gold in dataset.golds("train"):
        log.append([{"id": gold.id, "step": 0, "group": 0, "cot": "c", "reconstruction": "r"} | verdict])
    best = best_of(groups([tmp_path / "rollouts"]))
    write_cots(CotPlan(dataset, "full", best, lambda group: {}), tmp_path / "cots")
    config = make_config(f"data.cots={tmp_path / 'cots'}", stage="rise_r1")
    data = open_training_data(config.data)
    assert training_cots(config, replace(data, golds=dataset.golds("train")))
    others = [replace(gold, id=f"not/{gold.id}") for gold in data.golds]
    with pytest.raises(ConfigError, match="holds chains of thought for other, none for a sample of toy"):
        training_cots(config, replace(data, golds=others))
    corrected = [replace(data.golds[0], annotation=data.golds[1].annotation), *data.golds[1:]]
    assert corrected[0].annotation != data.golds[0].annotation
    with pytest.raises(ConfigError, match=rf"of 1 of {len(corrected)} samples, e\.g\. {corrected[0].id}\."):
        training_cots(config, replace(data, golds=corrected))


def test_check_says_what_is_wrong_and_what_is_needed_and_writes_nothing(
    train, command, tmp_path, monkeypatch
):
    good, bad = (
        command("rise_cot", "--check", "--json"),
        command("rise_cot", "grpo.rollouts_per_device=3", "--check"),
    )
    result = train.run(*good[1:])
    told = json.loads(result.stdout)
    assert result.exit_code == 0 and told["ok"] and told["needs"]["phases"]["grpo"]["memory_bytes"] > 0
    result = train.run(*bad[1:], "--json")
    told = json.loads(result.stdout)
    assert result.exit_code == 1 and not told["ok"] and len(told["problems"]) == 1
    with monkeypatch.context() as patch:
        patch.setenv("RANK", "x")
        result = train.run(*bad[1:])
    assert re.search(r"found 2 problems.*\n1\. RANK='x'.*\n2\. .*rollouts_per_device", str(result.exception))
    result = train.run(*good[1:-1], "metis.samples=3")
    assert "no problem found, nothing was written" in result.stdout and "rough guess" in result.stderr
    assert "warning: metis.samples=3 does nothing here" in result.stderr
    assert not train.trained and not (tmp_path / "run").exists()


@pytest.mark.parametrize(("rank", "heard"), [("0", True), ("3", False)])
def test_only_the_first_process_reports_what_pre_flight_finds(train, command, monkeypatch, rank, heard):
    for name, setting in {"RANK": rank, "LOCAL_RANK": rank, "MASTER_ADDR": "a", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, setting)
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, "4")
    result = train.run(*command("rise_cot", "run.save_only_model=true")[1:])
    assert result.exit_code == 1 and isinstance(result.exception, ConfigError) == heard
    assert ("pre-flight" in result.stderr) == heard


def test_a_run_that_ended_before_its_first_step_leaves_its_folder_free(train, command, tmp_path):
    for settings in (["sft.steps=2"], ["sft.steps=3"]):
        assert train.run(*command("sft", *settings)[1:]).exit_code == 130
        assert not (tmp_path / "run").exists()
    assert [config.sft.steps for config in train.trained] == [2, 3]


def test_a_run_whose_answers_cannot_be_read_stops_and_is_no_success(smoke, tmp_path):
    settings = ("grpo.steps=4", "run.on_unreadable=stop")  # two groups a step
    config = smoke("visual_rft", *settings, "run.unreadable_groups=4")
    with pytest.raises(
        ConfigError, match=r"stopped after step 2.*grpo\.max_\*_length.*run\.on_unreadable=warn"
    ):
        visual_rft.train(config, RunFolder.create(config))
    assert RunFolder.of(config).last_checkpoint("grpo").name == "checkpoint-2"
    to_the_end = smoke("visual_rft", *settings, "run.unreadable_groups=100")
    for _ in range(2):  # the second start finds the last checkpoint
        with pytest.raises(ConfigError, match="no answer of its 4 logged steps could be read"):
            visual_rft.train(to_the_end, RunFolder.create(to_the_end))
    warned = smoke("visual_rft", "grpo.steps=4", "run.on_unreadable=warn")
    assert visual_rft.train(warned, RunFolder.create(warned)).is_dir()


CTRL_C = """
import hashlib, os, signal, sys, threading, time
from rise_bench.cli import stopping
stopping._GRACE_SECONDS = 0.5 if sys.argv[1] == "library" else 30
with stopping.stopping(lambda: "step 3 is kept"):
    threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT]).start()
    if sys.argv[1] == "library":  # no Python code runs in the main thread meanwhile
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
    time.sleep(60)
"""


@pytest.mark.parametrize("inside", ["python", "library"])
def test_ctrl_c_is_answered_at_once_even_inside_a_library(inside):
    begin = time.monotonic()
    done = subprocess.run([sys.executable, "-c", CTRL_C, inside], capture_output=True, text=True, timeout=60)
    assert "stopping: step 3 is kept" in done.stderr and time.monotonic() - begin < 30
    assert done.returncode == (130 if inside == "library" else -signal.SIGINT)


@pytest.mark.parametrize(("report_to", "imported"), [((), False), (("wandb",), True)])
def test_wandb_is_imported_only_by_a_run_that_reports_to_it(monkeypatch, report_to, imported):
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    leave_out_wandb(report_to)
    assert is_wandb_available() == imported


def test_what_is_kept_is_said(smoke, tmp_path):
    run = RunFolder.of(smoke("sft"))
    assert "no checkpoint is written yet" in run.kept()
    for step in (1, 2):
        folder = run.phase_dir("sft") / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        run.complete_checkpoint("sft", step, keep=2)
    assert "checkpoint-2 is kept" in run.kept()


@pytest.mark.slow
def test_kill_9_and_the_same_command_again_lose_at_most_the_step_in_flight(command, tmp_path):
    line = command("sft", "sft.steps=12", "run.save_steps=1", "run.save_total_limit=3")
    run = RunFolder(tmp_path / "run")
    process = Command("rise_bench", *line)
    deadline = time.monotonic() + 240
    while (reached := _steps(run)) < 3:
        assert process.poll() is None and time.monotonic() < deadline, "no third step"
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not run.final_dir("sft").exists()
    kept = int(run.last_checkpoint("sft").name.rsplit("-", 1)[1])
    assert kept >= reached - 1
    again = run_command("rise_bench", *line)
    assert again.returncode == 0, again.stderr
    rows = [
        json.loads(text)
        for text in (run.path / "metrics.jsonl").read_text().splitlines()
        if text.endswith("}")
    ]
    assert [row["step"] for row in read_metrics(run.path) if "loss" in row] == list(range(1, 13))
    assert sum("loss" in row for row in rows) <= 12 + 1  # nothing but the step in flight was done twice


def _steps(run):
    return max((row["step"] for row in read_metrics(run.path)), default=0)
