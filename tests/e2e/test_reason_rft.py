"""Reason-RFT's seven tasks and a drawn stand-in, from the source through lmms-eval to the board."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from rise_bench.annotations.kinds import render_gold
from rise_bench.builders import reason_rft as builder
from rise_bench.builders.reason_rft import FILES
from rise_bench.catalog.reason_rft import REASON_RFT
from rise_bench.cot.check import check_folder
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.pictures import pictures_of
from rise_bench.data.writer import write_dataset
from rise_bench.evaluation.folder import is_result
from rise_bench.evaluation.responses import read_responses
from rise_bench.evaluation.score_run import score_baselines
from rise_bench.hub.find import find_benchmark
from rise_bench.leaderboards.submissions.schema import Submission, write_submission
from rise_bench.leaderboards.verification.gold_board import BoardSettings, load_gold, write_settings
from rise_bench.leaderboards.web.build import build_site

from ..leaderboards.conftest import make_parts
from ..support.drawn_data import picture_key_of, write_drawn
from ..support.made_reason_rft import reason_rft
from ..support.openai_server import OpenAIServer, serve
from .conftest import Run, think_answer

NAMES = (*(spec.name for spec in REASON_RFT), "drawn_changes", "drawn_changes_ood")

#: Benchmarks whose first answer is one value, and wrong.
VALUES = tuple(spec.name for spec in REASON_RFT if spec.images_per_row == 1)


@dataclass(frozen=True)
class Tasks:
    """The benchmarks, what a model says to each sample, and the results that lmms-eval wrote."""

    benchmarks: dict[str, BenchmarkDataset]
    answers: dict[str, str]
    prompts: list[str]
    printed: dict
    results: Path


@pytest.fixture(scope="module")
def tasks(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Tasks:
    """Every test is asked; the first sample of each gets the answer to the second, the rest their own."""
    root = tmp_path_factory.mktemp("reason_rft")
    for task in FILES:
        plan = builder.plan(reason_rft(root / "sources" / task, task), task=task)
        write_dataset(plan, root / task, workers=1, allow_partial=True)
    write_drawn(root / "drawn_changes", "drawn_changes", train=4, test=3)
    assert [check_folder(root / name) for name in (*FILES, "drawn_changes")] == [[]] * 4
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RISE_BENCH_DATA", str(root))
        benchmarks = {name: find_benchmark(name) for name in NAMES}
    answers, ids = {}, {}
    for dataset in benchmarks.values():
        golds = sorted(dataset.golds("test"), key=lambda gold: gold.id)
        for gold, said in zip(golds, [golds[1], *golds[1:]], strict=True):
            answers[gold.id] = think_answer(render_gold(said))
        ids |= {picture_key_of(pictures_of(row)[-1]): row["id"] for row in dataset.rows("test")}
    with serve(OpenAIServer(lambda picture, prompt: answers[ids[picture]])) as server:
        done = run(
            *(
                "rise_bench",
                "eval",
                "--tasks",
                "rise_reason,rise_drawn_changes*",
                "--model",
                "openai",
                "--json",
            ),
            *("--model_args", server.model_args, "--output_path", root / "results"),
            RISE_BENCH_DATA=str(root),
        )
        assert done.returncode == 0, done.stderr
        return Tasks(benchmarks, answers, server.prompts, json.loads(done.stdout), root / "results")


def test_every_task_is_scored_beside_its_floors(tasks: Tasks) -> None:
    assert set(tasks.printed) == {f"rise_{name}" for name in NAMES}
    for name, dataset in tasks.benchmarks.items():
        task, metric = tasks.printed[f"rise_{name}"], dataset.spec.metric
        assert task["samples"] == 3 and task["dataset_sha256"] == dataset.sha256
        assert 2 / 3 <= task["metrics"][metric]["value"] < 1
        floors = score_baselines(dataset, resamples=0)
        assert task["floors"].keys() == floors.keys() != set()
        assert all(report.metrics[metric].value < 1 for report in floors.values())
    accuracies = [tasks.printed[f"rise_{name}"]["metrics"]["accuracy"]["value"] for name in VALUES]
    assert accuracies == pytest.approx([2 / 3] * 4)


def test_score_gives_the_numbers_of_lmms_eval(tasks: Tasks) -> None:
    (kept,) = filter(is_result, tasks.results.rglob("*_results.json"))
    results = json.loads(kept.read_text())["results"]
    for name, dataset in tasks.benchmarks.items():
        printed = tasks.printed[f"rise_{name}"]
        samples = read_responses(Path(printed["samples_file"]))
        assert set(samples.texts) == {gold.id for gold in dataset.golds("test")}
        for metric, interval in printed["metrics"].items():
            assert results[f"rise_{name}"][f"{metric},none"] == pytest.approx(interval["value"], abs=1e-9), (
                metric
            )


def test_the_model_is_asked_what_the_row_asks(tasks: Tasks) -> None:
    assert len(tasks.prompts) == 9 * 3
    changes = [prompt for prompt in tasks.prompts if "The first image shows objects before" in prompt]
    assert len(changes) == 5 * 3
    sizes = Counter(re.search(r"change_size\(object, ([a-z|]+)\)", prompt)[1] for prompt in changes)
    assert sizes == {"small|medium|large": 9, "small|large": 6}
    assert not any("<think> </think>" in prompt for prompt in tasks.prompts)


def test_each_test_has_a_board_and_no_question_of_geomath_is_on_it(tasks: Tasks, tmp_path: Path) -> None:
    boards = {name: load_gold(dataset) for name, dataset in tasks.benchmarks.items()}
    assert len({board.pin.content_sha256 for board in boards.values()}) == 9
    for name, board in boards.items():
        parts = make_parts(board, responses={gold.id: tasks.answers[gold.id] for gold in board.golds})
        said = Submission.model_validate(parts.submission)
        write_submission(tmp_path / "results" / "submissions" / "anna" / name, said, parts.samples)
    settings = BoardSettings(schema_version=1, benchmarks={name: board.pin for name, board in boards.items()})
    write_settings(tmp_path / "results", settings)
    site = tmp_path / "site"
    build_site(tmp_path / "results", settings, boards, site, workers=1)
    table = json.loads((site / "leaderboard.json").read_text())
    assert all(f'"{name}"' in json.dumps(table) for name in NAMES)
    for name in NAMES:
        samples = json.loads((site / "gold" / f"{name}.json").read_text())["samples"].values()
        shown = tasks.benchmarks[name].spec.images == "embed"
        assert len(samples) == 3 and {"image" in sample for sample in samples} == {shown}
        assert any("question" in sample for sample in samples) != name.startswith("structure")
