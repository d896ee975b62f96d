"""Estimated duration of a study from measured steps, for models and machines that nobody knows beforehand."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rise_bench.experiments.cell import Cell
from rise_bench.experiments.commands import train
from rise_bench.experiments.job_folder import Job, JobFolder
from rise_bench.experiments.methods import method_jobs
from rise_bench.experiments.study.calibration import seconds_a_step
from rise_bench.experiments.study.cost import kind_of_job
from rise_bench.experiments.study.grid import Study

#: Steps of a measuring run; the first is slower, and left out.
_STEPS = 3

#: Stages whose steps stand for those of all: the closed loop, GRPO on answers, SFT.
_MEASURED = {"rise_cot": "grpo", "visual_rft": "grpo", "sft": "sft"}


@dataclass(frozen=True, slots=True)
class Estimate:
    """Estimate of what is left.

    Attributes:
        seconds: Seconds of the jobs that can be estimated, one after the other.
        unmeasured: Kinds of jobs that are left out, with the number of jobs.
    """

    seconds: float
    unmeasured: Mapping[str, int]


def measuring_jobs(study: Study) -> list[Job]:
    """Return short trainings with the study's model and settings, and the evaluation of its base model."""
    place = f"{study.benchmark}/measure"
    steps: dict[str, tuple[str, ...]] = {
        stage: (f"{section}.steps={_STEPS}",) for stage, section in _MEASURED.items()
    }
    cell = Cell(
        study.data(0),
        study.shots[-1],
        0,
        study.out / place,
        f"{place}/",
        base=study.base,
        overrides=steps,
        setup=study.setup,
    )
    base = method_jobs(study.cell("base", study.shots[0], 0), ["base"])
    return [*(train(cell, stage) for stage in _MEASURED), *base]


def estimate(study: Study) -> Estimate:
    """Estimate the remaining jobs from steps and jobs that were measured in the folder of the study."""
    jobs, folder = study.jobs(), study.jobs_folder
    known = [*jobs, *measuring_jobs(study)]
    rates, took = step_rates(known), _whole_jobs(known, folder)
    seconds, unmeasured = 0.0, defaultdict[str, int](int)
    for job in jobs:
        if folder.is_done(job):
            continue
        guess = _seconds(job, rates, took)
        if guess is None:
            unmeasured[kind_of_job(job)] += 1
        else:
            seconds += guess
    return Estimate(seconds, dict(unmeasured))


def step_rates(jobs: Iterable[Job]) -> dict[tuple[bool, str], float]:
    """Return the median seconds per step, by whether it is of the closed loop, and section."""
    measured: defaultdict[tuple[bool, str], list[float]] = defaultdict(list)
    for job in jobs:
        if job.arguments[0] != "train":
            continue
        for section in ("sft", "grpo"):
            if (rate := seconds_a_step(_run(job), section)) is not None:
                measured[_closes_loop(job), section].append(rate)
    return {key: median(values) for key, values in measured.items()}


def _whole_jobs(jobs: Sequence[Job], folder: JobFolder) -> dict[str, float]:
    """Return the median seconds of finished jobs that are not trainings, by kind."""
    took: defaultdict[str, list[float]] = defaultdict(list)
    for job in jobs:
        if job.arguments[0] != "train" and folder.is_done(job):
            took[kind_of_job(job)].append(folder.seconds(job.name))
    return {kind: median(values) for kind, values in took.items()}


def _seconds(job: Job, rates: Mapping[tuple[bool, str], float], took: Mapping[str, float]) -> float | None:
    if job.arguments[0] != "train":
        return took.get(kind_of_job(job))
    steps = dict(text.split(".steps=") for text in job.arguments if ".steps=" in text)
    parts = [(rates.get((_closes_loop(job), section)), int(count)) for section, count in steps.items()]
    known = [rate * count for rate, count in parts if rate is not None]
    return sum(known) if len(known) == len(parts) else None


def _closes_loop(job: Job) -> bool:
    return job.arguments[1] == "rise_cot"


def _run(job: Job) -> Path:
    (folder,) = (text.partition("=")[2] for text in job.arguments if text.startswith("run.output_dir="))
    return Path(folder)
