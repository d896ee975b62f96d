"""What `rise-bench eval` makes of the files that lmms-eval leaves, and what it checks before it starts."""

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rise_bench.annotations.kinds import render_gold
from rise_bench.cli import app
from rise_bench.data import hub_files as hub
from rise_bench.data.dataset import open_dataset
from rise_bench.errors import ConfigError, DataError, PrerequisiteError
from rise_bench.evaluation import lmms_eval as evaluation
from rise_bench.evaluation.folder import is_result
from rise_bench.evaluation.responses import read_responses
from rise_bench.evaluation.score_run import score_run
from rise_bench.models.base_model import base_model_folder

from ..support.drawn_data import write_drawn

BASE = ("--model", "qwen2_vl", "--model_args", "pretrained=rise-bench-base,device=cpu,device_map=cpu")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    write_drawn(root / "moods", "moods", train=12, test=8)
    write_drawn(root / "scenes", "scenes", train=4, test=4)
    return root


@pytest.fixture(autouse=True)
def _data(root, monkeypatch):
    monkeypatch.setenv("RISE_BENCH_DATA", str(root))


@pytest.fixture
def left(tmp_path, moods):
    """Writes a folder of results as lmms-eval does, for the first `count` samples."""

    def leave(count: int = 8, name: str = "left") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        samples = folder / "20260101_000000_samples_rise_moods.jsonl"
        golds = moods.golds("test")[:count]
        lines = [{"id": gold.id, "response": f"<answer>{render_gold(gold)}</answer>"} for gold in golds]
        samples.write_text("".join(json.dumps(line) + "\n" for line in lines))
        run = score_run(read_responses(samples), moods, rows=slice(0, count), resamples=0)
        printed = {f"{name},none": interval.value for name, interval in run.report.metrics.items()}
        metadata = {"prompt_hash": "p" * 16}
        results = {"results": {"rise_moods": printed}, "configs": {"rise_moods": {"metadata": metadata}}}
        results["config"] = {"model_args": "api_key=not-to-be-kept,x=1"}
        (folder / "20260101_000000_results.json").write_text(json.dumps(results))
        return folder

    return leave


@pytest.fixture
def moods(root):
    return open_dataset(root / "moods")


