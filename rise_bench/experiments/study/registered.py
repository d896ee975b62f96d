"""The claims that were registered before the runs, and the rule of their verdicts.

`registered_claims.json` is committed before a study begins. The study copies it into its folder, and records
its hash and the commit. Only these claims get a verdict, by p of the exact sign-flip test over the first
`seeds` seeds, corrected by Holm's method over all claims of the list about the same benchmark, run or not. A
claim is

- reproduced, if its better method is better on average and the corrected p is below the level;
- not reproduced, if it is worse on average and the corrected p is below the level;
- undecided otherwise, and open until all of its seeds are run.

A study with another plan than the list's (steps, pictures, model, settings) or with other weights gets no
verdict. If the plan is tuned, both methods of a claim need trials at its number of shots, or at 16-shot, and
trials of the same folder have the list's plan too.

Everything else that a study compares is exploratory.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from rise_bench.data.splits import Shots
from rise_bench.errors import ConfigError
from rise_bench.experiments.methods import find_method
from rise_bench.experiments.study.paired_test import PairedTest, detectable_difference, holm
from rise_bench.experiments.study.settings import is_tuned, read_settings, settings_at, trials_name
from rise_bench.experiments.study.study_plan import StudyPlan
from rise_bench.experiments.study.summary import Group
from rise_bench.files.atomic import sha256_file

Verdict = Literal["reproduced", "not reproduced", "undecided", "open"]


#: The list of this version.
REGISTERED = Path(__file__).with_name("registered_claims.json")


#: Names in a study's record: hash of the list, plan of each benchmark and budget, hash of the weights.
RECORDED = "registered_claims_sha256"
PLANS = "plans"
BASE_MODEL_SHA256 = "base_model_sha256"


@checked_dataclass(frozen=True, slots=True, config={"extra": "forbid"})
class RegisteredClaim:
    """Claim with everything that decides its verdict.

    Attributes:
        name: Sentence of the claim.
        benchmark: Name of the benchmark.
        budget: steps, time or paper.
        shots: Number of shots, or `mean`.
        seeds: Number of seeds, from 0 on.
        better: Method that is claimed to be better.
        worse: The other method.
        number: Compared number in the results.
    """

    name: str
    benchmark: str
    budget: Literal["steps", "time", "paper"]
    shots: Literal["4-shot", "16-shot", "full", "mean"]
    seeds: int
    better: str
    worse: str
    number: str


@checked_dataclass(frozen=True, slots=True, config={"extra": "forbid"})
class Registration:
    """List of claims, the level that they share, and the plan and base model of their study."""

    level: float
    base_model_sha256: str
    plan: StudyPlan
    claims: tuple[RegisteredClaim, ...]


@dataclass(frozen=True, slots=True)
class JudgedClaim:
    """Registered claim, its test and verdict.

    Attributes:
        claim: The claim.
        test: Test over its seeds; None without results.
        p: Corrected p; NaN while it is open.
        verdict: By the rule of this module.
        detectable: Smallest true advantage that is found with 80 % probability at the level that Holm's
            method left for it; infinite with too few seeds.
        open_because: Reason why results of all seeds would not decide it; empty if they would.
    """

    claim: RegisteredClaim
    test: PairedTest | None
    p: float
    verdict: Verdict
    detectable: float
    open_because: str = ""


def read_registration(path: Path) -> Registration:
    """Read a list of claims.

    Raises:
        ConfigError: It has another form, or names a method that does not exist.
    """
    try:
        registration = TypeAdapter(Registration).validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{path}, {where}: {first['msg']}. Fix the list.") from error
    for claim in registration.claims:
        for method in (claim.better, claim.worse):
            find_method(method)
    return registration


def registration_of(out: Path) -> Registration | None:
    """Return the list that a study was begun with, from its folder; None if there is none.

    Raises:
        ConfigError: The list in the folder is not the one that the study recorded.
    """
    begun, path = study_record(out), out / REGISTERED.name
    if RECORDED not in begun or not path.is_file():
        return None
    if sha256_file(path) != begun[RECORDED]:
        raise ConfigError(
            f"{path} is not the list that the study began with (sha256 {begun[RECORDED][:12]}). Restore it, "
            "or begin in another --out."
        )
    return read_registration(path)


def registration_record(out: Path) -> dict[str, str]:
    """Return hash of the list and commit that a study was begun with; empty if it was begun without."""
    begun = study_record(out)
    if RECORDED not in begun:
        return {}
    git = begun.get("git") or {"commit": "unknown"}
    commit = git["commit"] + (" with changes that are not committed" if git.get("dirty") else "")
    return {"sha256": begun[RECORDED], "commit": commit}


def study_record(out: Path) -> dict[str, Any]:
    """Return the content of OUT/study.json; empty if there is none."""
    record = out / "study.json"
    return json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}


def recorded_plan(out: Path, name: str) -> StudyPlan | None:
    """Return the plan of a benchmark and budget, or of trials, that a folder has; None if it has none."""
    recorded = study_record(out).get(PLANS, {}).get(name)
    return None if recorded is None else TypeAdapter(StudyPlan).validate_python(recorded)


def why_open(out: Path, registration: Registration, claim: RegisteredClaim) -> str:
    """Return the reason why results in a folder may not decide a claim, by its records; empty if they may.

    They may if the study has plan and weights of the list, and if its methods are tuned where the list asks
    for it.
    """
    plan = recorded_plan(out, f"{claim.benchmark}/{claim.budget}")
    if plan is None:
        return "not run in this folder"
    if study_record(out).get(BASE_MODEL_SHA256) != registration.base_model_sha256:
        return "another base model"
    if plan != registration.plan:
        return "another plan than the list's"
    if registration.plan.tuned and not _are_tuned(out, registration, claim):
        return "no trials of its methods with the list's plan"
    return ""


def _are_tuned(out: Path, registration: Registration, claim: RegisteredClaim) -> bool:
    """Whether both methods of a claim were tuned, by OUT/tuned.json, and with the plan of the list.

    The plan of trials that were run in another folder, whose tuned.json was copied, is not known.
    """
    trials = recorded_plan(out, trials_name(claim.benchmark, claim.budget))
    if trials is not None and replace(trials, tuned=registration.plan.tuned) != registration.plan:
        return False
    known = read_settings(out / "tuned.json", claim.benchmark, claim.budget)
    shots = get_args(Shots) if claim.shots == "mean" else (claim.shots,)
    methods = (claim.better, claim.worse)
    return all(is_tuned(name, settings_at(number, known)) for name in methods for number in shots)


def judge_registered(
    registration: Registration,
    compared: Sequence[Group],
    open_because: Callable[[RegisteredClaim], str] = lambda _: "",
) -> list[JudgedClaim]:
    """Return the verdict on each claim of a list.

    Args:
        registration: The list.
        compared: All groups of a study, those of averages over shots included.
        open_because: Returns the reason why the results may not decide a claim; empty if they may.
    """
    by_place = {(group.benchmark, group.budget, group.shots): group for group in compared}
    tests: list[PairedTest | None] = []
    reasons = [open_because(claim) for claim in registration.claims]
    for claim, reason in zip(registration.claims, reasons, strict=True):
        group = None if reason else by_place.get((claim.benchmark, claim.budget, claim.shots))
        tests.append(group.compare(claim.better, claim.worse, claim.number, claim.seeds) if group else None)
    complete = [
        test is not None and test.seeds == claim.seeds
        for claim, test in zip(registration.claims, tests, strict=True)
    ]
    ps = [test.p if test and done else 1.0 for test, done in zip(tests, complete, strict=True)]
    families = [claim.benchmark for claim in registration.claims]
    corrected = _corrected(ps, families)
    left = Counter(
        family for family, p in zip(families, corrected, strict=True) if p >= registration.level
    )  # Holm's method divides the level by the claims that are not decided yet
    return [
        JudgedClaim(
            claim,
            test,
            p if done else float("nan"),
            _verdict(test, p, registration.level) if test and done else "open",
            _detectable(test, registration.level / max(1, left[claim.benchmark])),
            reason,
        )
        for claim, test, done, p, reason in zip(
            registration.claims, tests, complete, corrected, reasons, strict=True
        )
    ]


def _corrected(ps: Sequence[float], families: Sequence[str]) -> list[float]:
    """Return p by Holm's method within each family, whose members need not stand together."""
    corrected = list(ps)
    for family in set(families):
        places = [place for place, name in enumerate(families) if name == family]
        for place, p in zip(places, holm([ps[place] for place in places]), strict=True):
            corrected[place] = p
    return corrected


def _detectable(test: PairedTest | None, level: float) -> float:
    return detectable_difference(test.sd, test.seeds, level) if test else float("inf")


def _verdict(test: PairedTest, p: float, level: float) -> Verdict:
    if p >= level or test.gain == 0:
        return "undecided"
    return "reproduced" if test.gain > 0 else "not reproduced"
