"""The commands of maintainers, on local folders."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rise_bench.cli import app
from rise_bench.errors import ConfigError, DataError
from rise_bench.leaderboards import judge
from rise_bench.leaderboards.boards import BOARD_NAME, BoardSettings, load_gold, read_settings
from rise_bench.submission import Submission, write_submission


def run(*arguments: object) -> tuple[int, str, Exception | None]:
    done = CliRunner().invoke(app, ["leaderboard", *map(str, arguments)])
    error = done.exception if not isinstance(done.exception, SystemExit) else None
    return done.exit_code, done.output, error


@pytest.fixture
def folder(honest, tmp_path: Path) -> Path:
    parts = honest()
    write_submission(tmp_path / "mine", Submission.model_validate(parts.submission), parts.samples)
    return tmp_path / "mine"


def data(datasets: dict[str, Path]) -> list[object]:
    return [part for path in datasets.values() for part in ("--data", path)]


def test_verify_a_folder_before_sending(folder: Path, datasets, tmp_path: Path):
    code, output, _ = run("verify", folder, *data(datasets), "--out", tmp_path / "reports")
    assert (code, output) == (0, "accept: mine\n")
    assert json.loads((tmp_path / "reports" / "mine.json").read_text())["decision"] == "accept"


def test_verify_finds_the_dataset_by_its_name(folder: Path, datasets, monkeypatch):
    monkeypatch.setenv("RISE_BENCH_DATA", str(datasets["emotion6"].parent))
    assert run("verify", folder)[:2] == (0, "accept: mine\n")
    (folder / "submission.json").write_text("{}")
    code, output, _ = run("verify", folder)
    assert code == 4
    assert "reject schema: submission.json: benchmark: Field required" in output


def test_verify_says_every_reason_and_exits_with_4(folder: Path, datasets):
    (folder / "model.pkl").write_bytes(b"x")
    samples = folder / "samples.jsonl"
    samples.write_bytes(samples.read_bytes().replace(b"<answer>", b"<answer> ", 1))
    code, output, _ = run("verify", folder, *data(datasets))
    assert code == 4
    assert all(f"reject {name}: " in output for name in ("extra_files", "edited_samples", "samples_bytes"))


def test_verify_all_of_a_results_folder_finds_the_copy_among_them(results, datasets, tmp_path: Path):
    import shutil

    copy = tmp_path / "results"
    shutil.copytree(results.root, copy)
    shutil.copytree(copy / "submissions/lab/emotion6-2", copy / "submissions/zoe/mine")
    code, output, _ = run("verify", "all", "--results", copy, *data(datasets), "--workers", 2, "--json")
    assert code == 4
    reports = {report["path"]: report for report in json.loads(output)}
    assert len(reports) == 13
    assert [p for p, r in reports.items() if r["decision"] == "reject"] == ["submissions/zoe/mine"]
    assert reports["submissions/zoe/mine"]["reasons"][0]["code"] == "copied"


def test_what_is_on_main_is_read_once_for_any_number_of_pull_requests(results, boards, tmp_path: Path):
    import shutil

    copy = tmp_path / "results"
    shutil.copytree(results.root / "submissions", copy / "submissions")
    marks: judge.Marks = {}
    first = judge.known_fingerprints(copy, boards, "emotion6", workers=1, marks=marks)
    assert len(first) == len(marks) == 6
    (copy / "submissions/lab/emotion6-2/samples.jsonl").unlink()
    again = judge.known_fingerprints(copy, boards, "emotion6", workers=1, marks=marks)
    assert [mark.path for mark in again] == [mark.path for mark in first]
    assert len(judge.known_fingerprints(copy, boards, "emotion6", workers=1)) == 5


def test_a_report_on_main_makes_a_submission_the_original(results, datasets, tmp_path: Path):
    import shutil

    copy = tmp_path / "results"
    shutil.copytree(results.root, copy)
    shutil.copytree(copy / "submissions/lab/emotion6-2", copy / "submissions/zoe/mine")
    report = copy / "reports/zoe/mine.json"
    report.parent.mkdir(parents=True)
    report.write_text("{}")
    _, output, _ = run("verify", "all", "--results", copy, *data(datasets), "--workers", 1, "--json")
    refused = [r["path"] for r in json.loads(output) if r["decision"] == "reject"]
    assert refused == ["submissions/lab/emotion6-2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify", "7"], "--results ORG/NAME"),
        (["verify", "all"], "the board with --results"),
        (["verify", "nowhere", "--apply"], "act on a pull request"),
        (["verify", "nowhere", "--decide", "accept", "--why", "x"], "act on a pull request"),
        (["verify", "3", "--decide", "accept"], "needs --why"),
        (["verify", "nowhere"], "is no folder"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_way_to_mend_it(arguments, message):
    code, _, error = run(*arguments)
    assert code == 1
    assert isinstance(error, ConfigError)
    assert message in str(error)


def test_init_pins_by_content_and_commit_and_does_not_overwrite(datasets, tmp_path: Path, boards):
    commit = "c" * 40
    code, _, _ = run("init", tmp_path / "board", *data(datasets), "--revision", f"emotion6={commit}")
    assert code == 0
    settings = read_settings(tmp_path / "board")
    assert settings.benchmarks["emotion6"].revision == commit
    assert settings.benchmarks["coco_sub"].content_sha256 == boards["coco_sub"].pin.content_sha256
    code, _, error = run("init", tmp_path / "board", *data(datasets))
    assert "is there already" in str(error)


def test_export_writes_csv_json_and_eval_results(results, datasets, tmp_path: Path):
    common = ("--results", results.root, *data(datasets), "--workers", 1)
    assert run("export", *common, "--format", "csv", "--out", tmp_path / "board.csv")[0] == 0
    assert (tmp_path / "board.csv").read_text().startswith("board,rank,author,model,")
    assert run("export", *common, "--out", tmp_path / "board.json")[0] == 0
    assert len(json.loads((tmp_path / "board.json").read_text())["boards"]) == 6
    assert run("export", *common, "--format", "eval-results", "--out", tmp_path / "models")[0] == 0
    assert (tmp_path / "models/lab/sft-2b/.eval_results/emotion6-16.yaml").is_file()


def test_a_dataset_that_is_not_the_pinned_one_is_an_error(results, datasets):
    from rise_bench.dataset import open_dataset

    pin = results.boards["emotion6"].pin.model_copy(update={"content_sha256": "0" * 64})
    with pytest.raises(DataError, match="the board pins 000000000000"):
        load_gold(open_dataset(datasets["emotion6"]), pin)


@pytest.mark.parametrize(
    "text", ["{", '{"schema_version": 1}', '{"schema_version": 1, "benchmarks": {}, "admin": true}', "[]"]
)
def test_broken_settings_are_an_error_of_the_board(tmp_path: Path, text: str):
    (tmp_path / BOARD_NAME).write_text(text)
    with pytest.raises(ConfigError, match="mend it by hand"):
        read_settings(tmp_path)


def test_no_settings_name_the_command_that_makes_them(tmp_path: Path):
    with pytest.raises(ConfigError, match="leaderboard init"):
        read_settings(tmp_path)


def test_the_workflow_runs_main_and_reads_requests_as_data(root: Path):
    """No trigger of a pull request, no checkout of its head, least rights."""
    import yaml

    path = root / "leaderboards" / "workflow.yml"
    workflow = yaml.safe_load(path.read_text())
    triggers = workflow[True]  # "on" is true in YAML 1.1
    assert set(triggers) == {"schedule", "workflow_dispatch"}
    assert workflow["permissions"] == {"contents": "read"}
    steps = workflow["jobs"]["verify-and-build"]["steps"]
    checkout = next(step for step in steps if step.get("uses", "").startswith("actions/checkout"))
    assert checkout["with"] == {"ref": "main", "persist-credentials": False}
    commands = " ".join(step.get("run", "") for step in steps)
    assert "rise-bench leaderboard verify open" in commands
    assert "${{ github" not in commands, "nothing of an event is pasted into a shell"


def test_settings_survive_writing_and_reading(tmp_path: Path, results):
    from rise_bench.leaderboards.boards import write_settings

    write_settings(tmp_path, results.settings)
    assert read_settings(tmp_path) == results.settings
    assert isinstance(read_settings(tmp_path), BoardSettings)
