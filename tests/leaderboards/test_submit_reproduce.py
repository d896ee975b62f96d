"""A real model through lmms-eval: its run becomes a submission, and a part of it is run again."""

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rise_bench.annotations.base import Frame
from rise_bench.annotations.kinds import KINDS
from rise_bench.cli import app
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.errors import ConfigError
from rise_bench.leaderboards import pack
from rise_bench.leaderboards.moderation import agreement, reproduce, staging
from rise_bench.leaderboards.pack import RunFiles, find_runs
from rise_bench.leaderboards.submissions.samples import read_samples
from rise_bench.leaderboards.submissions.schema import Submission, read_submission
from rise_bench.leaderboards.verification.gold_board import GoldBoard
from rise_bench.models.tiny import make_tiny_model
from rise_bench.scoring.scores import score_response

from ..support.commands import run_command
from ..support.drawn_data import write_drawn
from ..support.tiny_models import write_adapter

COMMIT = "b" * 40
CPU = "device=cpu,device_map=cpu"
#: Not the default: whoever runs it again has to ask the same way.
STYLE = "answer_only"


def rise_bench(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return run_command("rise_bench", *arguments, env=os.environ | environment, timeout=400)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def moods(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkDataset:
    return write_drawn(tmp_path_factory.mktemp("data") / "moods", "moods", test=6)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory, tiny: Path, moods: BenchmarkDataset) -> Path:
    """Output folder of a real run of a tiny Qwen2-VL."""
    folder = tmp_path_factory.mktemp("output")
    done = rise_bench(
        "eval", "--tasks", "rise_moods", "--model", "qwen2_vl", "--model_args", f"pretrained={tiny},{CPU}",
        "--gen_kwargs", "max_new_tokens=12", "--output_path", folder,
        RISE_BENCH_DATA=str(moods.root.parent), RISE_BENCH_STYLE=STYLE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3_000:]
    return folder


@pytest.fixture(scope="module")
def submitted(output: Path, moods: BenchmarkDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with that run in it, made by `submit --out`."""
    results = tmp_path_factory.mktemp("board") / "results"
    runner = CliRunner()
    made = runner.invoke(app, ["leaderboard", "init", str(results), "--data", str(moods.root)])
    assert made.exit_code == 0, made.output
    sent = runner.invoke(
        app,
        ["submit", str(output), "--model", f"anna/tiny@{COMMIT}", "--shots", "0-shot", "--by", "Anna",
         "--data", str(moods.root), "--slug", "tiny", "--out", str(results / "submissions" / "anna")],
    )  # fmt: skip
    assert sent.exit_code == 0, sent.output
    (results / "submissions" / "anna" / "tiny.report.json").unlink()
    return results


@pytest.mark.slow
def test_a_run_becomes_a_submission_that_says_how_it_came_about(submitted: Path, moods: BenchmarkDataset):
    folder = submitted / "submissions" / "anna" / "tiny"
    said, reasons = read_submission((folder / "submission.json").read_bytes())
    assert reasons == []
    assert (said.benchmark, said.shots, said.model.id, said.model.revision) == (
        "moods",
        "0-shot",
        "anna/tiny",
        COMMIT,
    )
    assert said.dataset.content_sha256 == moods.sha256
    assert (said.decoding.temperature, said.decoding.max_new_tokens) == (0.0, 12)
    assert said.decoding.engine == "qwen2_vl"
    assert said.prompt.style == STYLE
    assert "--gen_kwargs" in said.run.command
    assert "pretrained=anna/tiny," in said.run.command, "no path of the submitter's machine"
    assert {"rise-bench", "lmms_eval", "transformers", "torch"} <= set(said.run.versions)
    responses, _ = read_samples((folder / "samples.jsonl").read_bytes())
    assert sorted(responses) == sorted(gold.id for gold in moods.golds("test"))
    verified = CliRunner().invoke(
        app, ["leaderboard", "verify", str(folder), "--data", str(moods.root), "--json"]
    )
    assert verified.exit_code == 0, verified.output
    assert json.loads(verified.stdout)[0]["decision"] == "accept"


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["checkpoint", "adapter"])
def test_running_a_part_again_agrees_and_earns_the_tier(
    submitted: Path, tiny: Path, moods: BenchmarkDataset, tmp_path: Path, weights: str
):
    model = tiny
    if weights == "adapter":
        model = tmp_path / "adapter"
        write_adapter(model, tiny, effect=False)
    done = rise_bench(
        "leaderboard", "reproduce", "anna/tiny", "--results", submitted, "--data", moods.root,
        "--seed", "dice", "--fraction", "0.5", "--model", model, "--model-args", CPU,
        XDG_CACHE_HOME=str(tmp_path / "cache"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3_000:]
    record = json.loads((submitted / "reproductions" / "anna" / "tiny.json").read_text())
    assert (record["samples"], record["seed"], record["agrees"]) == (3, "dice", True)
    assert record["identical"] == 1.0
    assert record["ids"] == agreement.choose(
        [gold.id for gold in moods.golds("test")], "dice", record["samples_sha256"], 0.5
    )
    built = CliRunner().invoke(
        app,
        ["leaderboard", "build", "--results", str(submitted), "--data", str(moods.root),
         "--out", str(tmp_path / "site"), "--workers", "1"],
    )  # fmt: skip
    assert built.exit_code == 0, built.output
    assert "tier-reproduced" in (tmp_path / "site" / "moods-full.html").read_text()


@pytest.mark.slow
def test_a_run_with_an_edited_result_is_not_sent(output: Path, moods: BenchmarkDataset, tmp_path: Path):
    copy = tmp_path / "output"
    shutil.copytree(output, copy)
    (path,) = copy.glob("**/*_results.json")
    results = json.loads(path.read_text())
    results["results"]["rise_moods"]["jsd,none"] = 0.01
    path.write_text(json.dumps(results))
    done = rise_bench(
        "submit", copy, "--model", f"anna/tiny@{COMMIT}", "--shots", "0-shot", "--data", moods.root,
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 1
    assert "the board would refuse this: jsd is claimed as 0.01" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_part_depends_on_the_seed_and_on_the_samples_only():
    ids = [f"s{i}" for i in range(200)]
    chosen = agreement.choose(ids, "seed", "aa", 0.1)
    assert len(chosen) == 20
    assert chosen == agreement.choose(ids[::-1], "seed", "aa", 0.1)
    assert chosen != agreement.choose(ids, "seed", "bb", 0.1)
    assert chosen != agreement.choose(ids, "other", "aa", 0.1)
    assert agreement.choose(ids[:3], "seed", "aa", 0.01) != []
    with pytest.raises(ConfigError, match="fraction"):
        agreement.choose(ids, "seed", "aa", 0.0)


def test_agreement_is_no_when_the_submitted_responses_come_from_a_better_model(
    boards: dict[str, GoldBoard], honest
):
    good, poor = honest(seed=1), honest(seed=2)
    said = Submission.model_validate(good.submission)
    board = boards["emotion6"]
    assert agreement.compare(board, said, good.responses, good.responses).agrees
    worse = dict.fromkeys(poor.responses, '<think>No.</think><answer>{"anger": 1}</answer>')
    found = agreement.compare(board, said, good.responses, worse)
    assert (found.agrees, found.identical) == (False, 0.0)
    assert found.low > 0, "the JSD of what was run again is clearly higher"
    other_words = agreement.compare(board, said, good.responses, poor.responses)
    assert other_words.agrees, "other words, the same score: another GPU does that"


def test_agreement_is_no_when_a_tenth_of_the_answers_is_better_than_the_model(
    boards: dict[str, GoldBoard], honest
):
    good = honest(seed=1)
    said, board = Submission.model_validate(good.submission), boards["emotion6"]
    ids = sorted(good.responses)
    again = dict(good.responses) | dict.fromkeys(
        ids[: len(ids) // 10], '<think>No.</think><answer>{"anger": 1}</answer>'
    )
    found = agreement.compare(board, said, good.responses, again)
    assert found.identical >= 0.9 and abs(found.difference) > 0.02
    assert not found.agrees


def test_agreement_is_no_when_few_responses_are_better_than_the_model_by_little(
    boards: dict[str, GoldBoard], honest
):
    """A hundredth of JSD is a sixth of a good model's; another GPU's changes go both ways."""
    good = honest(seed=1)
    said, board = Submission.model_validate(good.submission), boards["emotion6"]
    scores = {uid: score_response(board.by_id[uid], text).similarity for uid, text in good.responses.items()}
    worst = sorted(scores, key=scores.__getitem__)[: len(scores) // 10]
    true = {
        uid: f"<answer>{KINDS['distribution'].render(board.by_id[uid].annotation)}</answer>" for uid in worst
    }
    found = agreement.compare(board, said, dict(good.responses) | true, good.responses)
    assert found.identical >= 0.9 and 0 < found.difference <= 0.02
    assert not found.agrees


@pytest.mark.parametrize("hidden", [False, True])
def test_a_record_tells_no_scores_where_the_truth_is_hidden(boards: dict[str, GoldBoard], honest, hidden):
    good = honest()
    said, board = Submission.model_validate(good.submission), boards["emotion6"]
    same = agreement.compare(board, said, good.responses, good.responses)
    record = agreement.record("submissions/a/b", said, "s", 0.1, ["x"], same, {}, hidden=hidden)
    assert record["agrees"] and record["identical"] == 1.0 and record["samples"] == len(board.golds)
    numbers = {"submitted", "again", "difference", "low", "high"}
    assert numbers & set(record) == (set() if hidden else numbers)


def test_agreement_is_by_the_metric_that_ranks(boards: dict[str, GoldBoard], honest):
    """Boxes that are nowhere cost AP50 and not the similarity of eq. 6."""
    board = boards["coco_sub"]
    ids = [uid for uid in sorted(board.by_id) if board.by_id[uid].annotation.xywh][:12]
    unit = Frame(1000, 1000)
    boxes = {uid: board.by_id[uid].annotation.rescale(board.by_id[uid].frame_px, unit).xywh for uid in ids}
    false = ((1, 1, 9, 9), (980, 1, 9, 9), (1, 980, 9, 9))
    sent = {uid: f"<answer>{json.dumps(true)}</answer>" for uid, true in boxes.items()}
    again = {uid: f"<answer>{json.dumps((*false, *true))}</answer>" for uid, true in boxes.items()}
    said = Submission.model_validate(honest(benchmark="coco_sub").submission)
    found = agreement.compare(board, said, sent, again)
    assert found.submitted > found.again and not found.agrees


def test_runs_of_two_models_are_not_sent_as_one(tmp_path: Path):
    for task, model in (("rise_moods", "ORG/A"), ("rise_kinds", "ORG/B")):
        arguments = {"resolved_cli_args": {"model_args": f"pretrained={model},max_pixels=12544"}}
        content = {"results": {task: {}}, "config": arguments, "date": "20260101_000000"}
        (tmp_path / f"{task}_results.json").write_text(json.dumps(content))
        (tmp_path / f"{task}_samples_{task}.jsonl").touch()
    with pytest.raises(ConfigError, match="holds runs of ORG/A, ORG/B; give the folder of one model"):
        find_runs(tmp_path)


def test_agreement_is_no_when_few_samples_only_leave_room_for_doubt(boards: dict[str, GoldBoard], honest):
    """Three of three right against two of three: the interval holds zero, and the difference is large."""
    good = honest(seed=1)
    said, board = Submission.model_validate(good.submission), boards["emotion6"]
    few = dict(sorted(good.responses.items())[:3])
    first = next(iter(few))
    again = {uid: f"{text} " for uid, text in few.items()} | {first: "I do not know."}
    found = agreement.compare(board, said, few, again)
    assert found.low <= 0 <= found.high and abs(found.difference) > 0.02
    assert not found.agrees


@pytest.mark.parametrize(
    ("engine", "kwargs", "temperature"),
    [
        ("qwen2_vl", {"temperature": 0.7, "do_sample": False}, 0.7),  # it samples by the temperature alone
        ("qwen2_5_vl", {"temperature": 0.7, "do_sample": False}, 0.7),
        ("openai", {"temperature": 0.7, "do_sample": False}, 0.7),
        ("rise_hf", {"temperature": 0.7, "do_sample": False}, 0.0),
        ("qwen2_vl", {"do_sample": False}, 0.0),
    ],
)
def test_decoding_is_what_the_engine_did(engine: str, kwargs: dict[str, object], temperature: float):
    results = {"configs": {"rise_moods": {"generation_kwargs": kwargs}}, "config": {"model": engine}}
    run = RunFiles("rise_moods", "moods", results, Path("samples.jsonl"))
    assert pack._decoding(run)["temperature"] == temperature


def test_a_dataset_of_ones_own_is_found_by_its_name(tmp_path: Path):
    metadata = {"metadata": {"benchmark": "pets"}}
    content = {
        "results": {"rise_custom": {}},
        "configs": {"rise_custom": metadata},
        "date": "20260101_000000",
    }
    (tmp_path / "a_results.json").write_text(json.dumps(content))
    (tmp_path / "a_samples_rise_custom.jsonl").touch()
    (run,) = find_runs(tmp_path)
    assert (run.task, run.benchmark) == ("rise_custom", "pets")


def test_closed_weights_are_not_run(honest):
    parts = honest(revision="closed")
    with pytest.raises(ConfigError, match="not public"):
        reproduce.fetch_model(Submission.model_validate(parts.submission))


def test_a_dataset_without_images_is_not_run(boards: dict[str, GoldBoard], tmp_path: Path):
    board = boards["emotion6"]
    manifest = board.dataset.manifest.model_copy(update={"images": "reference"})
    without = replace(board, dataset=replace(board.dataset, manifest=manifest))
    with pytest.raises(Exception, match="rehydrate"):
        staging.write_part(without, ["emotion6/040"], tmp_path)


def test_the_part_is_a_dataset_of_the_chosen_rows(boards: dict[str, GoldBoard], tmp_path: Path):
    from rise_bench.data.dataset import open_dataset

    board = boards["coco_sub"]
    chosen = sorted(board.by_id)[3:30:5]
    staging.write_part(board, chosen, tmp_path / "part")
    part = open_dataset(tmp_path / "part")
    assert part.golds("test") == [board.by_id[i] for i in chosen]
    assert part.golds("train") == list(board.train)
    whole = {row["id"]: row["image"]["bytes"] for row in board.dataset.rows("test")}
    assert all(row["image"]["bytes"] == whole[row["id"]] for row in part.rows("test"))
    assert part.sha256 != board.dataset.sha256


@pytest.mark.parametrize(
    ("engine", "command", "added"),
    [
        ("qwen2_vl", "lmms-eval --model_args pretrained=x", "min_pixels=3136,max_pixels=602112"),
        ("qwen2_vl", "", "min_pixels=3136,max_pixels=602112"),
        ("qwen2_vl", "lmms-eval --model_args pretrained=x,max_pixels=12544", "max_pixels=12544"),
        (
            "qwen2_vl",
            "lmms-eval --model_args pretrained=x,min_pixels=784,max_pixels=12544 --tasks t",
            "min_pixels=784,max_pixels=12544",
        ),
        ("qwen2_vl", "lmms-eval --model_args min_pixels=784", "min_pixels=784,max_pixels=602112"),
        ("qwen2_vl", "max_pixels=all", "min_pixels=3136,max_pixels=602112"),
        ("huggingface", "lmms-eval --model_args pretrained=x", ""),
    ],
)
def test_a_part_is_run_again_in_the_resolution_of_the_run(honest, engine, command, added):
    submission = Submission.model_validate(honest().submission)
    run = submission.run.model_copy(update={"command": command})
    decoding = submission.decoding.model_copy(update={"engine": engine})
    assert reproduce.image_limits(submission.model_copy(update={"run": run, "decoding": decoding})) == added


@pytest.mark.parametrize("trial", [{"limit": 8.0}, {"limit": 0.5, "offset": 0}, {"limit": None, "offset": 4}])
@pytest.mark.parametrize("whole", [{}, {"limit": None, "offset": 0}, {"limit": -1}])
def test_a_later_trial_is_not_sent_in_place_of_a_whole_run(tmp_path: Path, whole, trial):
    for name, date, config in (("a", "20260101", whole), ("b", "20260102", trial)):
        content = {"results": {"rise_moods": {}}, "date": f"{date}_000000", "config": config}
        (tmp_path / f"{name}_results.json").write_text(json.dumps(content))
        (tmp_path / f"{name}_samples_rise_moods.jsonl").touch()
    (run,) = find_runs(tmp_path)
    assert run.time == "20260101_000000"
    (tmp_path / "a_results.json").unlink()
    (run,) = find_runs(tmp_path)
    assert not run.whole


def test_the_newest_run_is_found_by_the_time_that_it_recorded(tmp_path: Path):
    for name, date in (("b/20260101_000000", "20260102_000000"), ("a/20260909_000000", "20260101_000000")):
        results = tmp_path / f"{name}_results.json"
        results.parent.mkdir()
        results.write_text(json.dumps({"results": {"rise_moods": {}}, "date": date}))
        (tmp_path / f"{name}_samples_rise_moods.jsonl").touch()
    (run,) = find_runs(tmp_path)
    assert run.samples.parent.name == "b", "the file of the older run was renamed"
    assert run.time == "20260102_000000"
