"""The commands of maintainers, on local folders."""

import json
import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rise_bench.cli import app
from rise_bench.errors import ConfigError, DataError
from rise_bench.leaderboards.moderation import batch as judge
from rise_bench.leaderboards.ranking.entries import key_of, load_entries
from rise_bench.leaderboards.submissions.schema import Submission, write_submission
from rise_bench.leaderboards.verification.gold_board import (
    BOARD_NAME,
    BoardSettings,
    load_gold,
    read_settings,
)
from rise_bench.leaderboards.web.build import build_site


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


@pytest.fixture
def copied(results, tmp_path: Path) -> Path:
    """A results folder into which a copy of a submission came by another way than a pull request."""
    import shutil

    shutil.copytree(results.root, tmp_path / "results")
    shutil.copytree(
        tmp_path / "results/submissions/lab/emotion6-2", tmp_path / "results/submissions/zoe/mine"
    )
    return tmp_path / "results"


def test_build_and_export_show_nothing_that_verify_all_refuses(
    copied: Path, results, datasets, tmp_path: Path
):
    site = tmp_path / "site"
    code, output, _ = run("build", "--results", copied, *data(datasets), "--out", site, "--workers", 1)
    assert code == 0
    assert (
        "not shown: submissions/zoe/mine: copied: the responses are those of submissions/lab/emotion6-2"
        in output
    )
    for path in site.rglob("*"):
        assert "zoe" not in path.name
        assert path.is_dir() or path.suffix == ".jpg" or "zoe" not in path.read_text("utf-8"), path
    out = tmp_path / "board.csv"
    run("export", "--results", copied, *data(datasets), "--out", out, "--format", "csv", "--workers", 1)
    assert "lab" in out.read_text() and "zoe" not in out.read_text()


def test_a_copy_of_what_is_hidden_is_not_shown_either(copied: Path, results):
    hidden = results.settings.model_copy(update={"hidden": {"submissions/lab/emotion6-2": "spam"}})
    entries, refused = load_entries(copied, hidden, results.boards, workers=1)
    assert [r.path for r in refused] == ["submissions/zoe/mine"]
    assert "submissions/lab/emotion6-2" not in [e.path for e in entries]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"hidden": {"submissions/lab/emotion6-22": "spam"}}, "'hidden' names 'submissions/lab/emotion6-22'"),
        ({"hidden": {"lab/emotion6-2": "spam"}}, "nearest is 'submissions/lab/emotion6-2'. Correct the name"),
        ({"rise": {"emotion6/0-shot": "submissions/lab/emotion6-2"}}, "'rise' names 'emotion6/0-shot'"),
        ({"rise": {"emotion/full": "submissions/lab/emotion6-2"}}, "nearest is 'emotion6/full'"),
    ],
)
def test_entries_of_board_json_without_effect_are_refused(copied: Path, results, entry, message):
    settings = results.settings.model_copy(update=entry)
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_entries(copied, settings, results.boards, workers=1)


def test_a_rise_submission_that_is_not_there_is_said(copied: Path, results, caplog):
    settings = results.settings.model_copy(update={"rise": {"emotion6/full": "submissions/rise/emotion"}})
    load_entries(copied, settings, results.boards, workers=1)
    assert "'rise' names submissions/rise/emotion for emotion6/full, which does not exist" in caplog.text


def test_a_refused_submission_is_nobody_s_original(copied: Path, results):
    """Else a broken copy that comes first in the alphabet takes the real one off the board."""
    first = copied / "submissions/lab/emotion6-2"
    spoilt = json.loads((first / "submission.json").read_text())
    spoilt["metrics"]["jsd"] = 0.0
    (first / "submission.json").write_text(json.dumps(spoilt))
    entries, refused = load_entries(copied, results.settings, results.boards, workers=1)
    assert [r.path for r in refused] == ["submissions/lab/emotion6-2"]
    assert "submissions/zoe/mine" in [e.path for e in entries]


