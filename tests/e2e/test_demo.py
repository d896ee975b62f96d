"""`rise-bench demo`, the whole of RISE: killed and started again it goes on, and RISE is worth its while."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from rise_bench.data.manifest import MANIFEST_NAME
from rise_bench.experiments.demo import Demo, next_steps
from rise_bench.reports.run_report import read_metrics

from .conftest import Run, Start, finish

ASKED = ("rise_bench", "demo", "--steps", "40")
COMMAND = (*ASKED, "--test", "60", "--json", "--out")
MINUTES = 25

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60 * MINUTES)]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "out"


def steps(run: Path) -> list[dict[str, float]]:
    return [row for row in read_metrics(run) if "reward" in row]


@pytest.fixture(scope="module")
def rows(start: Start, out: Path) -> dict[str, dict]:
    """The table of a demo that was killed while it trained."""
    with start(*COMMAND, out, cold=True) as process:
        deadline = time.monotonic() + 60 * MINUTES
        while len(steps(out / "runs" / "rise_cot")) < 7:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        os.kill(process.pid, signal.SIGKILL)
        finish(process)
    drawn = (out / "data" / "moods" / MANIFEST_NAME).stat().st_mtime_ns
    done = finish(start(*COMMAND, out), minutes=MINUTES)
    assert done.returncode == 0, done.stderr
    assert (out / "data" / "moods" / MANIFEST_NAME).stat().st_mtime_ns == drawn  # not drawn again
    table = json.loads(done.stdout)
    assert json.loads((out / "scores.json").read_text(), parse_constant=pytest.fail) == table
    return {row["method"] or row["title"]: row for row in table}


def test_training_went_on_where_it_was_killed(rows: dict[str, dict], out: Path) -> None:
    record = json.loads((out / "runs" / "rise_cot" / "run.json").read_text())
    assert len(record["starts"]) == 2
    logged = [
        json.loads(line)["step"] for line in (out / "runs/rise_cot/metrics.jsonl").read_text().splitlines()
    ]
    assert logged.count(1) == 1  # the first step was not trained twice


def test_rise_is_better_than_sft_than_the_base_model_and_than_any_constant(rows: dict[str, dict]) -> None:
    jsd = {name: row["metrics"]["jsd"]["value"] for name, row in rows.items()}
    assert jsd["rise"] < jsd["sft"] and jsd["rise"] < jsd["base"] < jsd["baseline: train_mean"]
    assert jsd["Bayes optimum"] == pytest.approx(0, abs=1e-12)
    assert rows["visual_rft"]["metrics"]["win_rate"]["value"] < 1 and rows["sft"]["reference"] == "RISE"
    assert all(rows[name]["minutes"] > 0 for name in ("rise", "visual_rft", "sft", "base"))
    assert rows["sft"]["false_statements_per_cot"] is None and rows["rise"]["samples"] == 60
    assert rows["rise"]["false_statements_per_cot"] >= 0


def test_a_finished_demo_is_only_shown_again(rows: dict[str, dict], run: Run, out: Path) -> None:
    trained = (out / "runs" / "rise_r1" / "metrics.jsonl").stat().st_mtime_ns
    done = run(*ASKED, "--test", "60", "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("done before") == 9
    assert (out / "runs" / "rise_r1" / "metrics.jsonl").stat().st_mtime_ns == trained
    for words in (
        "RISE",
        "Visual-RFT",
        "baseline: train_mean",
        "Bayes optimum",
        "rise-bench init IMAGES",
        "submit",
    ):
        assert words in done.stdout
    page = (out / "report.html").read_text()
    assert "<script" not in page and page.count("<article>") >= 10
    for words in (
        "RISE on moods, 16-shot, seed 0",
        "statements true",
        "Rewarded, but false",
        "worst sentence",
        "Its worst",
        "runs/rise_cot/report.html",
        'download="scores.csv"',
        "<h2>Next</h2>",
    ):
        assert words in page
    assert "data:image/jpeg" in (out / "runs" / "rise_cot" / "report.html").read_text()


def test_the_steps_that_it_names_next_can_be_pasted(
    rows: dict[str, dict], run: Run, out: Path, tmp_path: Path
) -> None:
    steps = [line.partition(":")[2].split() for line in next_steps(Demo(out)).splitlines()[1:]]
    init, train, submit = (words[words.index("rise-bench") + 1 :] for words in steps)
    known = run("rise_bench", init[0], "--help").stdout
    assert all(word in known for word in init if word.startswith("--"))
    assert run("rise_bench", *train, "--dry-run").returncode == 0
    submit[submit.index("ORG/NAME@COMMIT")] = f"org/name@{'0' * 40}"
    submit[submit.index("submission")] = str(tmp_path)
    done = run("rise_bench", *submit)
    assert done.returncode == 0 and "accept" in done.stderr, done.stderr


def test_other_settings_in_the_same_folder_are_refused(rows: dict[str, dict], run: Run, out: Path) -> None:
    done = run(*ASKED, "--test", "61", "--out", out)
    assert done.returncode == 1
    assert "unlike this run; choose another --out" in done.stderr
