"""A metric that is registered in one place ranks, is shown and is aggregated everywhere."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rise_bench.annotations.distribution.kind import DistributionKind
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.metric import Metric
from rise_bench.builders.synthetic import plan
from rise_bench.cli import app
from rise_bench.data.check import check_dataset
from rise_bench.data.dataset import BenchmarkDataset, open_dataset
from rise_bench.data.writer import write_dataset
from rise_bench.experiments.comparison import headings
from rise_bench.experiments.study.claims import lower_is_better
from rise_bench.leaderboards.verification.gold_board import load_gold
from rise_bench.leaderboards.web.build import build_site
from rise_bench.scoring.scores import aggregate, score_annotation
from rise_bench.tasks.aggregation import metric_list

from .conftest import write_results


def brier(gold: Distribution, stated: Distribution) -> float:
    return sum((p - q) ** 2 for p, q in zip(gold.probs, stated.probs, strict=True))


BRIER = Metric(
    "brier",
    "Brier score",
    "Squared error of the probabilities",
    higher_is_better=False,
    best=0.0,
    worst=2.0,
    scale=1.0,
    digits=3,
    ranks=True,
    sample=brier,
)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tuple METRICS of `annotations/distribution/metrics.py` would hold."""
    monkeypatch.setattr(DistributionKind, "metrics", (*DistributionKind.metrics, BRIER))


@pytest.fixture
def dataset(tmp_path: Path) -> BenchmarkDataset:
    drawn = plan("moods", train=8, test=24, seed=0)
    write_dataset(replace(drawn, spec=replace(drawn.spec, metric="brier")), tmp_path / "moods", workers=1)
    return open_dataset(tmp_path / "moods")


def test_a_toy_metric_is_aggregated(dataset: BenchmarkDataset) -> None:
    golds = dataset.golds("test")
    uniform = Distribution(dataset.spec.classes, (1 / 7,) * 7)
    report = aggregate(dataset.spec, golds, [score_annotation(gold, uniform) for gold in golds], resamples=20)
    score = report.metrics["brier"]
    assert score.value == pytest.approx(sum(brier(gold.annotation, uniform) for gold in golds) / len(golds))
    assert score.low < score.value < score.high
    assert check_dataset(dataset.root) == []
    (listed,) = (metric for metric in metric_list("distribution") if metric["metric"] == "brier")
    assert not listed["higher_is_better"]
    assert listed["aggregation"]([0.5, 1.0]) == 0.75


def test_a_toy_metric_is_shown(dataset: BenchmarkDataset) -> None:
    done = CliRunner().invoke(app, ["baselines", str(dataset.root), "--resamples", "0"])
    assert "brier ↓" in done.stdout
    assert "Squared error of the probabilities, lower is better" in (dataset.root / "eval.yaml").read_text()
    assert headings("brier")[1] == "Brier score ↓"
    assert lower_is_better("brier")


def test_a_toy_metric_ranks(dataset: BenchmarkDataset, tmp_path: Path) -> None:
    results = write_results(tmp_path / "results", {"moods": load_gold(dataset)})
    built = build_site(results.root, results.settings, results.boards, tmp_path / "site", workers=1)
    assert built.refused == []
    table = next(table for table in built.tables if table.name == "moods/full")
    values = [row.entry.main.value for row in table.rows]
    assert values == sorted(values) and 0 < values[0] < values[-1]
    page = (tmp_path / "site" / "moods-full.html").read_text()
    assert "Squared error of the probabilities; lower is better." in page
    assert re.findall(r'class="value">([^<]*)<', page)[0] == f"{values[0]:.3f}"
