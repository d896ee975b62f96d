"""Tables that commands print: metrics with intervals, baselines, and an arrow for the direction."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from rise_bench.annotations.kinds import KINDS, all_metrics
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.evaluation.score_run import ScoredRun
from rise_bench.files.json_text import json_text
from rise_bench.scoring.bootstrap import Interval
from rise_bench.scoring.scores import Report


def print_json(value: Any) -> None:
    """Print JSON for machines on standard output."""
    typer.echo(json_text(value))


def print_run(run: ScoredRun, *, name: str = "model") -> None:
    """Print the metrics of a run with 95% intervals, and the baselines."""
    print_reports(
        f"{run.spec.name}: {run.report.samples} samples, dataset {run.dataset_sha256[:12]}",
        {name: run.report},
        run.baselines,
        run.spec.metric,
    )
    unread = {reason: number for reason, number in run.report.reasons.items() if reason != "ok"}
    if unread:
        counted = ", ".join(f"{number} {reason}" for reason, number in sorted(unread.items()))
        _console().print(f"Unreadable responses, scored zero: {counted}.", highlight=False)
    _print_note(run.report, run.baselines, run.spec)


def print_baselines(title: str, baselines: Mapping[str, Report], spec: BenchmarkSpec) -> None:
    """Print the baselines with intervals."""
    print_reports(title, baselines, {}, spec.metric)
    _print_note(next(iter(baselines.values())), baselines, spec)


def print_reports(
    title: str, runs: Mapping[str, Report], baselines: Mapping[str, Report], ranking_metric: str
) -> None:
    """Print one row per metric, the ranking metric first, in bold; baselines have no intervals."""
    table = Table(title=title, title_justify="left")
    table.add_column("metric")
    for run in runs:
        table.add_column(run, justify="right")
    for baseline in baselines:
        table.add_column(baseline, justify="right", style="dim")
    metrics, names = all_metrics(), next(iter(runs.values())).metrics
    for metric in sorted(names, key=lambda name: name != ranking_metric):
        cells = [_with_interval(report.metrics[metric]) for report in runs.values()]
        cells += [f"{report.metrics[metric].value:.4f}" for report in baselines.values()]
        style = "bold" if metric == ranking_metric else None
        table.add_row(f"{metric} {metrics[metric].arrow}", *cells, style=style)
    _console().print(table)


def print_rows(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of text; the first column is the name."""
    table = Table(title=title, title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    _console().print(table)


def _with_interval(number: Interval) -> str:
    if number.low != number.low:
        return f"{number.value:.4f}"
    return f"{number.value:.4f} [{number.low:.4f}, {number.high:.4f}]"


def _print_note(report: Report, baselines: Mapping[str, Report], spec: BenchmarkSpec) -> None:
    absent = [name for name in KINDS[spec.kind].fitted if name not in baselines]
    if absent:
        _console().print(f"Not shown: {', '.join(absent)}; they need a train split, and there is none.")
    if report.reference:
        against = f"the per-sample {KINDS[spec.kind].metrics[0].title} of {report.reference}"
        _console().print(f"Win-rate is against {against}.", highlight=False)


def _console() -> Console:
    """Return standard output, wide enough for a table if it is not a terminal."""
    return Console(width=None if sys.stdout.isatty() else 160, markup=False)