def test_verify_a_folder_compares_it_with_the_board(copied: Path, results, datasets, tmp_path: Path):
    copied.joinpath("submissions/zoe/mine").rename(tmp_path / "mine")
    common = (*data(datasets), "--workers", 1)
    assert run("verify", tmp_path / "mine", *common)[0] == 0, "by itself it is right"
    code, output, _ = run("verify", tmp_path / "mine", "--results", copied, *common)
    assert code == 4
    assert "reject copied: the responses are those of submissions/lab/emotion6-2" in output
    named = tmp_path / "submissions/lab/emotion6-2"
    named.parent.mkdir(parents=True)
    (tmp_path / "mine").rename(named)
    assert run("verify", named, "--results", copied, *common)[0] == 4, "whatever its folder is called"
    own = copied / "submissions/lab/emotion6-2"
    assert run("verify", own, "--results", copied, *common)[:2] == (0, "accept: submissions/lab/emotion6-2\n")


@pytest.mark.parametrize("link", ["submissions", "submissions/zoe", "submissions/zoe/mine"])
def test_links_in_a_results_folder_are_not_followed(copied: Path, results, tmp_path: Path, link: str):
    (copied / link).rename(tmp_path / "elsewhere")
    (copied / link).symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    entries, refused = load_entries(copied, results.settings, results.boards, workers=1)
    shown = [e.path for e in entries]
    assert not any(path.startswith(link) for path in shown)
    assert {reason.code for r in refused for reason in r.reasons} == {"link"}
    assert len(shown) == (0 if link == "submissions" else 12)


@pytest.mark.parametrize("name", ["submission.json", "samples.jsonl"])
@pytest.mark.parametrize("kind", ["folder", "link", "pipe", "unreadable"])
def test_what_is_no_plain_file_is_a_reason_and_blocks_no_other(
    copied: Path, results, monkeypatch, name, kind
):
    path = copied / "submissions/zoe/mine" / name
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(copied / "submissions/lab/emotion6-2" / name)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.write_bytes(b"{}")
        opened = Path.open

        def fails(self, *arguments, **options):
            if self == path:
                raise PermissionError(13, "Permission denied", str(self))
            return opened(self, *arguments, **options)

        monkeypatch.setattr(Path, "open", fails)
    entries, refused = load_entries(copied, results.settings, results.boards, workers=1)
    assert [r.path for r in refused] == ["submissions/zoe/mine"]
    assert len(entries) == 12
    assert refused[0].reasons[0].code == ("unreadable" if kind == "unreadable" else "missing_file")


FOLDERS = ["a/b--c", "a--b/c", "a-/b", "a/b-c", "a-b/c", "a---b/c", "a/b---c", "Anna/x", "anna-/-x", "a_/b"]


def test_no_two_submissions_share_a_page():
    folders = [f"submissions/{path}" for path in FOLDERS]
    assert len({key_of(folder).casefold() for folder in folders}) == len(folders)
    assert key_of("submissions/rise/emotion6-0") == "rise--emotion6-0", "links of earlier sites hold"


