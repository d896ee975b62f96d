"""Comparison of methods on a test split: scores, false statements of chains of thought, and minutes.

All values are recomputed from the raw responses in the logs of lmms-eval; the win-rate is against RISE, if it
is among the methods.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.kinds import all_metrics
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.evaluation.responses import read_responses, score_responses
from rise_bench.evaluation.score_run import score_baselines
from rise_bench.evaluation.win_rate_reference import win_rate_reference
from rise_bench.experiments.cell import Cell
from rise_bench.experiments.job_folder import JobFolder
from rise_bench.experiments.methods import METHODS, find_method, method_jobs
from rise_bench.scoring.bootstrap import Interval
from rise_bench.scoring.scores import Reference, Report, SampleScore, aggregate, score_annotation
from rise_bench.synthetic import fact_check

AGAINST = "rise"
"""The method that the others are compared with: win-rates, tests, equal time."""

COLUMNS = ("method", "score", "win-rate against RISE", "parse rate", "false statements per CoT", "minutes")
"""Columns of the printed table."""

COLUMNS_NOTE = (
    "Intervals: 95%, bootstrap over the test pictures of this one run; another seed moves the numbers more. "
    "Minutes: wall time of a method's jobs, shared ones included."
)


@dataclass(frozen=True, slots=True)
class Row:
    """Row of the comparison.

    Attributes:
        title: Name of the method, baseline or optimum.
        report: Its scores.
        method: Key of `METHODS`; empty for baselines and the optimum.
        false_statements: False statements per chain of thought; None without any.
        statements: Statements per chain of thought, true and false; None without any.
        minutes: Wall time of its jobs; shared jobs count in each method.
    """

    title: str
    report: Report
    method: str = ""
    false_statements: float | None = None
    statements: float | None = None
    minutes: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain JSON values."""
        return {
            "title": self.title,
            "method": self.method,
            "false_statements_per_cot": self.false_statements,
            "statements_per_cot": self.statements,
            "minutes": self.minutes,
            **self.report.to_json(),
        }


def compare(
    cell: Cell,
    dataset: BenchmarkDataset,
    methods: Sequence[str],
    folder: JobFolder,
) -> list[Row]:
    """Score methods whose jobs are done, then the baselines and the Bayes optimum.

    Args:
        cell: Cell of the methods.
        dataset: The benchmark.
        methods: Keys of `METHODS`.
        folder: Records of the jobs.

    Raises:
        DataError: An evaluation is missing or incomplete.
    """
    golds = dataset.golds("test")
    responses = {method: read_responses(samples_file(cell, method, folder)) for method in methods}
    scores = {method: score_responses(given, golds, dataset.sha256) for method, given in responses.items()}
    reference = _reference(dataset, scores.get(AGAINST))
    rows = []
    for method in methods:
        report = aggregate(dataset.spec, golds, scores[method], reference=reference)
        jobs = method_jobs(cell, [method])
        claims = checked(responses[method].answer_format, scores[method], dataset)
        rows.append(
            Row(
                find_method(method).title,
                report,
                method,
                claims.false_per_text if claims else None,
                claims.per_text if claims else None,
                sum(folder.seconds(job.name) for job in jobs) / 60,
            )
        )
    baselines = score_baselines(dataset, reference=reference, resamples=0)
    rows += [Row(f"baseline: {name}", report) for name, report in baselines.items()]
    best = [score_annotation(gold, gold.annotation) for gold in golds]
    optimum = aggregate(dataset.spec, golds, best, reference=reference, resamples=0)
    return [*rows, Row("Bayes optimum", optimum)]


def samples_file(cell: Cell, method: str, folder: JobFolder) -> Path:
    """Return the samples file of a method's evaluation."""
    return folder.samples_file(cell.evaluation(method))


def checked(
    answer_format: AnswerFormat, scores: Sequence[SampleScore], dataset: BenchmarkDataset
) -> fact_check.Counted | None:
    """Check the statements of chains of thought about drawn test pictures; None without any."""
    if answer_format.style == "answer_only" or not fact_check.has_facts(dataset):
        return None
    texts = ((score.id, score.reading.think) for score in scores)
    return fact_check.count_statements(texts, dataset, "test")


def cells(row: Row, metric: str) -> list[str]:
    """Return the cells of a row under its `headings`; empty for absent values."""
    score, win, parse = (row.report.metrics.get(name) for name in (metric, "win_rate", "parse_rate"))
    thinks = row.false_statements is not None
    shown = {
        "method": row.title,
        "score": _with_interval(score) if score else "",
        "win-rate against RISE": f"{win.value:.2f}" if win and row.title != row.report.reference else "",
        "parse rate": f"{parse.value:.2f}" if parse and row.method else "",
        "false statements per CoT": f"{row.false_statements:.2f} of {row.statements:.1f}" if thinks else "",
        "minutes": "" if row.minutes is None else f"{row.minutes:.1f}",
    }
    return [shown[name] for name in _columns(metric)]


def headings(metric: str) -> list[str]:
    """Return the headings of the table, the metric by its title and direction."""
    shown = all_metrics()[metric]
    return [f"{shown.title} {shown.arrow}" if name == "score" else name for name in _columns(metric)]


def _columns(metric: str) -> list[str]:
    """A metric without a score of a single picture has no win-rate."""
    pooled = all_metrics()[metric].sample is None
    return [name for name in COLUMNS if not pooled or name != "win-rate against RISE"]


def _with_interval(score: Interval) -> str:
    if score.low != score.low:
        return f"{score.value:.3f}"
    return f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}]"


def _reference(dataset: BenchmarkDataset, scores: Sequence[SampleScore] | None) -> Reference | None:
    """Return the opponent of win-rates: RISE, else the benchmark's own reference."""
    own = win_rate_reference(dataset)
    return Reference.of(METHODS[AGAINST].title, dataset.spec.kind, scores) if own and scores else own
