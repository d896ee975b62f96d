"""The report of a run on own data: one HTML file without script, to be opened from disk."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rise_bench import __version__
from rise_bench.annotations.answer_format import DEFAULT_FORMAT, AnswerFormat
from rise_bench.annotations.kinds import KINDS
from rise_bench.cot.dataset import open_cots
from rise_bench.cot.rollout_log import Rollout
from rise_bench.curation.own.plan import TRAINED, Plan
from rise_bench.curation.own.scores import ScoredModel
from rise_bench.data.dataset import BenchmarkDataset, open_dataset
from rise_bench.files.atomic import atomic_write_text
from rise_bench.prompts.asked_format import box_unit_of
from rise_bench.rendering.downloads import csv_address
from rise_bench.rendering.histogram import histogram_figure
from rise_bench.rendering.render import render
from rise_bench.reports.cot_figures import answer_rollout, cot_rollouts, training_curves
from rise_bench.reports.rollout_cards import cards
from rise_bench.reports.run_report import write_report
from rise_bench.scoring.bootstrap import Interval

_SHOWN_COTS = 4
_SHOWN_TESTS = 3
_TITLES = {TRAINED: "RISE", "untrained": "before training"}


def write_page(plan: Plan, models: Sequence[ScoredModel]) -> None:
    """Write the report of a run whose stages are done, and one of each training."""
    dataset = open_dataset(plan.dataset)
    for stage in plan.recipe.trainings:
        write_report(plan.run(stage))
    thinking = {"RISE": plan.run("rise_r1")} if plan.recipe.rise_r1 is not None else {}
    scores = _table(dataset, models)
    page = render(
        "own_report.html.j2",
        title=f"RISE on {dataset.spec.name}",
        facts=_facts(plan, dataset),
        scores=scores,
        downloads={"scores.csv": csv_address(_cells(scores))} if scores else {},
        curves=training_curves(plan.run("rise_cot") if plan.recipe.rise_cot is not None else None, thinking),
        reports={stage: _relative(plan, plan.run(stage) / "report.html") for stage in plan.recipe.trainings},
        cots=_chains_of_thought(plan, dataset),
        answers=_answers(dataset, models),
        recipe=plan.file.read_text(encoding="utf-8"),
    )
    atomic_write_text(plan.page, page)


def _facts(plan: Plan, dataset: BenchmarkDataset) -> dict[str, str]:
    recipe, counts = plan.recipe, dataset.manifest.counts
    writer = recipe.endpoint.model if recipe.endpoint else "RISE-CoT, trained here"
    facts = {
        "Written": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "Version": f"rise-bench {__version__}",
        "Data": KINDS[dataset.spec.kind].describe(dataset.spec.classes or dataset.manifest.categories),
        "Rows": ", ".join(f"{rows} {split}" for split, rows in counts.items()),
        "Duration": f"{sum(plan.folder.all_seconds().values()) / 60:.1f} min of all stages",
        "Chains of thought by": writer,
    }
    if recipe.trainings:
        stage = next(reversed(recipe.trainings))
        facts["Model"] = recipe.training_config(stage, str(plan.file)).model.name
    return facts


def _cells(scores: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the rows of the table as heading -> cell."""
    headings = ("model", *scores["headings"][1:])
    return [dict(zip(headings, (title, *cells), strict=True)) for _, title, cells in scores["rows"]]


def _table(dataset: BenchmarkDataset, models: Sequence[ScoredModel]) -> dict[str, Any] | None:
    """Scores of the models and of the baselines, the ranking metric first."""
    if not models:
        return None
    spec = dataset.spec
    known = {metric.name: metric for metric in KINDS[spec.kind].metrics}
    names = [spec.metric, *(name for name in known if name != spec.metric)]
    reports = {_TITLES[model.name]: model.run.report for model in models}
    baselines = {f"baseline: {name}": report for name, report in models[0].run.baselines.items()}
    return {
        "pictures": models[0].run.report.samples,
        "headings": ["", *(f"{known[name].title} {known[name].arrow}" for name in names)],
        "rows": [
            ("best" if title == _TITLES[TRAINED] else "" if title in reports else "baseline", title, cells)
            for title, report in (reports | baselines).items()
            for cells in [[_cell(report.metrics.get(name)) for name in names]]
        ],
    }


def _cell(value: Interval | None) -> str:
    if value is None:
        return ""
    return f"{value.value:.3f}" + (f" [{value.low:.3f}, {value.high:.3f}]" if value.low == value.low else "")


def _chains_of_thought(plan: Plan, dataset: BenchmarkDataset) -> dict[str, Any]:
    cots, tau = open_cots(plan.cots), plan.recipe.collect.tau
    split = "train" if "train" in cots.manifest.counts else "test"
    rollouts = cot_rollouts(cots, split)
    answer_format = _format(plan)

    def show(shown: Sequence[Rollout]) -> str:
        return cards([(f"from step {r.step}", r) for r in shown], dataset, answer_format, split=split)

    half = min(_SHOWN_COTS, len(rollouts) // 2 or 1)
    return {
        "histogram": histogram_figure([rollout.reward for rollout in rollouts], tau),
        "tau": tau,
        "rows": len(rollouts),
        "verified": sum(rollout.reward >= tau for rollout in rollouts),
        "best": show(rollouts[:half]),
        "worst": show(rollouts[half:][-_SHOWN_COTS:]),
        "folder": _relative(plan, plan.cots),
    }


def _format(plan: Plan) -> AnswerFormat:
    """Return the format of answers of the model that wrote the chains of thought."""
    if plan.recipe.endpoint is not None:
        return replace(DEFAULT_FORMAT, unit=box_unit_of(plan.recipe.endpoint.model))
    return plan.recipe.training_config("rise_cot", str(plan.file)).model.answer_format


def _answers(dataset: BenchmarkDataset, models: Sequence[ScoredModel]) -> str:
    """Test pictures that the trained model answers best and worst."""
    trained = next((model for model in models if model.name == TRAINED), None)
    if trained is None:
        return ""
    answer_format = trained.responses.answer_format
    golds = dataset.golds("test")
    rollouts = [answer_rollout(gold, trained.responses.texts[gold.id], answer_format) for gold in golds]
    rollouts.sort(key=lambda rollout: (-rollout.reward, rollout.id))
    shown = rollouts
    if len(rollouts) > 2 * _SHOWN_TESTS:
        shown = rollouts[:_SHOWN_TESTS] + rollouts[-_SHOWN_TESTS:]
    return cards([(_TITLES[TRAINED], rollout) for rollout in shown], dataset, answer_format, split="test")


def _relative(plan: Plan, path: Path) -> str:
    return Path(os.path.relpath(path, plan.page.parent)).as_posix()
