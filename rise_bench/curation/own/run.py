"""`rise-bench run`: the stages of a recipe, each done once, and the report on them."""

from __future__ import annotations

import contextlib
import itertools
import json
import shlex
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from rise_bench.cot.dataset import open_cots
from rise_bench.cot.low_rewards import count_low
from rise_bench.curation.own.changes import (
    discard,
    find_changes,
    recipe_file,
    record,
    refuse_changes,
    refuse_foreign,
    restore_answers,
)
from rise_bench.curation.own.plan import Plan
from rise_bench.curation.own.report import write_page
from rise_bench.curation.own.scores import write_scores
from rise_bench.data.manifest import MANIFEST_NAME, read_manifest
from rise_bench.data.replacing import refuse_decided, refuse_to_replace
from rise_bench.errors import ConfigError, DataError
from rise_bench.experiments.job_folder import Job
from rise_bench.experiments.jobs import Progress, run_jobs
from rise_bench.files.locks import locked_folder


@dataclass(frozen=True, slots=True)
class StageState:
    """State of a stage: commands, whether it is done, how long it ran, why it has to be repeated."""

    stage: str
    commands: tuple[str, ...]
    done: bool
    seconds: float
    to_repeat: str = ""

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
    # What was looked at above may be another process's by now.
    with locked_folder(plan.folder.path, plan.folder.path):
        if repeat:
            discard(plan, find_changes(plan))
        refuse_changes(plan)
        _refuse_missing(plan, chosen)
        if "build" in chosen:
            _make_room(plan)
        record(plan)
    # The needs of a stage that runs alone were looked at above.
    jobs = [replace(job, needs=()) if stage else job for jobs in chosen.values() for job in jobs]
    if plan.kept_answers.exists():
        first = [job for job in jobs if job.name == "build"]
        run_jobs(first, plan.folder, at_once=1, progress=progress)
        jobs = [replace(job, needs=tuple({*job.needs} - {"build"})) for job in jobs if job not in first]
        if plan.folder.done_seconds("build") is not None:
            restore_answers(plan)
    run_jobs(jobs, plan.folder, at_once=1, progress=progress)
    if "build" in chosen:
        _remove_copies(plan)
    if "report" in chosen and (stage or not _report_is_new(plan)):
        write_page(plan, write_scores(plan))
    elif stage == "eval":
        write_scores(plan)
    return summary(plan)


def _make_room(plan: Plan) -> None:
    """Put the dataset of a build that was killed at its end aside; refuse whatever else is in its place."""
    folder = plan.dataset
    if plan.folder.done_seconds("build") is not None:
        return
    refuse_foreign(plan)
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not plan.folder.is_known("build"):
        raise ConfigError(
            f"{folder} is there already; move it elsewhere, or give another `out` in {plan.file}"
        )
    refuse_decided(folder)
    asides = (folder.with_name(f".{folder.name}.before-{number}") for number in itertools.count(1))
    folder.rename(next(aside for aside in asides if not aside.exists()))


def _remove_copies(plan: Plan) -> None:
    """Delete what a killed build has left beside the dataset, if that is the same and nothing else."""
    for aside in plan.dataset.parent.glob(f".{plan.dataset.name}.before-*"):
        with contextlib.suppress(ConfigError, DataError):
            refuse_to_replace(aside)
            if read_manifest(aside).content_sha256 == read_manifest(plan.dataset).content_sha256:
                if aside.is_symlink():
                    aside.unlink()
                else:
                    shutil.rmtree(aside)


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
    """Whether the report is newer than the recipe, the end of the last job, and what it shows."""
    shown = [folder / MANIFEST_NAME for folder in (plan.dataset, plan.cots)]
    files = [*plan.folder.path.glob("*.json"), recipe_file(plan), *shown]
    records = [path.stat().st_mtime for path in files if path.exists()]
    return plan.page.is_file() and plan.page.stat().st_mtime >= max(records, default=0.0)


def states(plan: Plan, stage: str = "") -> list[StageState]:
    """State of a stage, or of each in order."""
    folder, shown, changes = plan.folder, [], find_changes(plan)
    for name, jobs in plan.chosen(stage).items():
        commands = tuple(shlex.join(("rise-bench", *job.arguments)) for job in jobs)
        done = all(folder.done_seconds(job.name) is not None for job in jobs)
        again = name in changes.stages
        if not jobs:
            commands = (shlex.join(("rise-bench", "run", str(plan.file), "--stage", name)),)
            done, again = _report_is_new(plan), bool(changes.stages) and plan.page.is_file()
        why = changes.text if again else ""
        seconds = sum(folder.seconds(job.name) for job in jobs)
        shown.append(StageState(name, commands, done, seconds, why))
    return shown


def summary(plan: Plan) -> dict[str, Any]:
    """Return the state of a run: finished stages, counts of chains of thought, scores, paths."""
    done = [state.stage for state in states(plan) if state.done]
    data: dict[str, Any] = {"out": str(plan.out), "done": done}
    if "collect" in done:
        rows = [row["reward"] for row in open_cots(plan.cots).rows(columns=["reward"])]
        high = sum(reward >= plan.recipe.collect.tau for reward in rows)
        data |= {"cots": str(plan.cots), "rows": len(rows), "verified": high}
        data["low_because"] = count_low(plan.cots)
    if "report" in done:
        data |= {"report": str(plan.page)}
    models = [job.name.removeprefix("eval_") for job in plan.stages().get("eval", ())]
    scores = {name: plan.scores / f"{name}.json" for name in models if "eval" in done}
    scores = {name: path for name, path in scores.items() if path.is_file()}
    if scores:
        data["scores"] = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in scores.items()}
    return data
