"""Verdicts on registered claims: who gets one, when, and at which price for the number of claims."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rise_bench.errors import ConfigError
from rise_bench.experiments.study import setup
from rise_bench.experiments.study.grid import Study
from rise_bench.experiments.study.measure import Result
from rise_bench.experiments.study.page import judged_claims, write_page
from rise_bench.experiments.study.paired_test import detectable_difference
from rise_bench.experiments.study.registered import (
    BASE_MODEL_SHA256,
    PLANS,
    RECORDED,
    REGISTERED,
    JudgedClaim,
    RegisteredClaim,
    Registration,
    judge_registered,
    read_registration,
    registration_of,
    registration_record,
    why_open,
)
from rise_bench.experiments.study.run import keep_identity, write_summaries
from rise_bench.experiments.study.settings import Setting, trials_name
from rise_bench.experiments.study.setup import keep_plan
from rise_bench.experiments.study.study_plan import StudyPlan
from rise_bench.experiments.study.summary import groups
from rise_bench.experiments.study.tuning import Tuning
from rise_bench.files.atomic import sha256_file
from rise_bench.models.base_model import base_model_folder

CLAIM = RegisteredClaim("RISE is better than SFT", "moods", "paper", "16-shot", 8, "rise", "sft", "jsd")


def results(budget: str = "paper", **jsd: list[float]) -> list[Result]:
    return [
        Result("moods", budget, "16-shot", seed, method, {"jsd": value})
        for method, values in jsd.items()
        for seed, value in enumerate(values)
    ]


def judge(gains: list[float], claims: int = 1, budget: str = "paper") -> JudgedClaim:
    """The first verdict of a list whose other claims are not run."""
    rest = (replace(CLAIM, better="visual_rft"),) * (claims - 1)
    made = results(budget, rise=[0.5] * len(gains), sft=[0.5 + gain for gain in gains])
    return judge_registered(Registration(0.05, "", StudyPlan(200, 400, 200), (CLAIM, *rest)), groups(made))[0]


def tune(out: Path, *methods: str, key: str = "moods/paper/16-shot") -> None:
    """Leave behind that trials chose the settings of these methods."""
    path = out / "tuned.json"
    known = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(known | {key: {name: {"chosen": {}} for name in methods}}))


UP = [0.1, 0.2, 0.15, 0.12, 0.11, 0.13, 0.14, 0.16]


@pytest.mark.parametrize(
    ("gains", "claims", "verdict", "p"),
    [
        (UP, 1, "reproduced", 2 / 256),
        ([-gain for gain in UP], 1, "not reproduced", 2 / 256),
        (UP, 6, "reproduced", 12 / 256),
        (UP, 7, "undecided", 14 / 256),  # the price of seven claims
        ([*UP[:7], -0.1], 6, "undecided", 6 * 6 / 256),  # with a tie
        (UP[:7], 1, "open", math.nan),  # not before all seeds are run
        ([*UP, -9.0, -9.0], 1, "reproduced", 2 / 256),  # and not by more seeds than registered
    ],
)
def test_verdicts(gains: list[float], claims: int, verdict: str, p: float) -> None:
    judged = judge(gains, claims)
    assert (judged.verdict, judged.p) == (verdict, pytest.approx(p, nan_ok=True))


def test_a_claim_is_judged_where_it_was_registered_and_nowhere_else() -> None:
    elsewhere = judge(UP, budget="steps")
    assert (elsewhere.test, elsewhere.verdict) == (None, "open")


def test_the_list_of_this_version_can_be_decided() -> None:
    registration = read_registration(REGISTERED)
    weights = sha256_file(base_model_folder() / "model.safetensors")
    assert registration.base_model_sha256 == weights, "other weights need another list"
    assert registration.level == 0.05
    benchmarks = [claim.benchmark for claim in registration.claims]
    for claim in registration.claims:
        assert 2 / 2**claim.seeds * benchmarks.count(claim.benchmark) < registration.level


def test_claims_about_another_benchmark_do_not_raise_the_price() -> None:
    others = [replace(CLAIM, benchmark=benchmark) for benchmark in ("scenes", "kinds", "kinds")]
    claims = (others[0], CLAIM, *others[1:], replace(CLAIM, better="visual_rft"))
    made = results(rise=[0.5] * 8, sft=[0.5 + gain for gain in UP])
    judged = judge_registered(Registration(0.05, "", StudyPlan(200, 400, 200), claims), groups(made))
    assert [claim.verdict for claim in judged] == ["open", "reproduced", "open", "open", "open"]
    assert judged[1].p == pytest.approx(4 / 256)


def test_a_list_with_an_unknown_method_or_key_is_an_error(tmp_path: Path) -> None:
    tree = json.loads(REGISTERED.read_text())
    (path := tmp_path / "claims.json").write_text(json.dumps(tree | {"alpha": 1}))
    with pytest.raises(ConfigError, match="alpha"):
        read_registration(path)
    tree["claims"][0]["better"] = "rize"
    path.write_text(json.dumps(tree))
    with pytest.raises(ConfigError, match="rize"):
        read_registration(path)


def test_only_a_study_begun_with_the_list_gets_verdicts(tmp_path: Path) -> None:
    made = results(rise=[0.5] * 8, sft=[0.5 + gain for gain in UP])
    assert registration_of(tmp_path) is None, "no record"
    keep_identity(tmp_path)
    record = json.loads((tmp_path / "study.json").read_text())
    assert record[RECORDED] == sha256_file(REGISTERED)
    assert registration_of(tmp_path) == read_registration(REGISTERED)
    tuned = {"16-shot": {"rise": Setting()}}
    tune(tmp_path, "rise", "sft")
    keep_plan(tmp_path, "moods/paper", Study(tmp_path, budget="paper", steps=200, tuned=tuned).plan)
    page = write_page(tmp_path, made).read_text()
    assert "| RISE is better than SFT | moods, paper, 16-shot | jsd | +0.138" in page
    assert "| 8 : 0 | 0.0078 | 0.039 | reproduced |  |" in page
    assert "| open | no trials of its methods with the list's plan |" in page
    assert "| open | not run in this folder |" in page and record[RECORDED][:12] in page
    write_summaries(tmp_path, made)
    written = json.loads((tmp_path / "verdicts.json").read_text())
    assert written["sha256"] == record[RECORDED]
    first = written["claims"][0]
    assert (first["verdict"], first["test"]["wins"], first["claim"]["seeds"]) == ("reproduced", 8, 8)


def test_a_study_is_judged_by_the_list_that_it_was_begun_with(tmp_path: Path) -> None:
    keep_identity(tmp_path)
    (own := tmp_path / REGISTERED.name).write_text(REGISTERED.read_text().replace("0.05", "0.01"))
    record = json.loads((tmp_path / "study.json").read_text())
    with pytest.raises(ConfigError, match="is not the list that the study began with"):
        registration_of(tmp_path)
    (tmp_path / "study.json").write_text(json.dumps(record | {RECORDED: sha256_file(own)}))
    began_with = registration_of(tmp_path)
    assert began_with is not None and began_with.level == 0.01
    own.unlink()  # as in folders of before lists were copied
    assert registration_of(tmp_path) is None
    assert "has no copy of a list" in write_page(tmp_path, results(rise=[0.5])).read_text()


@pytest.mark.parametrize(
    ("git", "told"),
    [
        (None, "unknown"),  # an installed wheel
        ({"commit": "abc", "dirty": False}, "abc"),
        ({"commit": "abc", "dirty": True}, "abc with changes that are not committed"),
    ],
)
def test_the_record_says_at_which_commit_the_list_was(
    tmp_path: Path, git: dict[str, Any] | None, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "git_state", lambda: git)
    keep_identity(tmp_path)
    assert registration_record(tmp_path) == {"sha256": sha256_file(REGISTERED), "commit": told}


@pytest.mark.parametrize(
    ("tuned", "verdict"),
    [
        ({"moods/paper/16-shot": ("rise", "sft")}, "reproduced"),
        ({"moods/paper/16-shot": ("rise",)}, "open"),
        ({"moods/paper/16-shot": ("rise", "sft"), "moods/paper/4-shot": ("rise",)}, "reproduced"),
        ({"moods/paper/4-shot": ("rise", "sft")}, "open"),
        ({"moods/steps/16-shot": ("rise", "sft")}, "open"),
        ({}, "open"),
    ],
)
def test_a_claim_on_methods_that_were_not_tuned_stays_open(
    tmp_path: Path, tuned: dict[str, tuple[str, ...]], verdict: str
) -> None:
    keep_identity(tmp_path)
    keep_plan(tmp_path, "moods/paper", read_registration(REGISTERED).plan)
    for key, methods in tuned.items():
        tune(tmp_path, *methods, key=key)
    claims = judged_claims(tmp_path, results(rise=[0.5] * 8, sft=[0.5 + gain for gain in UP]))
    assert claims[0].verdict == verdict


@pytest.mark.parametrize(("steps", "verdict"), [(200, "reproduced"), (20, "open")])
def test_trials_of_another_plan_decide_nothing(tmp_path: Path, steps: int, verdict: str) -> None:
    keep_identity(tmp_path)
    keep_plan(tmp_path, "moods/paper", read_registration(REGISTERED).plan)
    keep_plan(tmp_path, trials_name("moods", "paper"), Tuning(tmp_path, steps=steps, budget="paper").plan)
    tune(tmp_path, "rise", "sft")
    claims = judged_claims(tmp_path, results(rise=[0.5] * 8, sft=[0.5 + gain for gain in UP]))
    assert claims[0].verdict == verdict


def test_a_plan_of_before_a_field_was_added_is_the_same_plan(tmp_path: Path) -> None:
    keep_identity(tmp_path)
    record = json.loads((tmp_path / "study.json").read_text())
    old = {"steps": 3, "train": 400, "test": 200}
    (tmp_path / "study.json").write_text(json.dumps(record | {PLANS: {"moods/steps": old}}))
    keep_plan(tmp_path, "moods/steps", StudyPlan(3, 400, 200))
    with pytest.raises(ConfigError, match="tuned True instead of False"):
        keep_plan(tmp_path, "moods/steps", StudyPlan(3, 400, 200, tuned=True))


def test_a_study_of_other_weights_or_untuned_gets_no_verdict(tmp_path: Path) -> None:
    keep_identity(tmp_path)
    plan = read_registration(REGISTERED).plan
    keep_plan(tmp_path, "moods/paper", plan)
    keep_plan(tmp_path, "moods/steps", replace(plan, tuned=False))
    tune(tmp_path, "rise", "sft")
    registration = registration_of(tmp_path)
    assert registration is not None
    assert why_open(tmp_path, registration, CLAIM) == ""
    assert "another plan" in why_open(tmp_path, registration, replace(CLAIM, budget="steps"))
    assert "not run in this folder" in why_open(tmp_path, registration, replace(CLAIM, benchmark="kinds"))
    assert "no trials" in why_open(tmp_path, registration, replace(CLAIM, better="visual_rft"))
    record = json.loads((tmp_path / "study.json").read_text())
    (tmp_path / "study.json").write_text(json.dumps(record | {BASE_MODEL_SHA256: "0" * 64}))
    assert "another base model" in why_open(tmp_path, registration, CLAIM)


def test_a_study_with_another_plan_gets_no_verdict_and_keeps_its_plan(tmp_path: Path) -> None:
    keep_identity(tmp_path)
    keep_plan(tmp_path, "moods/paper", StudyPlan(3, 400, 200))
    made = results(rise=[0.5] * 8, sft=[0.5 + gain for gain in UP])
    assert "| open | another plan than the list's |" in write_page(tmp_path, made).read_text()
    record = (tmp_path / "study.json").read_text()
    keep_plan(tmp_path, "moods/paper", StudyPlan(3, 400, 200))
    for other in (StudyPlan(200, 400, 200), StudyPlan(3, 400, 200, settings=("grpo.beta=0.1",))):
        with pytest.raises(ConfigError, match=r"holds another study of moods/paper: .* --out"):
            keep_plan(tmp_path, "moods/paper", other)
    assert (tmp_path / "study.json").read_text() == record
    keep_plan(tmp_path, "moods/steps", StudyPlan(200, 400, 200))  # each budget has its own


def test_who_only_looks_fixes_no_plan(tmp_path: Path) -> None:
    keep_identity(tmp_path)
    before = (tmp_path / "study.json").read_text()
    keep_plan(tmp_path, "moods/paper", StudyPlan(60, 400, 200), keep=False)
    assert (tmp_path / "study.json").read_text() == before
    keep_plan(tmp_path, "moods/paper", StudyPlan(200, 400, 200))
    with pytest.raises(ConfigError, match="steps 60 instead of 200"):
        keep_plan(tmp_path, "moods/paper", StudyPlan(60, 400, 200), keep=False)


def test_an_undecided_claim_says_what_it_could_have_found(tmp_path: Path) -> None:
    keep_identity(tmp_path)
    keep_plan(tmp_path, "moods/paper", read_registration(REGISTERED).plan)
    tune(tmp_path, "rise", "sft")
    mixed = results(rise=[0.5] * 8, sft=[0.5 + gain * (-1) ** i for i, gain in enumerate(UP)])
    row = next(
        line for line in write_page(tmp_path, mixed).read_text().splitlines() if "| undecided |" in line
    )
    detectable = float(row.rstrip(" |").rpartition("| ")[2])
    judged = judge_registered(read_registration(REGISTERED), groups(mixed))[0]
    assert judged.test is not None
    assert detectable == pytest.approx(judged.detectable, abs=1e-4)
    assert judged.test.sd < detectable < 3 * judged.test.sd


def test_what_is_detectable_is_at_the_level_that_the_decided_claims_left() -> None:
    """Two claims: the second is tested at the whole level once the first is decided."""
    second = replace(CLAIM, better="visual_rft")
    noise = [gain * (-1) ** i for i, gain in enumerate(UP)]
    made = results(
        rise=[0.5] * 8,
        sft=[0.5 + gain for gain in UP],
        visual_rft=[0.5 + u - n for u, n in zip(UP, noise, strict=True)],
    )
    of_list = Registration(0.05, "", StudyPlan(200, 400, 200), (CLAIM, second))
    decided, undecided = judge_registered(of_list, groups(made))
    assert (decided.verdict, undecided.verdict) == ("reproduced", "undecided")
    assert undecided.test is not None
    assert undecided.detectable == detectable_difference(undecided.test.sd, 8, 0.05)
