"""Tuning of learning rates and the split of steps, with the same number of trials for every method.

Trials train on training pictures of a seed outside studies and are scored by lmms-eval on validation
pictures, drawn like training pictures; test pictures are not drawn. The first best score wins.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, get_args

from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.splits import Shots
from rise_bench.errors import ConfigError
from rise_bench.evaluation.responses import read_responses, score_responses
from rise_bench.experiments.ablations import ABLATIONS
from rise_bench.experiments.cell import Cell, Setup
from rise_bench.experiments.comparison import samples_file
from rise_bench.experiments.job_folder import Job, JobFolder
from rise_bench.experiments.methods import METHODS, find_method, method_jobs
from rise_bench.experiments.study.budget import allot, allot_each, overrides
from rise_bench.experiments.study.registered import recorded_plan
from rise_bench.experiments.study.settings import (
    COT_TRAINING,
    USUAL_SHOTS,
    Budget,
    Setting,
    candidates,
    read_settings,
    setting_of,
    settings_at,
    tuned_name,
)
from rise_bench.experiments.study.study_plan import StudyPlan
from rise_bench.files.atomic import atomic_write_text
from rise_bench.files.json_text import json_text
from rise_bench.scoring.scores import aggregate

#: Seed of the trials' pictures; studies use 0, 1, …
TUNING_SEED = 1_000_003


@dataclass(frozen=True, slots=True)
class Tuning:
    """Settings of a tuning.

    Attributes:
        out: Folder of the study.
        benchmark: A drawn benchmark.
        shots: Numbers of shots, each with trials of its own.
        methods: Names of methods.
        steps: Optimiser steps of each trial; for the paper's budget, of each phase.
        train: Training pictures.
        validation: Validation pictures.
        base: Model that every method starts from; empty for the one that ships.
        budget: Equal steps, whose settings serve equal time too, or the paper's.
        setup: Settings of every training, and kind of the model.
    """

    out: Path
    benchmark: str = "moods"
    shots: tuple[str, ...] = (USUAL_SHOTS,)
    methods: tuple[str, ...] = tuple(METHODS)
    steps: int = 120
    train: int = 400
    validation: int = 200
    base: str = ""
    budget: Budget = "steps"
    setup: Setup = field(default_factory=Setup)

    @property
    def data(self) -> Path:
        """Folder of the dataset; its test rows are validation pictures."""
        return self.out / "data" / "validation" / self.benchmark

    @property
    def plan(self) -> StudyPlan:
        """Plan of the trials, whose test pictures are the validation pictures."""
        setup = self.setup
        given = (setup.scale, self.base, setup.settings)
        return StudyPlan(self.steps, self.train, self.validation, *given)

    @property
    def jobs_folder(self) -> JobFolder:
        """Records and logs."""
        return JobFolder(self.out / "jobs")

    def cell(self, method: str, trial: int, shots: str) -> Cell:
        """Return the cell of a trial; RISE-CoT is shared by all."""
        setting, chosen, paper = self.candidates(method)[trial], find_method(method), self.budget == "paper"
        where = f"{self.benchmark}/tune-{'paper-' if paper else ''}{shots}"
        steps = allot_each(chosen, self.steps) if paper else allot(chosen, setting, self.steps)
        given = overrides(setting, steps)
        place = (self.out / where, f"{where}/", f"-{trial}")
        return Cell(self.data, shots, TUNING_SEED, *place, self.base, given, self.setup)

    def candidates(self, method: str) -> tuple[Setting, ...]:
        """Return the settings of a method's trials."""
        return candidates(method, self.budget)

    def trials(self) -> list[tuple[str, str, int]]:
        """Return (number of shots, method, index of its setting) of every trial."""
        return [
            (shots, method, trial)
            for shots in self.shots
            for method in self.methods
            for trial in range(len(self.candidates(method)))
        ]

    def jobs(self) -> list[Job]:
        """Return all distinct jobs in order of their needs."""
        jobs: dict[str, Job] = {}
        for shots, method, trial in self.trials():
            jobs |= {job.name: job for job in method_jobs(self.cell(method, trial, shots), [method])}
        return list(jobs.values())


