"""Grid of a study: cells, jobs and folders.

    OUT/data/seed-0/moods                  pictures of a seed, for all methods and budgets
    OUT/data/emotion6                      link to a dataset that is not drawn, the same for all seeds
    OUT/moods/16-shot/seed-0/runs, eval    trainings and evaluations of a cell
    OUT/jobs/moods/16-shot/seed-0/         records and logs
    OUT/moods/paper/16-shot/seed-0         the same, with the paper's budget

The base model is scored once per seed. Methods trained at equal time have the tag `-time`, except RISE, which
sets the time and is the same at equal steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from rise_bench.annotations.base import SimilarityVariant
from rise_bench.annotations.kinds import KINDS
from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.experiments.ablations import ABLATIONS
from rise_bench.experiments.cell import Cell, Setup
from rise_bench.experiments.comparison import AGAINST
from rise_bench.experiments.job_folder import Job, JobFolder
from rise_bench.experiments.methods import METHODS, find_method, method_jobs
from rise_bench.experiments.study.budget import Steps, allot, allot_each, has_equal_steps, overrides
from rise_bench.experiments.study.settings import Budget, Setting, setting_of, settings_at
from rise_bench.experiments.study.study_plan import StudyPlan


@dataclass(frozen=True, slots=True)
class Study:
    """Settings of a study.

    Attributes:
        out: Folder for everything.
        benchmark: Name of the benchmark.
        shots: Numbers of shots.
        seeds: Seeds 0, 1, … of pictures and training.
        methods: Names of methods and ablations.
        budget: Equal optimiser steps, equal seconds, or as many steps for each phase (the paper).
        steps: Optimiser steps of each method; at equal time, those of RISE; for the paper, of each phase.
        train: Training pictures of a drawn benchmark.
        test: Test pictures of a drawn benchmark.
        tuned: Settings by number of shots and method, see `setting`.
        time_steps: Steps of the policy at equal time, by shots and method.
        base: Model that every method starts from; empty for the one that ships.
        setup: Scale, and kind of the model.
        dataset: Dataset of a benchmark that is not of the catalogue, or that is given by its folder.
    """

    out: Path
    benchmark: str = "moods"
    shots: tuple[str, ...] = ("4-shot", "16-shot", "full")
    seeds: int = 5
    methods: tuple[str, ...] = tuple(METHODS)
    budget: Budget = "steps"
    steps: int = 120
    train: int = 400
    test: int = 200
    tuned: Mapping[str, Mapping[str, Setting]] = field(default_factory=dict)
    time_steps: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    base: str = ""
    setup: Setup = field(default_factory=Setup)
    dataset: BenchmarkDataset | None = None

    @property
    def spec(self) -> BenchmarkSpec:
        """Specification of the benchmark."""
        return self.dataset.spec if self.dataset else get_benchmark(self.benchmark)

    @property
    def is_drawn(self) -> bool:
        """Whether the benchmark is drawn, each seed with its own pictures."""
        return self.dataset is None and not self.spec.source_url

    @property
    def plan(self) -> StudyPlan:
        """Plan of this benchmark and budget, for registered claims."""
        setup = self.setup
        given = (setup.scale, self.base, setup.settings, bool(self.tuned))
        return StudyPlan(self.steps, self.train, self.test, *given)

    @property
    def jobs_folder(self) -> JobFolder:
        """Records and logs."""
        return JobFolder(self.out / "jobs")

    def data(self, seed: int) -> Path:
        """Return the folder of the dataset of a seed."""
        of_seed = f"seed-{seed}" if self.is_drawn else ""
        return self.out / "data" / of_seed / self.benchmark

    def setting(self, method: str, shots: str) -> Setting:
        """Return the tuned setting of a method, or the recipe's rates and half of the steps per phase."""
        return setting_of(method, settings_at(shots, self.tuned))

    def steps_of(self, method: str, shots: str) -> Steps:
        """Return the steps of each phase of a method."""
        if self.budget == "paper":
            return allot_each(find_method(method), self.steps)
        policy = self.time_steps.get(shots, {}).get(method) if self.budget == "time" else None
        return allot(find_method(method), self.setting(method, shots), self.steps, policy)

    def cell(self, method: str, shots: str, seed: int) -> Cell:
        """Return the cell of a method, with its settings."""
        where, tag = _place(self.benchmark, self.budget, shots, seed, method)
        return Cell(
            self.data(seed),
            shots if find_method(method).phases else "full",
            seed,
            self.out / where,
            f"{where}/",
            tag,
            self.base,
            overrides(self.setting(method, shots), self.steps_of(method, shots)),
            self.setup,
        )

    def points(self) -> list[tuple[int, str, str]]:
        """Return (seed, shots, method) of every result, seed by seed: early stops leave whole seeds."""
        return [(seed, shots, m) for seed in range(self.seeds) for shots in self.shots for m in self.methods]

    def jobs(self) -> list[Job]:
        """Return all distinct jobs in order of their needs."""
        jobs: dict[str, Job] = {}
        for seed, shots, method in self.points():
            jobs |= {job.name: job for job in method_jobs(self.cell(method, shots, seed), [method])}
        return list(jobs.values())


def trainings_of(benchmark: str, budget: str, shots: str, seed: int, method: str) -> list[str]:
    """Return the names of the jobs of a result before its evaluation; of a baseline there are none."""
    if method not in METHODS | ABLATIONS:
        return []
    where, tag = _place(benchmark, budget, shots, seed, method)
    cell = Cell(Path(benchmark), shots, seed, Path(where), f"{where}/", tag)
    return [job.name for job in find_method(method).trainings(cell)]


def _place(benchmark: str, budget: str, shots: str, seed: int, method: str) -> tuple[str, str]:
    """Return the folder of a cell in OUT, and the tag of its jobs."""
    trained = bool(find_method(method).phases)
    of_budget = "paper/" if budget == "paper" and trained else ""
    where = f"{benchmark}/{of_budget}{shots if trained else 'base'}/seed-{seed}"
    return where, "-time" if budget == "time" and trained and method != AGAINST else ""


def methods_for(*, drawn: bool) -> tuple[str, ...]:
    """Return the methods of a benchmark: those whose chains of thought are drawn need a drawn one."""
    if drawn:
        return tuple(METHODS)
    return tuple(name for name in METHODS if not needs_drawn(name))


def needs_drawn(name: str) -> bool:
    """Whether the chains of thought of a method are drawn, so that it needs a drawn benchmark."""
    jobs = find_method(name).trainings(Cell(Path("photos"), "full", 0, Path()))
    return any(job.arguments[0] == "drawn-cots" for job in jobs)


def ablations_for(kind: str, budget: Budget = "steps", *, drawn: bool = True) -> tuple[str, ...]:
    """Return the ablations of a kind of annotation, which decides the similarity variants, and of a budget.

    The paper's budget counts the steps of no phase against another's, so that `rise_uncounted` is `rise`.
    With the others every method has as many steps, and those with more are left out.
    """
    useless = set(get_args(SimilarityVariant)) - set(KINDS[kind].variants)
    return tuple(
        name
        for name, method in ABLATIONS.items()
        if name.rpartition("_")[2] not in useless
        and (method.teacher_counts if budget == "paper" else has_equal_steps(method))
        and (drawn or not needs_drawn(name))
    )
