"""Run of a study or its trials: draw, run the remaining jobs, measure, write results and page."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rise_bench.catalog.extras import require_extra
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.experiments.dataset import draw
from rise_bench.experiments.job_folder import Job, JobFolder
from rise_bench.experiments.jobs import Launcher, Progress, run_jobs
from rise_bench.experiments.methods import find_method, method_jobs
from rise_bench.experiments.study.calibration import time_steps
from rise_bench.experiments.study.estimate import measuring_jobs
from rise_bench.experiments.study.grid import Study, trainings_of
from rise_bench.experiments.study.measure import Result, measure, measure_baselines
from rise_bench.experiments.study.page import judged_claims, write_page
from rise_bench.experiments.study.registered import registration_of, registration_record
from rise_bench.experiments.study.settings import scored_trials, trials_name
from rise_bench.experiments.study.setup import keep_identity, keep_plan, link_dataset, refuse_other_trials
from rise_bench.experiments.study.summary import read_results, summarise, write_results
from rise_bench.experiments.study.tuning import TUNING_SEED, Tuning, choose, refuse_after_runs
from rise_bench.files.atomic import atomic_write_text
from rise_bench.files.json_text import json_text
from rise_bench.files.locks import locked_file, locked_folder

#: Called after each picture with the number of pictures.
Drawing = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outcome of a study.

    Attributes:
        results: Results of this command.
        page: Page with all results of the folder.
        failed: Reasons of failed or missing jobs.
        removed: Results of the folder that were removed, as their runs no longer exist, each with the job.
    """

    results: list[Result]
    page: Path
    failed: list[str]
    removed: list[str]


def planned(study: Study, *, keep: bool = False) -> Study:
    """Return the study with the steps of its methods, measured at equal time and recorded with `keep`."""
    return replace(study, time_steps=time_steps(study, keep=keep)) if study.budget == "time" else study


def run_study(
    study: Study,
    *,
    at_once: int,
    drawing: Drawing,
    progress: Callable[[Progress], None],
    launcher: Launcher | None = None,
) -> Outcome:
    """Run the remaining jobs of a planned study, and write results, summary and page.

    A failed job stops only jobs that need it; a rerun tries it again.

    Args:
        study: Study of `planned`.
        at_once: Number of concurrent jobs; 0 only measures finished jobs.
        drawing: Called after each picture.
        progress: Called with each job's progress.
        launcher: Starts the jobs; as child processes by default.

    Raises:
        PrerequisiteError: An extra is missing, or the runs that equal time is measured on.
        ConfigError: The folder holds another study, or a study of another model or dataset.
        BusyError: Another process runs jobs in it.
    """
    datasets = prepare(study, drawing)
    for job in study.jobs():
        study.jobs_folder.is_done(job)  # an error where it is of another command
    if at_once:
        with locked_folder(study.jobs_folder.path, study.jobs_folder.path):  # no run is measured half done
            study = planned(study, keep=True)
        keep_plan(study.out, f"{study.benchmark}/{study.budget}", study.plan)
    failed = _run(study.jobs(), study.jobs_folder, at_once, progress, launcher)
    results = _measured(study, datasets)
    with locked_file(study.out / ".writing"):  # by another command in the same folder
        path = study.out / "results.jsonl"
        outdated = _outdated(study.jobs_folder, read_results(path)) if at_once else {}
        ordered = write_results(path, results, outdated)
        write_summaries(study.out, ordered)
        page = write_page(study.out, ordered, failed, study.methods)
        return Outcome(results, page, list(failed.values()), list(outdated.values()))


def write_summaries(out: Path, results: Sequence[Result]) -> None:
    """Write OUT/summary.json and, if the study was begun with registered claims, OUT/verdicts.json."""
    atomic_write_text(out / "summary.json", json_text(summarise(results)) + "\n")
    if registered := judged_claims(out, results):
        verdicts = registration_record(out) | {"claims": [asdict(claim) for claim in registered]}
        atomic_write_text(out / "verdicts.json", json_text(verdicts) + "\n")


def prepare(study: Study, drawing: Drawing) -> dict[int, BenchmarkDataset]:
    """Record what the study is of, compare its plan, and draw or link the dataset of each seed."""
    registration_of(study.out)  # an error before the jobs, not after
    refuse_other_trials(study.out, study.benchmark, study.budget, study.plan)
    if study.is_drawn:
        keep_identity(study.out, study.base)
        _refuse_other_plan(study)
        return {
            seed: draw(study.data(seed), train=study.train, test=study.test, seed=seed, progress=drawing)
            for seed in range(study.seeds)
        }
    dataset = link_dataset(study.data(0), study.dataset)
    keep_identity(study.out, study.base, dataset)
    _refuse_other_plan(study)
    return dict.fromkeys(range(study.seeds), dataset)


