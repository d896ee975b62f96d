"""`rise-bench run`: the stages of a recipe, each done once, and the report on them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from rise_bench.cot.dataset import open_cots
from rise_bench.curation.own.changes import discard, find_changes, record, refuse_changes
from rise_bench.curation.own.plan import Plan
from rise_bench.curation.own.report import write_page
from rise_bench.curation.own.scores import write_scores
from rise_bench.errors import ConfigError
from rise_bench.experiments.jobs import Job, Progress, run_jobs
from rise_bench.files.locks import locked_folder


@dataclass(frozen=True, slots=True)
class StageState:
    """State of a stage: its commands, whether it is done, and for how long it ran."""

    stage: str
    commands: tuple[str, ...]
    done: bool
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the state as plain JSON values."""
        return asdict(self)


def run_recipe(
    plan: Plan,
    stage: str = "",
    *,
    repeat: bool = False,
    progress: Callable[[Progress], None] = lambda _: None,
) -> dict[str, Any]:
    """Run the stages that are not done yet; the last one writes scores and report.

    Args:
        plan: The recipe.
        stage: A stage to run alone; empty for all.
        repeat: Delete and repeat the stages that a changed recipe touches.
        progress: Called with each job's progress.

    Returns:
        What there is now: counts, scores, places.

    Raises:
        ConfigError: The recipe changed, or `stage` needs one that is not done.
        PrerequisiteError: A job failed.
    """
    chosen = plan.chosen(stage)
    if repeat:
        changes = find_changes(plan)
        _refuse_missing(plan, chosen, again=changes.stages)
        if "build" in changes.stages and not plan.pictures.is_dir():
            raise ConfigError(
                f"the dataset is to be built again ({changes.text}), and {plan.pictures} is not there. "
                "Put it back, or undo the change."
            )
        with locked_folder(plan.folder.path, plan.folder.path):
            discard(plan, changes)
    refuse_changes(plan)
    _refuse_missing(plan, chosen)
    record(plan)
    # The needs of a stage that runs alone were looked at above.
    jobs = [replace(job, needs=()) if stage else job for jobs in chosen.values() for job in jobs]
    run_jobs(jobs, plan.folder, at_once=1, progress=progress)
    if "report" in chosen and not _report_is_new(plan):
        write_page(plan, write_scores(plan))
    elif stage == "eval":
        write_scores(plan)
    return summary(plan)


def _refuse_missing(plan: Plan, chosen: Mapping[str, list[Job]], again: Collection[str] = ()) -> None:
    """Refuse a stage that needs others, unless these are done and not to be done `again`, or chosen too."""
    here = {job.name for jobs in chosen.values() for job in jobs}
    of = {job.name: stage for stage, jobs in plan.stages().items() for job in jobs}
    needed = {name for jobs in chosen.values() for job in jobs for name in job.needs} - here
    if "report" in chosen:
        needed |= of.keys() - here
    missing = [
        name
        for name in of
        if name in needed and (of[name] in again or plan.folder.done_seconds(name) is None)
    ]
    if missing:
        first = of[missing[0]]
        raise ConfigError(
            f"stage {next(iter(chosen))} needs {first}, which is not done. Run: rise-bench run {plan.file} "
            f"--stage {first}, or leave --stage out."
        )


def _report_is_new(plan: Plan) -> bool:
    """Whether the report was written after the last job ended."""
    records = [path.stat().st_mtime for path in plan.folder.path.glob("*.json")]
    return plan.page.is_file() and plan.page.stat().st_mtime >= max(records, default=0.0)


def states(plan: Plan) -> list[StageState]:
    """State of each stage, in order."""
    folder, shown = plan.folder, []
    for stage, jobs in plan.stages().items():
        commands = tuple(shlex.join(("rise-bench", *job.arguments)) for job in jobs)
        done = all(folder.done_seconds(job.name) is not None for job in jobs)
        if not jobs:
            done = _report_is_new(plan)
        shown.append(StageState(stage, commands, done, sum(folder.seconds(job.name) for job in jobs)))
    return shown


def summary(plan: Plan) -> dict[str, Any]:
    """Return the state of a run: finished stages, counts of chains of thought, scores, paths."""
    done = [state.stage for state in states(plan) if state.done]
    data: dict[str, Any] = {"out": str(plan.out), "done": done}
    if "collect" in done:
        rows = [row["reward"] for row in open_cots(plan.cots).rows(columns=["reward"])]
        high = sum(reward >= plan.recipe.collect.tau for reward in rows)
        data |= {"cots": str(plan.cots), "rows": len(rows), "verified": high}
    if "report" in done:
        data |= {"report": str(plan.page)}
    scores = {path.stem: path for path in plan.scores.glob("*.json")} if "eval" in done else {}
    if scores:
        data["scores"] = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in scores.items()}
    return data
