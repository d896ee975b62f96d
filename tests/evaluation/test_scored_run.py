"""`score`, `floors` and `explain`, on drawn datasets written by the real writer."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from typer.testing import CliRunner

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.kinds import render_gold
from rise_bench.builders.synthetic import plan
from rise_bench.cli import app
from rise_bench.data.dataset import open_dataset
from rise_bench.data.writer import write_dataset
from rise_bench.errors import ConfigError, DataError
from rise_bench.evaluation.responses import read_responses, score_responses
from rise_bench.evaluation.score_run import score_baselines, score_run
from rise_bench.evaluation.win_rate_reference import reference_from_samples, win_rate_reference
from rise_bench.scoring.explain import explain_response

from ..support.commands import run_command
from ..support.drawn_data import write_drawn


@pytest.fixture(scope="module")
def moods(tmp_path_factory):
    return write_drawn(tmp_path_factory.mktemp("data") / "moods", "moods", train=24, test=12)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_drawn(tmp_path_factory.mktemp("data") / "scenes", "scenes", train=24, test=12)


def _write(path, answers):
    path.write_text("".join(json.dumps({"id": i, "response": t}) + "\n" for i, t in answers.items()))
    return path


def _gold_answers(dataset):
    return {
        gold.id: f"<think>Seen.</think><answer>{render_gold(gold)}</answer>" for gold in dataset.golds("test")
    }


def _cli(*arguments):
    return run_command("rise_bench", *arguments)


def _here(*arguments):
    """The command in this process: it saves the start-up."""
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_floors_of_distributions_are_those_of_scipy(moods):
    train = np.array([gold.annotation.probs for gold in moods.golds("train")])
    golds = [gold.annotation.probs for gold in moods.golds("test")]
    mean = train.mean(axis=0) / train.mean(axis=0).sum()
    expected = np.mean([jensenshannon(gold, mean) ** 2 for gold in golds])
    floors = score_baselines(moods, resamples=0)
    assert floors["train_mean"].metrics["jsd"].value == pytest.approx(expected, abs=1e-12)
    uniform = np.mean([jensenshannon(gold, np.full(7, 1 / 7)) ** 2 for gold in golds])
    assert floors["uniform"].metrics["jsd"].value == pytest.approx(uniform, abs=1e-12)
    assert floors["train_mean"].metrics["tie_rate"].value == 1
    assert floors["train_mean"].reference == "train_mean"


def test_floors_of_boxes(scenes):
    assert score_baselines(scenes, resamples=0).keys() == {"whole_image", "mean_box"}


@pytest.mark.parametrize(
    ("name", "shown", "absent", "reference"),
    [
        ("moods", {"uniform"}, "train_mean, majority_class", "uniform"),
        ("scenes", {"whole_image"}, "mean_box", ""),
    ],
)
def test_a_dataset_without_a_train_split_is_scored_with_the_floors_that_need_none(
    tmp_path, name, shown, absent, reference
):
    drawn = plan(name, train=1, test=6)
    write_dataset(replace(drawn, train=()), tmp_path / name, workers=1)
    dataset = open_dataset(tmp_path / name)
    assert dataset.manifest.counts == {"test": 6}
    samples = _write(tmp_path / "s", _gold_answers(dataset))
    run = score_run(read_responses(samples), dataset, resamples=0)
    assert run.baselines.keys() == shown and run.report.reference == reference
    assert f"| {next(iter(shown))} |" in (dataset.root / "README.md").read_text()
    for command in (("baselines", dataset.root), ("score", samples, "--data", dataset.root)):
        done = _here(*command, "--resamples", "0")
        assert done.exit_code == 0, done.output
        assert f"Not shown: {absent}" in done.stdout


def test_a_run_is_scored_with_intervals_and_floors(moods, tmp_path):
    run = score_run(read_responses(_write(tmp_path / "s", _gold_answers(moods))), moods, resamples=50)
    assert run.report.metrics["jsd"].value < 1e-6
    assert run.report.metrics["win_rate"].value == 1
    assert run.report.metrics["jsd"].low <= run.report.metrics["jsd"].value <= run.report.metrics["jsd"].high
    assert run.baselines.keys() == {"uniform", "train_mean", "majority_class"}
    json.dumps(run.to_json())


def test_a_missing_sample_leaves_no_score(moods, tmp_path):
    answers = _gold_answers(moods)
    lost = answers.popitem()[0]
    with pytest.raises(DataError, match=rf"1 of 12 samples are missing .*{lost}"):
        score_run(read_responses(_write(tmp_path / "s", answers)), moods)


def test_rows_of_a_trial_are_scored_alone(moods, tmp_path):
    answers = dict(list(_gold_answers(moods).items())[2:5])
    run = score_run(read_responses(_write(tmp_path / "s", answers)), moods, rows=slice(2, 5), resamples=0)
    assert run.report.samples == run.baselines["uniform"].samples == 3


def test_another_run_can_be_the_reference(moods, tmp_path):
    rival = _write(
        tmp_path / "rival.jsonl", dict.fromkeys(_gold_answers(moods), '<answer>{"joy": 1}</answer>')
    )
    reference = reference_from_samples(rival, moods)
    assert reference.name.startswith("rival@")
    assert len(reference.name) == len("rival@") + 12
    responses = read_responses(_write(tmp_path / "s", _gold_answers(moods)))
    run = score_run(responses, moods, reference=reference, resamples=0)
    wins = np.mean([gold.annotation.probs[3] < 1 for gold in moods.golds("test")])
    assert run.report.metrics["win_rate"].value == wins
    assert run.report.reference == reference.name


def test_boxes_have_no_win_rate(scenes):
    assert win_rate_reference(scenes) is None
    with pytest.raises(ConfigError, match="drop --reference"):
        reference_from_samples(_write(scenes.root / "none.jsonl", {}), scenes)


def test_score_command(moods, tmp_path):
    samples = _write(tmp_path / "mine.jsonl", _gold_answers(moods))
    done = _cli("score", samples, "--data", moods.root, "--resamples", "20")
    assert done.returncode == 0, done.stderr
    for shown in (
        "mine",
        "jsd ↓",
        "accuracy ↑",
        "uniform",
        "train_mean",
        "against the per-sample JSD of train_mean",
    ):
        assert shown in done.stdout
    done = _cli("score", samples, "--data", moods.root, "--resamples", "0", "--json")
    scored = json.loads(done.stdout)
    assert scored["metrics"]["accuracy"] == {"value": 1.0, "low": None, "high": None}
    assert scored["dataset_sha256"] == moods.sha256


def test_baselines_command(scenes):
    done = _cli("baselines", scenes.root, "--resamples", "20")
    assert done.returncode == 0, done.stderr
    assert "ap50 ↑" in done.stdout
    assert "whole_image" in done.stdout
    by_old_name = _here("floors", scenes.root, "--resamples", "0", "--json")
    assert json.loads(by_old_name.stdout)["mean_box"]["samples"] == 12
    listed = _here("--help").stdout
    assert "baselines" in listed and "floors" not in listed


def test_explanation_of_boxes_shows_the_matches(scenes):
    gold = next(gold for gold in scenes.golds("test") if len(gold.annotation.xywh) == 1)
    boxes = [[1, 1, 5, 5], *json.loads(render_gold(gold))]
    text = f"<think>It is at 12, 30.</think><answer>{json.dumps(boxes)}</answer>"
    found = explain_response(gold, text)
    ((true, stated, iou),) = found.matches
    assert (true, stated) == (0, 1)
    assert iou > 0.9
    assert found.verdict.reward == found.score.similarity == pytest.approx(iou)
    assert [leak.text for leak in found.leaks] == ["12", "30"]
    assert found.equation == 9
    json.dumps(found.to_json())


def test_explanation_of_the_closed_loop_says_that_a_leak_pays_nothing(moods):
    gold = moods.golds("test")[0]
    answer = f"<answer>{render_gold(gold)}</answer>"
    clean = explain_response(gold, answer, cot="Broken lines fall to the left.")
    assert (
        clean.format_problem == ""
        and "three words" in explain_response(gold, answer, cot="It.").format_problem
    )
    assert "tags" in explain_response(gold, answer, cot="Broken <think>lines fall.").format_problem
    assert "expected <answer>" in explain_response(gold, "joy", cot="Broken lines fall.").format_problem
    assert "expected <think>" in explain_response(gold, answer).format_problem
    leaky = explain_response(gold, answer, cot="Broken lines fall, 80% of them joyful.")
    assert clean.verdict.reward > 0.99
    assert (leaky.verdict.reward, leaky.verdict.similarity) == (0, clean.verdict.similarity)
    assert [(leak.text, leak.reason) for leak in leaky.leaks] == [
        ("80%", "percentage"),
        ("joyful", "class_name"),
    ]
    assert leaky.equation == 1


def test_explain_command(moods, scenes, tmp_path):
    gold = moods.golds("test")[0]
    about = ("explain", "--data", moods.root, "--id", gold.id)
    text = f"<think>A [bold]sad[/bold] line \x1b[2J at 7.</think><answer>{render_gold(gold)}</answer>"
    for source in (("--text", text), ("--samples", _write(tmp_path / "s", {gold.id: text}))):
        shown = _cli(*about, *source).stdout
        assert "\x1b" not in shown  # a model's text must not drive the terminal
        for words in ("[bold]sad[/bold]", "digits: '7'", "class_name: 'sad'", "R_R1 (eq. 9)", "anger"):
            assert words in shown
    (tmp_path / "cot.txt").write_text("Lines fall.")
    (tmp_path / "answer.txt").write_text("I cannot tell.")
    shown = _cli(*about, "--file", tmp_path / "answer.txt", "--cot-file", tmp_path / "cot.txt").stdout
    assert "unreadable: no_class_numbers" in shown
    assert "R (eq. 1)" in shown
    target = scenes.golds("test")[0]
    shown = _cli("explain", "--data", scenes.root, "--id", target.id, "--text", render_gold(target)).stdout
    assert "224 x 224; the model states them in 1000 x 1000" in shown
    found = json.loads(_cli(*about, "--text", text, "--json").stdout)
    assert found["verdict"]["reward"] > 0.99


def _recorded(path, gold, text, metric, **asked):
    row = {"id": gold.id, **asked}
    path.write_text(json.dumps({"filtered_resps": text, metric: row}) + "\n")
    return path


def _explained(dataset, gold, *source):
    done = _here("explain", "--data", dataset.root, "--id", gold.id, *source, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.parametrize("style", ["answer_only", "think_answer"])
@pytest.mark.parametrize("thinks", [False, True])
def test_a_run_is_explained_in_the_form_in_which_it_was_asked(moods, tmp_path, style, thinks):
    """An answer that keeps to its form is paid, and the metric of its run says the same."""
    gold = moods.golds("test")[0]
    text = ("<think>Seen.</think>" if thinks else "") + f"<answer>{render_gold(gold)}</answer>"
    samples = _recorded(tmp_path / "s.jsonl", gold, text, "jsd", style=style)
    kept = thinks == (style == "think_answer")
    for source in (("--samples", samples), ("--text", text, "--style", style)):
        verdict = _explained(moods, gold, *source)["verdict"]
        assert (verdict["format_ok"], verdict["reward"] > 0.99) == (kept, kept)
    (score,) = score_responses(read_responses(samples), [gold], moods.sha256)
    assert score.reading.format_ok == kept


def test_a_run_is_explained_in_its_unit_and_resolution(scenes, tmp_path, monkeypatch):
    gold = scenes.golds("test")[0]
    answer_format = AnswerFormat(unit="resized_px", max_pixels=12544)
    text = f"<think>Seen.</think><answer>{render_gold(gold, answer_format)}</answer>"
    samples = _recorded(tmp_path / "s.jsonl", gold, text, "ap50", box_unit="resized_px", max_pixels=12544)
    assert _explained(scenes, gold, "--samples", samples)["verdict"]["reward"] > 0.9
    plain = ("--text", text, "--box-unit", "resized_px")
    assert _explained(scenes, gold, *plain)["verdict"]["reward"] < 0.9
    monkeypatch.setenv("RISE_BENCH_MAX_PIXELS", "12544")
    assert _explained(scenes, gold, *plain)["verdict"]["reward"] > 0.9


def test_explain_refuses_a_form_that_contradicts_the_file(moods, tmp_path):
    gold = moods.golds("test")[0]
    samples = _recorded(tmp_path / "s.jsonl", gold, "x", "jsd", style="answer_only")
    asked = ("--samples", samples, "--style", "think_answer")
    done = _here("explain", "--data", moods.root, "--id", gold.id, *asked)
    assert "was asked in the form answer_only, not think_answer" in str(done.exception)


def test_explain_refuses_a_file_of_another_dataset_as_score_does(moods, tmp_path):
    gold = moods.golds("test")[0]
    samples = _recorded(tmp_path / "s.jsonl", gold, "x", "jsd", dataset_sha256="0" * 64)
    done = _here("explain", "--data", moods.root, "--id", gold.id, "--samples", samples)
    assert f"belongs to dataset {'0' * 12}, not to {moods.sha256[:12]}" in str(done.exception)


def test_explain_names_an_id_of_a_dataset_without_a_test(tmp_path):
    drawn = plan("moods", train=8, test=1)
    write_dataset(replace(drawn, test=()), tmp_path / "trained")
    done = _here("explain", "--data", tmp_path / "trained", "--id", "nosuch", "--text", "x")
    assert "has no sample 'nosuch'; ids look like" in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--id", "x", "--text", "y"), "has no sample 'x'; ids look like"),
        (("--id", "x"), "exactly one of --samples, --file and --text"),
        (("--id", "ID", "--file", "/nowhere"), "cannot read /nowhere"),
        (("--id", "ID", "--samples", "SAMPLES"), "has no response to"),
    ],
)
def test_explain_says_what_is_wrong(moods, tmp_path, arguments, message):
    samples = _write(tmp_path / "s", {"other": "x"})
    known = {"ID": moods.golds("test")[0].id, "SAMPLES": str(samples)}
    done = _cli("explain", "--data", moods.root, *(known.get(word, word) for word in arguments))
    assert done.returncode == 1
    assert message in done.stderr
