"""study.md and its charts."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from rise_bench.experiments.ablations import ABLATIONS
from rise_bench.experiments.comparison import AGAINST, headings
from rise_bench.experiments.jobs import JobFolder
from rise_bench.experiments.methods import METHODS, find_method
from rise_bench.experiments.study.measure import Result
from rise_bench.experiments.study.summary import Group, by_budget, over_shots
from rise_bench.experiments.study.tables import (
    against_table,
    claim_table,
    detail_table,
    methods_of,
    question_table,
    score_table,
    settings_table,
    time_table,
)
from rise_bench.files.atomic import atomic_write_text
from rise_bench.rendering.strip_chart import strip_chart

_RULE = """How to read it. Numbers are means over seeds, ± their standard deviation, (n) how many seeds. A
seed draws other training and test pictures and starts training elsewhere; "mean" is its mean over the
numbers of shots, which share its test pictures. Tests are paired over seeds: t-test, two-sided; beside each
p stands the one that Holm's method gives for all rows of the table. A claim is reproduced if its better
method is better and p < 0.05, not reproduced if it is worse and p < 0.05, else undecided, as with fewer
than three seeds; that p is not corrected. What was set before the runs and what was added later:
docs/study.md."""

_BUDGETS = {"steps": "equal optimiser steps", "time": "equal time, by the seconds a step that were measured"}


def write_page(out: Path, results: Sequence[Result], failed: Iterable[str] = ()) -> Path:
    """Write OUT/study.md and charts for each benchmark and budget; return the page."""
    parts = ["# Study", _RULE]
    for some in by_budget(results):
        benchmark, budget = some[0].benchmark, some[0].budget
        floors = _floors(results, benchmark)
        parts += [f"## {benchmark}, {_BUDGETS[budget]}"]
        for name, chart in _charts(some, floors).items():
            atomic_write_text(out / name, chart)
            parts += [f"![one dot a seed]({name})"]
        parts += [*_sections(some, floors), "### Settings", settings_table(out / "tuned.json", some).markdown]
    if took := JobFolder(out / "jobs").all_seconds():
        parts += ["## Time", time_table(took).markdown]
    if lost := list(failed):
        parts += ["## Missing", "\n".join(f"- {name}" for name in lost)]
    atomic_write_text(out / "study.md", "\n\n".join(parts) + "\n")
    return out / "study.md"


def _sections(some: Sequence[Group], floors: Mapping[str, float]) -> list[str]:
    metric = some[0].metric
    named = ", ".join(f"{name} {value:.3f}" for name, value in floors.items())
    compared = [*some, *over_shots(some)]
    parts = [
        f"### {headings(metric)[1]}",
        score_table(compared).markdown,
        f"Constant answers, mean over seeds: {named}." if floors else "",
        "### Claims of the paper",
        claim_table(compared).markdown,
        "### Questions of this project",
        question_table(compared).markdown,
        "### RISE against each",
        against_table(compared).markdown,
    ]
    for group in compared:
        parts += [f"### Everything measured, {group.shots}", detail_table(group).markdown]
    return [part for part in parts if part]


def _floors(results: Sequence[Result], benchmark: str) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for result in results:
        if result.benchmark == benchmark and result.method.startswith("floor:"):
            found.setdefault(result.method.removeprefix("floor:"), []).extend(result.numbers.values())
    return {name: fmean(values) for name, values in sorted(found.items())}


def _charts(some: Sequence[Group], floors: Mapping[str, float]) -> dict[str, str]:
    """Return by file name a chart of the methods and, where there are any, one of RISE and its ablations."""
    first, present = some[0], methods_of(some)
    near = {name: value for name, value in floors.items() if name in ("train_mean", "mean_box")}
    rows = {
        "": [name for name in present if name in METHODS],
        "-ablations": [name for name in present if name in (AGAINST, *ABLATIONS)],
    }
    charts = {}
    for suffix, names in rows.items():
        if not names or (suffix and names == [AGAINST]):
            continue
        panels = {
            group.shots: {find_method(name).title: group.values(name, group.metric) for name in names}
            for group in some
        }
        title = f"{first.benchmark}, {_BUDGETS[first.budget]}"
        ours = find_method(AGAINST).title
        chart = strip_chart(title, headings(first.metric)[1], panels, ours=ours, floors=near)
        charts[f"study-{first.benchmark}-{first.budget}{suffix}.svg"] = chart
    return charts