def _refuse_other_plan(study: Study) -> None:
    """Refuse another plan than the recorded one; equal time has that of the equal steps it is measured on."""
    for budget in ("steps", "time") if study.budget == "time" else (study.budget,):
        keep_plan(study.out, f"{study.benchmark}/{budget}", study.plan, keep=False)


def measure_steps(
    study: Study,
    *,
    at_once: int,
    drawing: Drawing,
    progress: Callable[[Progress], None],
    launcher: Launcher | None = None,
) -> list[str]:
    """Run the jobs that an estimate needs; return the failed ones. See `run_study`."""
    prepare(study, drawing)
    jobs, folder = measuring_jobs(study), study.jobs_folder
    return list(_run(jobs, folder, max(1, at_once), progress, launcher).values())


def run_tuning(
    tuning: Tuning, *, at_once: int, drawing: Drawing, progress: Callable[[Progress], None]
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Run the remaining trials; return the choice, also in OUT/tuned.json, and the failed jobs.

    Raises:
        PrerequisiteError: An extra is missing.
        ConfigError: The folder holds other trials, runs that were not tuned, or runs with other settings than
            the trials choose now.
    """
    refuse_after_runs(tuning)
    keep_identity(tuning.out, tuning.base)
    keep_plan(tuning.out, trials_name(tuning.benchmark, tuning.budget), tuning.plan)
    dataset = draw(
        tuning.data,
        train=tuning.train,
        test=tuning.validation,
        seed=TUNING_SEED,
        test_split="validation",
        progress=drawing,
    )
    failed = list(_run(tuning.jobs(), tuning.jobs_folder, at_once, progress).values())
    chosen = choose(tuning, dataset)
    for shots, method in dict.fromkeys((shots, method) for shots, method, _ in tuning.trials()):
        where = f"{find_method(method).title}, {shots}"
        if method not in chosen[shots]:
            failed.append(f"{where}: no trial has a score, nothing chosen")
        elif scored := scored_trials(chosen[shots][method]):
            failed.append(f"{where}: chosen by {scored} trials, as the others have no score")
    return chosen, failed


def jobs_by_place(jobs: Iterable[Job]) -> Counter[str]:
    """Count jobs by benchmark, shots and seed."""
    return Counter(job.name.rpartition("/")[0] for job in jobs)


def _run(
    jobs: Sequence[Job],
    folder: JobFolder,
    at_once: int,
    progress: Callable[[Progress], None],
    launcher: Launcher | None = None,
) -> dict[str, str]:
    """Run the remaining jobs; return why they failed by name, or with none at once what is left by place."""
    if not at_once:
        left = jobs_by_place(job for job in jobs if not folder.is_done(job))
        return {where: f"{where}: {count} not done yet" for where, count in left.items()}
    require_extra("train")
    require_extra("eval")
    failed: dict[str, str] = {}

    def told(state: Progress) -> None:
        progress(state)
        if state.finished:
            _remove_checkpoints(state.job)

    run_jobs(
        jobs,
        folder,
        at_once=at_once,
        progress=told,
        failed=lambda job, reason: failed.update({job.name: reason}),
        launcher=launcher,
    )
    return failed


def _remove_checkpoints(job: Job) -> None:
    """Remove the checkpoints of finished trainings, which would fill the disk."""
    for text in job.arguments:
        key, _, value = text.partition("=")
        if key == "run.output_dir":
            for checkpoint in Path(value).glob("*/checkpoint-*"):
                shutil.rmtree(checkpoint)


def _measured(study: Study, drawn: dict[int, BenchmarkDataset]) -> list[Result]:
    results = [r for seed, data in drawn.items() for r in measure_baselines(study.benchmark, data, seed)]
    for seed, shots, method in study.points():
        jobs = method_jobs(study.cell(method, shots, seed), [method])
        if all(study.jobs_folder.is_done(job) for job in jobs):
            results.append(measure(study, drawn[seed], seed, shots, method))
    return results


def _outdated(folder: JobFolder, results: Iterable[Result]) -> dict[tuple[str, str, str, int, str], str]:
    """Return results whose runs no longer exist by key, each with a job that was started again, not done.

    Results without records, as of a folder that was copied in part, are not outdated; nor are those whose
    evaluation alone is to be repeated.
    """
    unfinished, outdated = set(folder.unfinished()), dict[tuple[str, str, str, int, str], str]()
    for result in results:
        if job := next((name for name in trainings_of(*result.key) if name in unfinished), None):
            outdated[result.key] = (
                f"{'/'.join(map(str, result.key))}: its result is removed, as {job} was started again and is "
                "not done"
            )
    return outdated
