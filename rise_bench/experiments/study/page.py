"""study.md and its charts."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from rise_bench.experiments.ablations import ABLATIONS
from rise_bench.experiments.cell import Cell
from rise_bench.experiments.comparison import AGAINST, headings
from rise_bench.experiments.job_folder import JobFolder
from rise_bench.experiments.methods import METHODS, find_method, method_jobs
from rise_bench.experiments.study.measure import Result
from rise_bench.experiments.study.registered import (
    JudgedClaim,
    judge_registered,
    registration_of,
    registration_record,
    why_open,
)
from rise_bench.experiments.study.summary import Group, by_budget, over_shots
from rise_bench.experiments.study.tables import (
    against_table,
    claim_table,
    detail_table,
    methods_of,
    question_table,
    registered_table,
    score_table,
    settings_table,
    time_table,
)
from rise_bench.files.atomic import atomic_write_text
from rise_bench.rendering.markdown import Markdown
from rise_bench.rendering.render import render
from rise_bench.rendering.strip_chart import strip_chart

_BUDGETS = {
    "steps": "equal optimiser steps",
    "time": "equal time, by the measured seconds per step",
    "paper": "as many steps for each phase, as the paper counts",
}


def write_page(
    out: Path,
    results: Sequence[Result],
    failed: Mapping[str, str] | None = None,
    methods: Collection[str] = (),
) -> Path:
    """Write OUT/study.md and charts for each benchmark and budget; return the page.

    Args:
        out: Folder of the study.
        results: All results of the folder.
        failed: Why jobs failed now, or how many are left, by name or place.
        methods: Methods that are run now.
    """
    registered = judged_claims(out, results)
    parts = [_part(out, groups, _baselines(results, groups[0].benchmark)) for groups in by_budget(results)]
    jobs = JobFolder(out / "jobs")
    seconds = jobs.all_seconds()
    page = render(
        "study.md.j2",
        registered=registered_table(registered),
        registration=registration_record(out),
        parts=parts,
        time=time_table(seconds) if seconds else None,
        code=jobs.all_code().most_common(),
        missing=_missing(jobs, {*methods, *(result.method for result in results)}, failed or {}),
    )
    atomic_write_text(out / "study.md", page)
    return out / "study.md"


def _missing(jobs: JobFolder, methods: Collection[str], failed: Mapping[str, str]) -> dict[str, str]:
    """Return why jobs of the folder that were started are not done, and which of the methods need each."""
    unfinished = {
        name: f"{name} is not finished; its log: {jobs.path.name}/{name}.log."
        for name in jobs.unfinished()
        if "/measure/" not in name
    }
    cell, needed_by = Cell(Path("moods"), "full", 0, Path()), dict[str, list[str]]()
    for method in (name for name in (*METHODS, *ABLATIONS) if name in methods):
        for job in method_jobs(cell, [method]):
            needed_by.setdefault(job.name, []).append(find_method(method).title)
    return {
        line: "; ".join(needed_by.get(name.rpartition("/")[2].removesuffix("-time"), ()))
        for name, line in {**unfinished, **failed}.items()
    }


def judged_claims(out: Path, results: Sequence[Result]) -> list[JudgedClaim]:
    """Return the verdict on each claim of the list that the study was begun with; empty without a list."""
    registration = registration_of(out)
    if registration is None:
        return []
    compared = [group for groups in by_budget(results) for group in (*groups, *over_shots(groups))]
    return judge_registered(registration, compared, partial(why_open, out, registration))


def _part(out: Path, groups: Sequence[Group], baselines: Mapping[str, float]) -> dict[str, Any]:
    """Write the charts of a benchmark and budget, and return the variables of the template."""
    charts, compared = _charts(groups, baselines), [*groups, *over_shots(groups)]
    for name, chart in charts.items():
        atomic_write_text(out / name, chart)
    return {
        "title": f"{groups[0].benchmark}, {_BUDGETS[groups[0].budget]}",
        "charts": [Markdown(name) for name in charts],
        "metric": headings(groups[0].metric)[1],
        "baselines": baselines,
        "scores": score_table(compared),
        "claims": claim_table(compared),
        "questions": question_table(compared),
        "against": against_table(compared),
        "details": {group.shots: detail_table(group) for group in compared},
        "settings": settings_table(out / "tuned.json", groups),
    }


def _baselines(results: Sequence[Result], benchmark: str) -> dict[str, float]:
    by_name: dict[str, list[float]] = {}
    for result in results:
        if result.benchmark == benchmark and result.method.startswith("floor:"):
            by_name.setdefault(result.method.removeprefix("floor:"), []).extend(result.numbers.values())
    return {name: fmean(values) for name, values in sorted(by_name.items())}


def _charts(groups: Sequence[Group], baselines: Mapping[str, float]) -> dict[str, str]:
    """Return charts by file name: of the methods and, if any, of RISE and its ablations."""
    first, present = groups[0], methods_of(groups)
    near = {name: value for name, value in baselines.items() if name in ("train_mean", "mean_box")}
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
            for group in groups
        }
        title = f"{first.benchmark}, {_BUDGETS[first.budget]}"
        ours = find_method(AGAINST).title
        chart = strip_chart(title, headings(first.metric)[1], panels, ours=ours, baselines=near)
        charts[f"study-{first.benchmark}-{first.budget}{suffix}.svg"] = chart
    return charts
