"""What `rise-bench eval` makes of the files that lmms-eval left, and what it checks before it starts."""

import json
from pathlib import Path

import pytest

from rise_bench import evaluation
from rise_bench.errors import ConfigError, DataError, PrerequisiteError
from rise_bench.samples import read_responses
from rise_bench.scored_run import score_run
from rise_bench.values import render_gold

from .drawn_data import write_drawn


@pytest.fixture(scope="module")
def moods(tmp_path_factory):
    return write_drawn(tmp_path_factory.mktemp("data") / "moods", "moods", train=12, test=8)


@pytest.fixture
def left(moods, tmp_path, monkeypatch):
    """Stands in for a run of lmms-eval: writes files as it does, for the first `count` samples."""
    monkeypatch.setenv("RISE_BENCH_DATA", str(moods.root.parent))

    def leave(count: int = 8) -> Path:
        folder = tmp_path / "results" / "model"
        folder.mkdir(parents=True)
        samples = folder / "20260101_000000_samples_rise_moods.jsonl"
        golds = moods.golds("test")[:count]
        lines = [{"id": gold.id, "response": f"<answer>{render_gold(gold)}</answer>"} for gold in golds]
        samples.write_text("".join(json.dumps(line) + "\n" for line in lines))
        run = score_run(read_responses(samples), moods, rows=slice(0, count), resamples=0)
        printed = {f"{name},none": interval.value for name, interval in run.report.metrics.items()}
        metadata = {"prompt_hash": "p" * 16}
        results = {"results": {"rise_moods": printed}, "configs": {"rise_moods": {"metadata": metadata}}}
        (folder / "20260101_000000_results.json").write_text(json.dumps(results))
        return samples

    return leave


@pytest.fixture
def evaluate(monkeypatch, tmp_path):
    """Evaluates as if lmms-eval did what `write` does, and gave `reason` for a failure."""

    def run(write, *flags, reason="", **settings):
        seen = []

        def run_command(command, **given):
            seen.append(given)
            write()
            return reason

        monkeypatch.setattr(evaluation, "run_command", run_command)
        output = str(tmp_path / "results")
        arguments = ["--tasks", "rise_moods", "--output_path", output, *flags]
        return *evaluation.evaluate(arguments, resamples=0, **settings), seen

    return run


def test_a_whole_run_is_scored(evaluate, left):
    task, _ = evaluate(left)
    assert (task.task, task.partial, task.run.report.samples) == ("rise_moods", False, 8)
    assert task.metadata == {"prompt_hash": "p" * 16}
    assert task.to_json()["metrics"]["accuracy"]["value"] == 1


def test_a_limited_run_is_called_partial(evaluate, left):
    task, _ = evaluate(lambda: left(3), "--limit", "3")
    assert (task.partial, task.run.report.samples) == (True, 3)


def test_fewer_samples_than_asked_for_are_refused(evaluate, left):
    with pytest.raises(DataError, match="5 of 8 samples are missing"):
        evaluate(lambda: left(3))


def test_numbers_that_do_not_follow_from_the_samples_are_refused(evaluate, left):
    def leave():
        samples = left()
        lines = [json.loads(line) for line in samples.read_text().splitlines()]
        lines[0]["response"] = "<answer>joy: 1</answer>"
        samples.write_text("".join(json.dumps(line) + "\n" for line in lines))

    with pytest.raises(DataError, match=r"lmms-eval printed jsd .*, its samples give"):
        evaluate(leave)


def test_a_task_without_samples_file_is_refused(evaluate, left):
    with pytest.raises(DataError, match="20260101_000000_samples_rise_moods.jsonl is missing"):
        evaluate(lambda: left().unlink())


def test_no_results_file_is_refused_with_the_reason(evaluate, left):
    with pytest.raises(PrerequisiteError, match="left 0 results files .*ValueError: boom"):
        evaluate(lambda: None, reason="ValueError: boom")


def test_an_older_results_file_does_not_count(evaluate, left):
    left()
    with pytest.raises(PrerequisiteError, match="left 0 results files"):
        evaluate(lambda: None)


@pytest.mark.parametrize(
    ("flags", "error", "message"),
    [
        (["--tasks", "rise_emotion6"], DataError, "rise-bench build emotion6"),
        (["--model", "qwen2_vl"], ConfigError, "--tasks"),
    ],
)
def test_what_cannot_work_fails_before_lmms_eval_starts(monkeypatch, left, flags, error, message):
    monkeypatch.setattr(evaluation, "run_command", lambda *a, **k: pytest.fail("it was started"))
    with pytest.raises(error, match=message):
        evaluation.evaluate(flags)


def test_the_unit_and_the_processes_reach_lmms_eval(evaluate, left):
    _, seen = evaluate(left, box_unit="px", processes=2)
    assert seen == [{"processes": 2, "environment": {"RISE_BENCH_BOX_UNIT": "px"}}]