def test_two_submissions_whose_names_run_together_have_pages_of_their_own(results, tmp_path: Path):
    import shutil

    for old, new in (
        ("lab/emotion6-2", "a--b/c"),
        ("rise/emotion6-0", "a/b--c"),
        ("rise/emotion6-1", "A/b--c"),
    ):
        shutil.copytree(results.root / "submissions" / old, tmp_path / "submissions" / new)
    built = build_site(tmp_path, results.settings, results.boards, tmp_path / "site", workers=1)
    assert {e.path for e in built.entries} == {"submissions/a--b/c", "submissions/A/b--c"}
    assert [(r.path, r.reasons[0].code) for r in built.refused] == [("submissions/a/b--c", "path_taken")]
    for entry in built.entries:
        run_ = json.loads((tmp_path / "site" / "runs" / f"{entry.key}.json").read_text())["run"]
        assert run_["path"] == entry.path
    assert not (tmp_path / "site" / "runs" / "a--b--c.json").exists()


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
        (["verify", "nowhere", "--apply"], "need a pull request"),
        (["verify", "nowhere", "--decide", "accept", "--why", "x"], "need a pull request"),
        (["verify", "3", "--decide", "accept"], "needs --why"),
        (["verify", "nowhere"], "is not a folder"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_way_to_mend_it(arguments, message):
    code, _, error = run(*arguments)
    assert code == 1
    assert isinstance(error, ConfigError)
    assert message in str(error)


def test_init_pins_by_content_and_commit_and_does_not_overwrite(datasets, tmp_path: Path, boards):
    commit = "c" * 40
    for pair, message in (
        (f"emotion={commit}", "--revision has emotion, and --data has"),
        (commit, "give BENCHMARK=ORG/NAME@COMMIT"),
        ("emotion6=main", "expected a commit of 40 hexadecimal digits"),
        (f"emotion6=somewhere@{commit}", "write it as ORG/NAME"),
    ):
        code, _, error = run("init", tmp_path / "board", *data(datasets), "--revision", pair)
        assert message in str(error) and not (tmp_path / "board").exists()
    code, _, _ = run("init", tmp_path / "board", *data(datasets), "--revision", f"emotion6={commit}")
    assert code == 0
    settings = read_settings(tmp_path / "board")
    assert settings.benchmarks["emotion6"].revision == commit
    assert settings.benchmarks["emotion6"].dataset == "rise-bench/rise-emotion6"
    code, _, _ = run("init", tmp_path / "other", *data(datasets), "--revision", f"emotion6=me/moods@{commit}")
    pin = read_settings(tmp_path / "other").benchmarks["emotion6"]
    assert (code, pin.dataset, pin.revision) == (0, "me/moods", commit)
    assert settings.benchmarks["coco_sub"].content_sha256 == boards["coco_sub"].pin.content_sha256
    code, _, error = run("init", tmp_path / "board", *data(datasets))
    assert "exists already" in str(error)


def test_export_writes_csv_json_and_eval_results(results, datasets, tmp_path: Path):
    common = ("--results", results.root, *data(datasets), "--workers", 1)
    assert run("export", *common, "--format", "csv", "--out", tmp_path / "board.csv")[0] == 0
    assert (tmp_path / "board.csv").read_text().startswith("board,rank,author,model,")
    assert run("export", *common, "--out", tmp_path / "board.json")[0] == 0
    assert len(json.loads((tmp_path / "board.json").read_text())["boards"]) == 6
    assert run("export", *common, "--format", "eval-results", "--out", tmp_path / "models")[0] == 0
    assert (tmp_path / "models/lab/sft-2b/.eval_results/emotion6-16-shot.yaml").is_file()


def test_a_dataset_that_is_not_the_pinned_one_is_an_error(results, datasets):
    from rise_bench.data.dataset import open_dataset

    pin = results.boards["emotion6"].pin.model_copy(update={"content_sha256": "0" * 64})
    with pytest.raises(DataError, match="the board pins 000000000000"):
        load_gold(open_dataset(datasets["emotion6"]), pin)


@pytest.mark.parametrize(
    "text", ["{", '{"schema_version": 1}', '{"schema_version": 1, "benchmarks": {}, "admin": true}', "[]"]
)
def test_broken_settings_are_an_error_of_the_board(tmp_path: Path, text: str):
    (tmp_path / BOARD_NAME).write_text(text)
    with pytest.raises(ConfigError, match="fix it by hand"):
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
    from rise_bench.leaderboards.verification.gold_board import write_settings

    write_settings(tmp_path, results.settings)
    assert read_settings(tmp_path) == results.settings
    assert isinstance(read_settings(tmp_path), BoardSettings)
