"""A drawn benchmark of counts from build to board: check, baselines, task, score, audit's errors, site."""

import json
import re
from pathlib import Path

import datasets
import pytest

from rise_bench.data.check import check_dataset
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.summary import summarize
from rise_bench.evaluation.responses import read_responses
from rise_bench.evaluation.score_run import score_baselines, score_run
from rise_bench.hub.find import find_benchmark
from rise_bench.leaderboards.submissions.schema import Submission, write_submission
from rise_bench.leaderboards.verification.gold_board import BoardSettings, load_gold, write_settings
from rise_bench.leaderboards.web.build import build_site
from rise_bench.synthetic.counting import OTHER_SHAPES, SEEN_SHAPES
from rise_bench.synthetic.rows import truth_of
from rise_bench.tasks import data
from rise_bench.tasks.documents import process_results

from ..leaderboards.conftest import make_parts
from ..support.drawn_data import write_drawn

NAMES = ("drawn_counting", "drawn_counting_ood")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("counting")
    write_drawn(folder / "drawn_counting", "drawn_counting", train=28, test=42)
    return folder


@pytest.fixture(params=NAMES)
def dataset(request: pytest.FixtureRequest, root: Path, monkeypatch: pytest.MonkeyPatch) -> BenchmarkDataset:
    monkeypatch.setenv("RISE_BENCH_DATA", str(root))
    return find_benchmark(request.param)


def responses(dataset: BenchmarkDataset) -> dict[str, str]:
    """A model that counts to three, and of more says that there are four; in words where it is sure."""
    texts = {}
    for gold in dataset.golds("test"):
        count = min(int(gold.annotation.text), 4)
        answer = ("zero", "one", "two", "three", "4")[count]
        texts[gold.id] = (
            f"<think>In picture {gold.id} I look at one after the other.</think><answer>{answer}</answer>"
        )
    return texts


def test_a_built_dataset_is_in_order_and_baselines_are_low(dataset: BenchmarkDataset) -> None:
    assert check_dataset(dataset.root) == []
    assert dataset.manifest.counts.items() >= {"train": 28, "test": 42}.items()
    shapes = {
        thing.shape
        for row in dataset.rows("test", columns=["source_id"])
        for thing in truth_of(row["source_id"])
    }
    assert shapes == set(OTHER_SHAPES if dataset.spec.part_of else SEEN_SHAPES)
    assert list(summarize(dataset).classes) == list("0123456")
    reports = score_baselines(dataset, resamples=50)
    assert {name: round(report.metrics["accuracy"].value, 4) for name, report in reports.items()} == {
        "most_frequent": round(1 / 7, 4),
        "median": round(1 / 7, 4),
    }
    assert reports["median"].metrics["mae"].value == pytest.approx(12 / 7)  # of 0 to 6 around 3


def test_the_task_scores_as_the_library_does(dataset: BenchmarkDataset, tmp_path: Path) -> None:
    name = dataset.spec.name
    files = getattr(data, f"files__{name}") | {"cache_dir": str(tmp_path / "cache")}
    documents = getattr(data, f"documents__{name}")(datasets.load_dataset("parquet", split="test", **files))
    texts = responses(dataset)
    for document in documents:
        assert re.search(r"How many [\w ]+ are there\?\nAnswer with one number", document["prompt"])
        assert document["prompt"].endswith("<answer>value</answer>.")
    values = [process_results(document, [texts[document["id"]]]) for document in documents]
    samples = tmp_path / "samples.jsonl"
    samples.write_text("".join(json.dumps({"id": i, "response": t}) + "\n" for i, t in texts.items()))
    report = score_run(read_responses(samples), dataset, resamples=50).report
    for metric in getattr(data, f"metrics__{name}"):
        of = metric["metric"]
        if of != "failed_requests":
            number = metric["aggregation"]([value[of] for value in values])
            assert number == pytest.approx(report.metrics[of].value), of
    assert report.metrics["accuracy"].value == pytest.approx(5 / 7)
    assert report.metrics["mae"].value == pytest.approx((1 + 2) / 7)
    assert report.metrics["reason_rft"].value == pytest.approx(1 / 7)  # its script reads no words


def test_a_board_ranks_it(dataset: BenchmarkDataset, tmp_path: Path) -> None:
    board, results = load_gold(dataset), tmp_path / "results"
    parts = make_parts(board, responses=responses(dataset))
    submission = Submission.model_validate(parts.submission)
    write_submission(results / "submissions" / "anna" / "counts-1", submission, parts.samples)
    name = dataset.spec.name
    settings = BoardSettings(schema_version=1, benchmarks={name: board.pin})
    write_settings(results, settings)
    build_site(results, settings, {name: board}, tmp_path / "site", workers=1)
    table = json.dumps(json.loads((tmp_path / "site" / "leaderboard.json").read_text()))
    assert '"Tiny VL"' in table and '"most_frequent"' in table and '"median"' in table
    page = (tmp_path / "site" / f"{name}-full.html").read_text()
    assert "Share of values that are right" in page
    assert "Each image has a question of its own." in page and "{question}" not in page
    assert "Score of Reason-RFT&#39;s script, defects included" in page and "Reason-RFT 14.3" in page