def refuse_after_runs(tuning: Tuning) -> None:
    """Refuse to choose settings of methods that ran without them, whose results would seem to be tuned.

    Raises:
        ConfigError: A study in the folder has trained such a method, or is recorded as one without trials.
    """
    for budget in ("paper",) if tuning.budget == "paper" else ("steps", "time"):
        plan = recorded_plan(tuning.out, f"{tuning.benchmark}/{budget}")
        if plan is not None and not plan.tuned:
            raise ConfigError(
                f"{tuning.out} holds a study of {tuning.benchmark}/{budget} without tuned settings; tune in "
                "another --out"
            )
    known = read_settings(tuning.out / "tuned.json", tuning.benchmark, tuning.budget)
    own = {shots: set(of_methods) for shots, of_methods in known.items()}
    for shots, method in dict.fromkeys((shots, method) for shots, method, _ in tuning.trials()):
        if method in own.get(shots, set()):
            continue
        others = [name for name in get_args(Shots) if method not in own.get(name, set())]
        for served in others if shots == USUAL_SHOTS else [shots]:
            if ran := _trained(tuning, method, served):
                raise ConfigError(
                    f"{ran} ran without the settings that --tune would choose. Tune in another --out."
                )


def _trained(tuning: Tuning, method: str, shots: str) -> Path | None:
    """Return the record, without its ending, of a run that was started with the settings of a method."""
    place = tuning.jobs_folder.path / tuning.benchmark / ("paper" if tuning.budget == "paper" else "")
    trained = [job for job, _ in find_method(method).phases if not job.startswith(COT_TRAINING)]
    names = (f"{shots}/seed-*/{job}{tag}.json" for job in trained for tag in ("", "-time"))
    return next((path.with_suffix("") for name in names for path in sorted(place.glob(name))), None)


def choose(tuning: Tuning, dataset: BenchmarkDataset) -> dict[str, dict[str, Any]]:
    """Score the trials, write the choice to OUT/tuned.json and return it by number of shots and method.

    Failed trials are not chosen; methods with only failed trials are left out.

    Raises:
        DataError: A trial's evaluation is incomplete.
        ConfigError: The choice would change settings that a run of a study was started with. These stay; the
            others are written.
    """
    path = tuning.out / "tuned.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    settings, kept = read_settings(path, tuning.benchmark, tuning.budget), list[str]()
    chosen = {shots: _best(tuning, dataset, shots) for shots in tuning.shots}
    for shots, of_methods in chosen.items():
        for method, choice in of_methods.items():
            of_shots = {**settings.get(shots, {}), method: Setting(**choice["chosen"])}
            if changed := _changed_runs(tuning, settings, {**settings, shots: of_shots}):
                kept += changed
                continue
            settings[shots] = of_shots
            known.setdefault(tuned_name(tuning.benchmark, tuning.budget, shots), {})[method] = choice
    atomic_write_text(path, json_text(known) + "\n")
    if kept:
        raise ConfigError(
            f"{path}: the trials would now change the settings of {'; of '.join(dict.fromkeys(kept))}. Go on "
            "without --tune, or tune in another --out; all other settings are written."
        )
    return chosen


def _changed_runs(
    tuning: Tuning, before: Mapping[str, Mapping[str, Setting]], after: Mapping[str, Mapping[str, Setting]]
) -> list[str]:
    """Return methods, each with a run, whose settings another choice would change."""
    changed = []
    for shots, name in product(get_args(Shots), (*METHODS, *ABLATIONS)):
        recorded, now = (setting_of(name, settings_at(shots, tuned)) for tuned in (before, after))
        if recorded not in (Setting(), now) and (ran := _trained(tuning, name, shots)):
            changed.append(f"{find_method(name).title} at {shots}, which {ran} has")
    return changed


def _best(tuning: Tuning, dataset: BenchmarkDataset, shots: str) -> dict[str, Any]:
    metric = dataset.spec.ranking
    chosen: dict[str, Any] = {}
    for method in tuning.methods:
        settings = tuning.candidates(method)
        cells = [tuning.cell(method, trial, shots) for trial in range(len(settings))]
        scores = [_score(tuning, dataset, cell, method) for cell in cells]
        scored = [(metric.cost(score), trial) for trial, score in enumerate(scores) if score is not None]
        if scored:
            chosen[method] = {
                "chosen": asdict(settings[min(scored)[1]]),
                "trials": [
                    {"setting": asdict(setting), metric.name: score}
                    for setting, score in zip(settings, scores, strict=True)
                ],
            }
    return chosen


def _score(tuning: Tuning, dataset: BenchmarkDataset, cell: Cell, method: str) -> float | None:
    evaluation = method_jobs(cell, [method])[-1]
    if not tuning.jobs_folder.is_done(evaluation):
        return None
    golds = dataset.golds("test")
    responses = read_responses(samples_file(cell, method, tuning.jobs_folder))
    scores = score_responses(responses, golds, dataset.sha256)
    return aggregate(dataset.spec, golds, scores, resamples=0).metrics[dataset.spec.metric].value
