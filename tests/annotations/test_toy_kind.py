"""A kind of annotation is its own lines: build, check, floors, task, score and board need no other file."""

import json
from pathlib import Path

import datasets
import pytest

from rise_bench.annotations.kinds import KINDS
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.data.build_plan import SourcePlan, SourceRow
from rise_bench.data.check import check_dataset
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.writer import write_dataset
from rise_bench.evaluation.responses import read_responses
from rise_bench.evaluation.score_run import score_baselines, score_run
from rise_bench.hub.find import find_benchmark
from rise_bench.leaderboards.submissions.schema import Submission, write_submission
from rise_bench.leaderboards.verification.gold_board import BoardSettings, load_gold, write_settings
from rise_bench.leaderboards.web.build import build_site
from rise_bench.tasks import data
from rise_bench.tasks.documents import process_results

from ..leaderboards.conftest import make_parts
from ..support.made_sources import write_photo
from ..support.toy_kind import Word, WordKind

BIRDS = ("heron", "crane", "egret", "heron")


@pytest.fixture
def birds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BenchmarkDataset:
    monkeypatch.setitem(KINDS, "word", WordKind())
    monkeypatch.setenv("RISE_BENCH_DATA", str(tmp_path))
    monkeypatch.setenv("RISE_BENCH_CUSTOM", "birds")
    spec = BenchmarkSpec("birds", "word", "exact", "Which bird is this?", images="embed")
    rows = [
        SourceRow(f"birds/{i:02}", f"{i}.jpg", write_photo(tmp_path / f"{i}.jpg", i), Word(BIRDS[i % 4]))
        for i in range(44)
    ]
    write_dataset(SourcePlan(spec, rows[:4], rows[4:]), tmp_path / "birds", workers=1)
    return find_benchmark("birds")


def responses(dataset: BenchmarkDataset) -> dict[str, str]:
    """A model that names herons right and takes the rest for storks, each time with its own words."""
    answers = {gold.id: gold.annotation.text for gold in dataset.golds("test")}
    return {
        uid: f"<think>Seen at spot {uid}.</think><answer>{word if word == 'heron' else 'stork'}</answer>"
        for uid, word in answers.items()
    }


def test_dataset_and_floors(birds: BenchmarkDataset) -> None:
    assert check_dataset(birds.root) == []
    assert {gold.annotation for gold in birds.golds("test")} == set(map(Word, BIRDS))
    floors = score_baselines(birds, resamples=10)
    assert {name: report.metrics["exact"].value for name, report in floors.items()} == {
        "first": 0.5,
        "most_common": 0.5,
    }


def test_task_and_score(birds: BenchmarkDataset, tmp_path: Path) -> None:
    files = data.files__custom | {"cache_dir": str(tmp_path / "cache")}
    documents = data.documents__custom__norm1000(datasets.load_dataset("parquet", split="test", **files))
    texts = responses(birds)
    assert "Answer with one word" in documents[0]["prompt"]
    values = [process_results(document, [texts[document["id"]]]) for document in documents]
    (exact,) = (m["aggregation"] for m in data.metrics__custom if m["metric"] == "exact")
    assert exact([value["exact"] for value in values]) == 0.5
    samples = tmp_path / "samples.jsonl"
    samples.write_text("".join(json.dumps({"id": i, "response": t}) + "\n" for i, t in texts.items()))
    assert score_run(read_responses(samples), birds, resamples=10).report.metrics["exact"].value == 0.5


def test_board(birds: BenchmarkDataset, tmp_path: Path) -> None:
    board, results = load_gold(birds), tmp_path / "results"
    parts = make_parts(board, responses=responses(birds))
    said = Submission.model_validate(parts.submission)
    write_submission(results / "submissions" / "anna" / "birds-1", said, parts.samples)
    settings = BoardSettings(schema_version=1, benchmarks={"birds": board.pin})
    write_settings(results, settings)
    build_site(results, settings, {"birds": board}, tmp_path / "site", workers=1)
    table = json.loads((tmp_path / "site" / "leaderboard.json").read_text())
    assert '"Tiny VL"' in json.dumps(table) and '"most_common"' in json.dumps(table)
    assert "Share of right words" in "".join(p.read_text() for p in (tmp_path / "site").glob("*.html"))
