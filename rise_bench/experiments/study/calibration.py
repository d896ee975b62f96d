"""Equal time: the steps of each method in the seconds of RISE.

Seconds per step are measured once on the runs of equal steps and kept in OUT/calibration.json, so that a
rerun has the same steps. The seconds of a method are those of its training steps and sampling jobs, without
the start of trainings.
"""

import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median

from rise_bench.errors import PrerequisiteError
from rise_bench.experiments.cell import Cell
from rise_bench.experiments.comparison import AGAINST
from rise_bench.experiments.methods import find_method
from rise_bench.experiments.study.grid import Study
from rise_bench.experiments.study.settings import policy_sections
from rise_bench.files.atomic import atomic_write_text
from rise_bench.files.json_text import json_text
from rise_bench.reports.run_report import read_metrics

#: Phase ("rise_r1.sft") -> seconds per step; sampling job ("collect") -> seconds.
Rates = dict[str, float]


def time_steps(study: Study, *, keep: bool = True) -> dict[str, dict[str, int]]:
    """Return the policy's steps at equal time, by shots and method, from OUT/calibration.json or measured.

    Args:
        study: The study, with the budget `steps` or `time`.
        keep: Record the measurement, which no later run of equal steps changes.

    Raises:
        PrerequisiteError: A run of equal steps is missing or, with `keep`, still to be ended; or RISE-CoT
            takes longer than RISE.
    """
    path = study.out / "calibration.json"
    known: dict[str, dict[str, Rates]] = json.loads(path.read_text()) if path.is_file() else {}
    rates = known.setdefault(study.benchmark, {})
    steps: dict[str, dict[str, int]] = {}
    for shots in study.shots:
        for method in study.methods:
            measured = rates.setdefault(shots, {})
            for name in (AGAINST, method):
                if any(part not in measured for part in _parts(name)):
                    if keep:
                        _refuse_unended(study, name, shots)
                    measured |= {p: v for p, v in _measure(study, name, shots).items() if p not in measured}
            if find_method(method).phases and method != AGAINST:
                steps.setdefault(shots, {})[method] = _steps_in_time(study, method, shots, measured)
    if keep:
        atomic_write_text(path, json_text(known) + "\n")
    return steps


def seconds_of(
    steps: Mapping[tuple[str, str], int], rates: Mapping[str, float], sampling: tuple[str, ...]
) -> float:
    """Return the seconds of a method with these steps."""
    return sum(rates[f"{job}.{section}"] * count for (job, section), count in steps.items()) + sum(
        rates[job] for job in sampling
    )


def _steps_in_time(study: Study, method: str, shots: str, rates: Mapping[str, float]) -> int:
    chosen, setting = find_method(method), study.setting(method, shots)
    limit = seconds_of(_equal(study, AGAINST, shots), rates, _sampling(AGAINST))
    own = _equal(study, method, shots)
    policy = {phase: n for phase, n in own.items() if not phase[0].startswith("rise_cot")}
    before = seconds_of({p: n for p, n in own.items() if p not in policy}, rates, _sampling(method))
    left = limit - before
    two = len(policy_sections(chosen)) == 2
    shares = {"sft": setting.sft_share if two else 1.0, "grpo": 1 - setting.sft_share if two else 1.0}
    a_step = sum(rates[f"{job}.{section}"] * shares[section] for job, section in policy)
    steps = round(left / a_step)
    if steps < len(policy):
        raise PrerequisiteError(
            f"{chosen.title}, {shots}: sampling takes {before:.0f} s of the {limit:.0f} s that RISE takes, "
            "which leaves no step. Leave the method out of --budget time, or give more --steps."
        )
    return steps


def _equal(study: Study, method: str, shots: str) -> dict[tuple[str, str], int]:
    return replace(study, budget="steps").steps_of(method, shots)


def _sampling(method: str) -> tuple[str, ...]:
    """Return the jobs of a method that sample chains of thought before the policy is trained."""
    trainings = find_method(method).trainings(Cell(Path("moods"), "full", 0, Path()))
    return tuple(job.name for job in trainings if job.arguments[0] == "collect")


def _parts(method: str) -> list[str]:
    return [f"{job}.{section}" for job, section in find_method(method).phases] + list(_sampling(method))


def _refuse_unended(study: Study, method: str, shots: str) -> None:
    """Refuse to record seconds while a run of equal steps is to be started or ended; not after a failure."""
    equal, folder = replace(study, budget="steps"), study.jobs_folder
    failed = set(folder.failed())
    for seed in range(study.seeds):
        for job in find_method(method).trainings(equal.cell(method, shots, seed)):
            if not failed.isdisjoint(job.needs):
                failed.add(job.name)
            elif job.name not in failed and folder.done_seconds(job.name) is None:
                raise PrerequisiteError(
                    f"{folder.path / job.name}: equal time is measured once, on all runs of equal steps, and "
                    "this one has neither finished nor failed. Run the same command with --budget steps "
                    "first."
                )


def _measure(study: Study, method: str, shots: str) -> Rates:
    equal = replace(study, budget="steps")
    times: dict[str, list[float]] = {}
    for seed in range(study.seeds):
        cell = equal.cell(method, shots, seed)
        for job, section in find_method(method).phases:
            if (rate := seconds_a_step(cell.run(job), section)) is not None:
                times.setdefault(f"{job}.{section}", []).append(rate)
        for job in _sampling(method):
            if (seconds := study.jobs_folder.done_seconds(f"{cell.prefix}{job}")) is not None:
                times.setdefault(job, []).append(seconds)
    if missing := set(_parts(method)) - set(times):
        without = "there is no equal time: leave these shots out (--shots)"
        if method != AGAINST:
            without = "leave the method out (--method)"
        raise PrerequisiteError(
            f"equal time, that of {find_method(AGAINST).title}, is measured on runs of equal steps; {shots} "
            f"{find_method(method).title} has none of {', '.join(sorted(missing))}. Run the same command "
            f"with --budget steps first; where it cannot be trained, {without}."
        )
    return {part: round(median(values), 4) for part, values in times.items()}


def seconds_a_step(run: Path, section: str) -> float | None:
    """Return the median seconds per step of a phase, the mean if it is short; None before its end."""
    logged = [row for row in read_metrics(run) if row["phase"] == section]
    if not logged or "train_runtime" not in logged[-1]:
        return None
    rows = logged[:-1]  # the time of the last is that of the end
    gaps: list[float] = [
        after["time"] - before["time"]
        for before, after in itertools.pairwise(rows)
        if after["step"] == before["step"] + 1
    ]
    return median(gaps) if gaps else float(logged[-1]["train_runtime"]) / logged[-1]["step"]