@pytest.fixture
def online(monkeypatch):
    """The network may be used; no Hub answers."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_HUB_OFFLINE")


@pytest.fixture
def evaluate(tmp_path, stand_in):
    """Evaluates as if lmms-eval had left these results, in `tmp_path/results`."""

    def run(leaves, *flags, says="", code=0, **settings):
        stand_in.plan(says, leaves, code)
        arguments = ["--tasks", "rise_moods", *BASE, "--output_path", str(tmp_path / "results"), *flags]
        return evaluation.evaluate(arguments, resamples=0, **settings)

    return run


def _folders(tmp_path):
    names = (path.name for path in (tmp_path / "results").iterdir())
    return sorted(re.sub(r"^\d{8}T\d{6}Z-[0-9a-f]{8}", "RUN", name) for name in names)


def test_a_whole_run_is_scored(evaluate, left, tmp_path):
    (task,) = evaluate(left())
    assert (task.task, task.partial, task.run.report.samples) == ("rise_moods", False, 8)
    assert task.metadata == {"prompt_hash": "p" * 16}
    assert task.to_json()["metrics"]["accuracy"]["value"] == 1
    assert _folders(tmp_path) == ["RUN"]
    assert task.samples.is_file() and is_result(task.samples)
    assert (task.samples.parent.parent / "lmms_eval.log").is_file()


def test_keys_among_the_arguments_are_not_kept(evaluate, left, tmp_path):
    evaluate(left())
    kept = next(tmp_path.glob("results/*/*/*_results.json")).read_text()
    assert "x=1" in kept and "not-to-be-kept" not in kept


def test_responses_are_cached_by_the_weights(evaluate, left, stand_in, tmp_path):
    code = shutil.ignore_patterns("*.py", "__pycache__")
    model = shutil.copytree(base_model_folder(), tmp_path / "model", ignore=code)
    asked = ("--model_args", f"pretrained={model},device=cpu", "--use_cache", str(tmp_path / "cache"))

    def cache(name: str) -> Path:
        evaluate(left(name=name), *asked)
        return Path(stand_in.flag("--use_cache"))

    first = cache("first")
    assert first.parent == tmp_path / "cache" and first.name.startswith("weights-")
    assert cache("again") == first
    with (model / "model.safetensors").open("r+b") as file:  # trained again at the same path
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    other = cache("other")
    assert other.parent == first.parent and other != first


def test_a_limited_run_is_called_partial(evaluate, left):
    (task,) = evaluate(left(3), "--limit", "3")
    assert (task.partial, task.run.report.samples) == (True, 3)


def _edited(folder):
    samples = next(folder.glob("*.jsonl"))
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    lines[0]["response"] = "<answer>joy: 1</answer>"
    samples.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def _without_samples(folder):
    next(folder.glob("*.jsonl")).unlink()
    return folder


@pytest.mark.parametrize(
    ("spoil", "count", "message"),
    [
        (lambda folder: folder, 3, "5 of 8 samples are missing"),
        (_edited, 8, "lmms-eval printed jsd .*, its samples give"),
        (_without_samples, 8, "20260101_000000_samples_rise_moods.jsonl is missing"),
    ],
)
def test_results_that_do_not_count_are_refused_and_kept_apart(
    evaluate, left, tmp_path, spoil, count, message
):
    with pytest.raises(DataError, match=message):
        evaluate(spoil(left(count)))
    assert _folders(tmp_path) == ["RUN.refused"]
    assert not any(is_result(path) for path in tmp_path.glob("results/**/*_results.json"))


def test_no_results_are_refused_with_the_reason_and_the_log(evaluate, tmp_path):
    with pytest.raises(PrerequisiteError, match="left 0 results files: ValueError: boom") as caught:
        evaluate(None, says="Traceback\nValueError: boom")
    log = re.search(r"Its output is in (\S+)", str(caught.value))[1]
    assert "Traceback" in Path(log).read_text()
    with pytest.raises(PrerequisiteError, match="exit code 3: it gives no reason"):
        evaluate(None, code=3)


def test_an_older_result_beside_it_does_not_count(evaluate, left, tmp_path):
    evaluate(left())
    with pytest.raises(PrerequisiteError, match="left 0 results files"):
        evaluate(None)
    assert _folders(tmp_path) == ["RUN", "RUN.refused"]


def test_two_evaluations_at_once_in_one_folder_report_their_own_results(left, stand_in, tmp_path):
    """Two processes, as two shells or jobs start them, both under way before one ends."""
    stand_in.plan(leaves=left(), sleeps=2)
    command = [sys.executable, "-m", "rise_bench", "eval", "--tasks", "rise_moods", *BASE, "--json"]
    command += ["--resamples", "0", "--output_path", str(tmp_path / "results")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    printed = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0, 0], printed
    files = [Path(json.loads(out)["rise_moods"]["samples_file"]) for out, _ in printed]
    assert len(set(files)) == 2 and all(len(file.read_text().splitlines()) == 8 for file in files)
    assert _folders(tmp_path) == ["RUN", "RUN"]


@pytest.mark.parametrize(
    ("how", "after"),
    [
        (signal.SIGINT, []),
        (signal.SIGKILL, ["RUN.unfinished"]),
    ],
)
def test_a_stopped_evaluation_leaves_nothing_that_counts(evaluate, left, stand_in, tmp_path, how, after):
    stand_in.plan(leaves=left(name="whole"), sleeps=60)
    command = [sys.executable, "-m", "rise_bench", "eval", "--tasks", "rise_moods", *BASE]
    with subprocess.Popen(
        [*command, "--output_path", str(tmp_path / "results")], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        deadline = time.monotonic() + 60
        while not stand_in.has_left:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(how)
        process.communicate(timeout=60)
    assert process.returncode != 0
    assert _folders(tmp_path) == after
    assert not any(is_result(path) for path in tmp_path.glob("results/**/*_results.json"))
    evaluate(left())
    assert _folders(tmp_path) == ["RUN"]  # what was killed is gone


def test_a_folder_in_which_somebody_works_is_left_alone(evaluate, left, tmp_path):
    theirs = tmp_path / "results" / "20260101T000000Z-00000000.unfinished"
    theirs.mkdir(parents=True)
    handle = os.open(theirs, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    evaluate(left())
    os.close(handle)
    assert theirs.is_dir()


def test_an_output_path_that_cannot_be_written_to_is_refused(left, tmp_path, stand_in):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write to .*choose another --output_path"):
        evaluation.evaluate(["--tasks", "rise_moods", *BASE, "--output_path", str(tmp_path / "file")])
    assert not stand_in.started


@pytest.mark.parametrize(
    ("flags", "error", "message"),
    [
        (["--tasks", "rise_emotion6", *BASE], DataError, "rise-bench build emotion6"),
        (["--tasks", "rise_moods"], ConfigError, "--model"),
        ([*BASE], ConfigError, "--tasks"),
        (["--tasks", "rise_moods", "--model", "qwen2vl"], ConfigError, "qwen2_vl"),
        (
            ["--tasks", "rise_moods", "--model", "vllm", "--model_args", "model=a/b"],
            PrerequisiteError,
            "vllm",
        ),
        (
            ["--tasks", "rise_moods", "--model", "qwen2_vl", "--model_args", "pretrained=/nowhere"],
            ConfigError,
            "/nowhere does not exist",
        ),
        (
            ["--tasks", "rise_moods", "--model", "qwen2_vl", "--model_args", "pretrained=a/b"],
            PrerequisiteError,
            "a/b .*not .*local Hub cache",
        ),
        (["--tasks", "rise_moods", *BASE[:3], f"{BASE[3]},max_pixels=x"], ConfigError, "max_pixels=x"),
    ],
)
def test_what_cannot_work_fails_before_lmms_eval_starts(
    stand_in, tmp_path, monkeypatch, flags, error, message
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        evaluation.evaluate(flags)
    assert not stand_in.started and not list(tmp_path.iterdir())


def test_the_unit_and_the_form_reach_lmms_eval(evaluate, left, stand_in):
    evaluate(left(), box_unit="px", style="think_answer")
    seen = stand_in.seen["environment"]
    assert (seen["RISE_BENCH_BOX_UNIT"], seen["RISE_BENCH_STYLE"]) == ("px", "think_answer")


@pytest.mark.parametrize(
    ("recipe", "given", "environment", "asked"),
    [
        ("stage: sft\nmodel: {box_unit: px}", {}, {}, ("px", "answer_only")),
        ("stage: rise_cot\nmodel: {}", {}, {}, (None, "think_answer")),
        ("stage: visual_rft\nmodel: {}\nreward: {response_form: caption}", {}, {}, (None, "caption")),
        ("stage: sft\nreward: none\nmodel: x", {}, {}, (None, "answer_only")),
        ("model: {box_unit: px}\nlearning_rate: 1", {}, {}, (None, None)),  # of another trainer
        (
            "stage: sft\nmodel: {box_unit: px}",
            {"style": "think_answer", "box_unit": "norm1000"},
            {},
            ("norm1000", "think_answer"),
        ),
        (
            "stage: sft\nmodel: {box_unit: px}",
            {},
            {"RISE_BENCH_STYLE": "think_answer", "RISE_BENCH_BOX_UNIT": "norm1000"},
            (None, None),
        ),
    ],
)
def test_a_run_is_asked_in_the_form_and_unit_that_it_was_taught(
    evaluate, left, stand_in, tmp_path, monkeypatch, recipe, given, environment, asked
):
    """Unless they are stated; what the environment says goes on to lmms-eval by itself."""
    model = tmp_path / "run" / "sft" / "final"
    model.mkdir(parents=True)
    for name in ("config.json", "processor_config.json"):
        (model / name).write_bytes((base_model_folder() / name).read_bytes())
    (model / "model.safetensors").write_bytes(b"")
    (tmp_path / "run" / "config.yaml").write_text(recipe)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    evaluate(left(), "--model_args", f"pretrained={model}", **given)
    seen = stand_in.seen["environment"]
    names = ("RISE_BENCH_BOX_UNIT", "RISE_BENCH_STYLE")
    expected = tuple(environment.get(name, value) for name, value in zip(names, asked, strict=True))
    assert tuple(seen.get(name) for name in names) == expected


@pytest.mark.parametrize(
    ("model", "family", "environment", "asked"),
    [
        ("rise_hf", "qwen2_5_vl", {}, "resized_px"),
        ("rise_hf", "qwen2_vl", {}, None),
        ("rise_hf", "qwen2_5_vl", {"RISE_BENCH_BOX_UNIT": "px"}, "px"),
        ("qwen2_5_vl", "qwen2_5_vl", {}, None),  # the task has it by the name of the engine
        ("qwen2_5_vl", "qwen2_vl", {}, None),
        ("rise_hf", "llava", {}, None),
    ],
)
def test_boxes_are_asked_for_in_the_unit_of_the_checkpoints_family(
    evaluate, left, stand_in, tmp_path, monkeypatch, model, family, environment, asked
):
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    settings = json.loads((base_model_folder() / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"model_type": family}))
    (folder / "model.safetensors").write_bytes(b"")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    evaluate(left(), "--model", model, "--model_args", f"pretrained={folder}")
    assert stand_in.seen["environment"].get("RISE_BENCH_BOX_UNIT") == asked


@pytest.mark.parametrize(
    ("served", "asked"),
    [
        ("model=Qwen/Qwen2.5-VL-3B-Instruct", "resized_px"),
        ("model_version=Qwen2.5-VL-7B", "resized_px"),
        ("model=m", None),
    ],
)
def test_boxes_are_asked_for_in_the_unit_of_the_family_that_a_served_name_tells(
    evaluate, left, stand_in, served, asked
):
    evaluate(left(), "--model", "openai", "--model_args", f"{served},base_url=http://127.0.0.1:1/v1")
    assert stand_in.seen["environment"].get("RISE_BENCH_BOX_UNIT") == asked


@pytest.mark.parametrize(
    ("arguments", "variable", "key"),
    [
        ("model=m,base_url=http://127.0.0.1:1/v1", None, "none"),
        ("model=m,base_url=http://127.0.0.1:1/v1,api_key=stated", None, None),
        ("model=m,base_url=http://127.0.0.1:1/v1", "set", "set"),
    ],
)
def test_a_server_without_a_key_is_asked_without_one(
    evaluate, left, stand_in, monkeypatch, arguments, variable, key
):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    if variable:
        monkeypatch.setenv("OPENAI_API_KEY", variable)
    evaluate(left(), "--model", "openai", "--model_args", arguments)
    assert stand_in.seen["environment"].get("OPENAI_API_KEY") == key


@pytest.mark.parametrize(
    ("stated", "passed"),
    [
        ("", ",max_pixels=12544,min_pixels=3136"),
        (",max_pixels=784", ",min_pixels=784"),
        (",max_pixels=9,min_pixels=4", ""),
    ],
)
def test_the_checkpoints_own_image_limits_reach_lmms_eval(evaluate, left, stand_in, stated, passed):
    told = []
    evaluate(left(), "--model_args", f"pretrained=rise-bench-base{stated}", tell=told.append)
    got = stand_in.flag("--model_args")
    expected = f"pretrained={base_model_folder()}{stated}{passed}"
    assert sorted(got.split(",")) == sorted(expected.split(","))
    assert any(", as processor_config.json of" in line for line in told) == bool(passed)


@pytest.mark.parametrize(
    ("variable", "recipe", "largest"),
    [
        (None, None, "12544"),
        (None, 602_112, "602112"),  # more than the paper's, if the model was trained on it
        ("25088", None, "25088"),
    ],
)
def test_prompts_state_pixels_of_the_image_that_the_model_was_trained_on(
    left, stand_in, tmp_path, monkeypatch, variable, recipe, largest
):
    """Boxes in pixels of the resized image mean nothing if the prompt states another image."""
    if variable:
        monkeypatch.setenv("RISE_BENCH_MAX_PIXELS", variable)
    model = tmp_path / "run" / "grpo" / "final"
    model.mkdir(parents=True)
    for name in ("config.json", "processor_config.json"):
        (model / name).write_bytes((base_model_folder() / name).read_bytes())
    (model / "model.safetensors").write_bytes(b"")
    if recipe:
        (tmp_path / "run" / "config.yaml").write_text(
            f"model: {{box_unit: resized_px, min_pixels: 3136, max_pixels: {recipe}}}"
        )
    arguments = ["--tasks", "rise_scenes", "--model", "qwen2_5_vl", "--model_args"]
    stated = f"pretrained={model}" + (",max_pixels=25088" if variable else "")
    with pytest.raises(PrerequisiteError, match="left 0 results"):
        evaluation.evaluate([*arguments, stated, "--output_path", str(tmp_path / "results")])
    assert stand_in.seen["environment"]["RISE_BENCH_MAX_PIXELS"] == largest


@pytest.fixture
def no_hub(monkeypatch, online):
    """No Hub at all, not even that of other tests, which may listen by now."""
    import huggingface_hub.constants

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        monkeypatch.setattr(
            huggingface_hub.constants, "ENDPOINT", "http://{}:{}".format(*silent.getsockname())
        )
        yield


def test_without_the_hub_lmms_eval_is_kept_from_waiting_for_it(evaluate, left, stand_in, no_hub):
    told = []
    started = time.monotonic()
    evaluate(left(), tell=told.append)
    assert stand_in.seen["environment"]["HF_HUB_OFFLINE"] == "1"
    assert any("does not answer: going on with what is on this machine" in line for line in told)
    with pytest.raises(PrerequisiteError, match="cannot be reached"):
        evaluate(None, "--model_args", "pretrained=a/b")
    assert time.monotonic() - started < 60


def test_a_hub_that_takes_connections_and_never_answers_costs_seconds(monkeypatch, online):
    monkeypatch.setattr(hub, "_REQUEST_SECONDS", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr(hub, "endpoint", lambda: "http://{}:{}".format(*silent.getsockname()))
        assert hub.hub_answers() is False


def test_models_on_the_hub_are_looked_up_there(alice, online, evaluate, left, stand_in):
    from huggingface_hub import HfApi

    api = HfApi()
    api.create_repo("alice/model")
    for name in ("config.json", "processor_config.json", "model.safetensors"):
        api.upload_file(path_or_fileobj=base_model_folder() / name, path_in_repo=name, repo_id="alice/model")
    evaluate(left(), "--model_args", "pretrained=alice/model")
    assert set(stand_in.flag("--model_args").split(",")) == {
        "pretrained=alice/model",
        "max_pixels=12544",
        "min_pixels=3136",
    }
    assert stand_in.seen["environment"]["HF_HUB_OFFLINE"] is None
    with pytest.raises(PrerequisiteError, match="alice/nothing .*does not exist"):
        evaluate(None, "--model_args", "pretrained=alice/nothing")


def test_the_commands_flags_reach_lmms_eval_in_either_spelling(left, stand_in, tmp_path):
    stand_in.plan(leaves=left(3))
    asked = (
        "eval",
        "--tasks",
        "rise_moods",
        *BASE,
        "--output-path",
        str(tmp_path / "results"),
        "--limit",
        "3",
    )
    asked += (
        "-b",
        "4",
        "--gen-kwargs",
        "max_new_tokens=8",
        "--num_fewshot",
        "0",
        "--resamples",
        "0",
        "--json",
    )
    done = CliRunner().invoke(app, list(asked))
    assert done.exit_code == 0, done.output
    scored = json.loads(done.stdout)["rise_moods"]
    assert (scored["partial"], Path(scored["samples_file"]).is_file()) == (True, True)
    flags = ("--tasks", "--limit", "--batch_size", "--gen_kwargs", "--num_fewshot", "--timezone")
    assert [stand_in.flag(flag) for flag in flags] == ["rise_moods", "3", "4", "max_new_tokens=8", "0", "UTC"]


def test_help_names_what_matters():
    shown = CliRunner().invoke(app, ["eval", "--help"], env={"COLUMNS": "200"}).output
    for word in (
        "--tasks",
        "--model_args",
        "pretrained",
        "max_pixels",
        "device_map=cpu",
        "--use_cache",
        "--limit",
    ):
        assert word in shown


def test_foreign_tasks_are_run_and_said_to_be_unchecked(evaluate, left, stand_in):
    told = []
    evaluate(left(), "--tasks", "rise_moods,mme", tell=told.append)
    assert any("mme: not of rise-bench, not checked" in line for line in told)
