"""The choice of settings: the best trial on validation pictures, from what lmms-eval logged."""

import json
import re
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from rise_bench.annotations.kinds import render_annotation
from rise_bench.cli.study_options import partly_tuned, tuning_notes
from rise_bench.errors import ConfigError, DataError
from rise_bench.experiments.cell import Setup
from rise_bench.experiments.dataset import draw
from rise_bench.experiments.job_folder import Job
from rise_bench.experiments.methods import method_jobs
from rise_bench.experiments.study import run
from rise_bench.experiments.study.grid import Study
from rise_bench.experiments.study.run import run_tuning
from rise_bench.experiments.study.settings import Budget, Setting, candidates, read_settings, trials_name
from rise_bench.experiments.study.setup import keep_identity, keep_plan, refuse_other_trials
from rise_bench.experiments.study.tuning import TUNING_SEED, Tuning, choose, refuse_after_runs


def answers(tuning: Tuning, trial: int, right: int, shots: str = "16-shot", method: str = "sft") -> None:
    """Leave behind what an evaluation does: the first `right` answers are right, the others unreadable."""
    evaluation = method_jobs(tuning.cell(method, trial, shots), [method])[-1]
    samples = tuning.out / f"samples-{shots}-{trial}-{method}.jsonl"
    lines = [
        json.dumps(
            {"id": gold.id, "response": render_annotation(gold.annotation) if i < right else "no idea"}
        )
        for i, gold in enumerate(dataset_of(tuning).golds("test"))
    ]
    samples.write_text("\n".join(lines))
    tuning.jobs_folder.write(evaluation, 1.0, done=True)
    tuning.jobs_folder.output(evaluation.name).write_text(
        json.dumps({"rise_moods": {"samples_file": str(samples)}})
    )


def dataset_of(tuning: Tuning):  # type: ignore[no-untyped-def]
    return draw(tuning.data, train=8, test=4, seed=TUNING_SEED, test_split="validation")


@pytest.fixture
def tuning(tmp_path: Path) -> Tuning:
    return Tuning(tmp_path, methods=("sft", "base"), train=8, validation=4)


def test_the_best_trial_is_chosen_and_all_are_kept(tuning: Tuning) -> None:
    for trial, right in enumerate([1, 4, 4]):  # the fourth failed
        answers(tuning, trial, right)
    chosen = choose(tuning, dataset_of(tuning))["16-shot"]
    assert chosen.keys() == {"sft"}  # the base model has nothing to choose
    scores = [trial["jsd"] for trial in chosen["sft"]["trials"]]
    assert scores[3] is None and scores[1] == scores[2] == min(scores[:3])
    assert read_settings(tuning.out / "tuned.json", "moods") == {"16-shot": {"sft": candidates("sft")[1]}}
    assert read_settings(tuning.out / "tuned.json", "scenes") == {}


def test_a_trial_whose_samples_are_gone_has_no_score(tuning: Tuning) -> None:
    for trial, right in enumerate([1, 4, 2]):
        answers(tuning, trial, right)
    (tuning.out / "samples-16-shot-1-sft.jsonl").unlink()
    chosen = choose(tuning, dataset_of(tuning))["16-shot"]["sft"]
    assert chosen["chosen"] == asdict(candidates("sft")[2]) and chosen["trials"][1]["jsd"] is None


@pytest.mark.parametrize(("shots", "other"), [("16-shot", "4-shot"), ("4-shot", "16-shot")])
def test_what_ran_untuned_is_never_called_tuned(tuning: Tuning, shots: str, other: str) -> None:
    """Settings of 16-shot serve the others, those of the others only themselves."""
    ran = method_jobs(Study(tuning.out, methods=("sft",)).cell("sft", shots, 0), ["sft"])[0]
    tuning.jobs_folder.write(ran, 1.0, done=True)
    refuse_after_runs(replace(tuning, methods=("visual_rft",)))
    refuse_after_runs(replace(tuning, budget="paper"))
    with pytest.raises(ConfigError, match=r"sft ran without the settings .* another --out"):
        refuse_after_runs(replace(tuning, shots=(shots,)))
    if shots == "16-shot":
        refuse_after_runs(replace(tuning, shots=(other,)))
    else:
        with pytest.raises(ConfigError):
            refuse_after_runs(replace(tuning, shots=(other,)))
    answers(tuning, 0, 1, shots)
    choose(replace(tuning, shots=(shots,)), dataset_of(tuning))
    refuse_after_runs(replace(tuning, shots=(shots,)))  # goes on


@pytest.mark.parametrize(("budget", "of_trials"), [("paper", "paper"), ("steps", "steps"), ("time", "steps")])
def test_no_trials_are_run_for_a_study_that_is_recorded_as_untuned(
    tuning: Tuning, budget: Budget, of_trials: Budget
) -> None:
    keep_identity(tuning.out)
    keep_plan(tuning.out, f"moods/{budget}", Study(tuning.out, budget=budget).plan)
    with pytest.raises(
        ConfigError, match=rf"of moods/{budget} without tuned settings; tune in another --out"
    ):
        refuse_after_runs(replace(tuning, budget=of_trials))
    refuse_after_runs(replace(tuning, benchmark="kinds", budget=of_trials))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"steps": 20}, "steps 120 instead of 20"),
        ({"train": 40}, "train 400 instead of 40"),
        ({"setup": Setup(settings=("grpo.beta=0.1",))}, "settings () instead of"),
        ({"validation": 50}, ""),
        ({}, ""),
    ],
)
def test_settings_of_other_trials_are_refused(tmp_path: Path, changed: dict[str, Any], told: str) -> None:
    keep_identity(tmp_path)
    tuning = replace(Tuning(tmp_path), **changed)
    keep_plan(tmp_path, trials_name("moods", "time"), tuning.plan)
    plan = Study(tmp_path, budget="time", tuned={"16-shot": {"rise": Setting()}}).plan
    refuse_other_trials(tmp_path, "moods", "time", replace(plan, tuned=False))
    with pytest.raises(ConfigError, match=re.escape(told)) if told else nullcontext():
        refuse_other_trials(tmp_path, "moods", "time", plan)


def test_a_method_without_any_score_is_left_out_and_the_others_are_chosen(tuning: Tuning) -> None:
    answers(tuning, 2, 3)
    both = replace(tuning, methods=("visual_rft", "sft"))
    assert choose(both, dataset_of(tuning))["16-shot"].keys() == {"sft"}
    assert read_settings(tuning.out / "tuned.json", "moods") == {"16-shot": {"sft": candidates("sft")[2]}}


@pytest.mark.parametrize(
    ("ran", "job"),
    [
        ("4-shot/seed-0", "sft"),
        ("16-shot/seed-3", "sft"),
        ("full/seed-0", "sft-time"),
        ("16-shot/seed-1", "sft_early"),
    ],
)
def test_a_choice_that_runs_have_is_not_replaced(tuning: Tuning, ran: str, job: str) -> None:
    """A trial that failed at first is done at the next start, and wins."""
    for trial in (0, 1):
        answers(tuning, trial, trial)
    choose(tuning, dataset_of(tuning))
    before = (tuning.out / "tuned.json").read_text()
    tuning.jobs_folder.write(Job(f"moods/{ran}/{job}", job, ()), 1.0, done=False)
    for trial in (2, 3):
        answers(tuning, trial, trial - 2)
    choose(tuning, dataset_of(tuning))  # the same one
    assert (tuning.out / "tuned.json").read_text() != before, "with the scores of all its trials"
    answers(tuning, 3, 4)
    with pytest.raises(ConfigError, match=rf"{ran}/{job} has\. Go on without --tune, or .* another --out"):
        choose(tuning, dataset_of(tuning))
    assert read_settings(tuning.out / "tuned.json", "moods") == {"16-shot": {"sft": candidates("sft")[1]}}


def test_where_runs_have_a_choice_the_others_are_written(tuning: Tuning) -> None:
    both = replace(tuning, methods=("sft", "visual_rft"), shots=("16-shot", "4-shot"))
    each = [(method, shots) for method in both.methods for shots in both.shots]
    for method, shots in each:
        answers(both, 0, 1, shots, method)
    choose(both, dataset_of(both))
    for shots in both.shots:
        both.jobs_folder.write(Job(f"moods/{shots}/seed-0/sft", "sft", ()), 1.0, done=True)
    for method, shots in each:
        answers(both, 1, 4, shots, method)
    with pytest.raises(
        ConfigError, match="of SFT at 16-shot, which .* has; of SFT at 4-shot, which .* has"
    ) as told:
        choose(both, dataset_of(both))
    assert "Visual-RFT" not in str(told.value)
    of_each = {"sft": candidates("sft")[0], "visual_rft": candidates("visual_rft")[1]}
    assert read_settings(both.out / "tuned.json", "moods") == dict.fromkeys(both.shots, of_each)


def test_a_choice_is_replaced_where_no_run_has_it(tuning: Tuning) -> None:
    """RISE-CoT of RISE is not tuned."""
    both = replace(tuning, methods=("sft", "rise"))
    for method in both.methods:
        answers(both, 0, 1, method=method)
    choose(both, dataset_of(both))
    other = method_jobs(Study(tuning.out, methods=("rise",)).cell("rise", "16-shot", 0), ["rise"])[0]
    tuning.jobs_folder.write(other, 1.0, done=True)
    for method in both.methods:
        answers(both, 5, 4, method=method)
    chosen = choose(both, dataset_of(both))["16-shot"]
    assert {name: choice["chosen"] for name, choice in chosen.items()} == {
        method: asdict(candidates(method)[5]) for method in both.methods
    }


def test_a_choice_by_fewer_trials_is_named(tuning: Tuning, monkeypatch: pytest.MonkeyPatch) -> None:
    for trial in range(7):
        answers(tuning, trial, trial % 4)
    monkeypatch.setattr(run, "_run", lambda *_: {"sft-7": "the eighth failed"})
    _, failed = run_tuning(tuning, at_once=1, drawing=lambda *_: None, progress=lambda _: None)
    told = "SFT, 16-shot: chosen by 7 of 8 trials, as the others have no score"
    assert failed == ["the eighth failed", told]
    study = Study(tuning.out, tuned=read_settings(tuning.out / "tuned.json", "moods"))
    assert partly_tuned(study) == ["sft at 16-shot (7 of 8)"]
    assert "sft at 16-shot (7 of 8)" in tuning_notes(study)[-1]
    assert partly_tuned(replace(study, budget="paper")) == partly_tuned(replace(study, tuned={})) == []
    answers(tuning, 7, 0)
    choose(tuning, dataset_of(tuning))
    assert partly_tuned(study) == []


@pytest.mark.parametrize(
    ("methods", "shots", "named"),
    [
        (("sft", "base"), ("4-shot",), ["sft at 4-shot (1 of 8)"]),
        (("sft",), ("16-shot",), ["sft at 16-shot (1 of 8)"]),
        (("sft_early",), ("full",), ["sft at 16-shot (1 of 8)"]),
        (("rise_sft", "tau_65"), ("4-shot",), ["rise at 16-shot (1 of 8)"]),
        (("visual_rft", "base_answer_only"), ("4-shot", "16-shot"), []),
    ],
)
def test_of_choices_by_fewer_trials_those_of_the_study_are_named(
    tuning: Tuning, methods: tuple[str, ...], shots: tuple[str, ...], named: list[str]
) -> None:
    of_all = replace(tuning, methods=("sft", "rise"), shots=("16-shot", "4-shot"))
    for method, of_shots in (("sft", "16-shot"), ("sft", "4-shot"), ("rise", "16-shot")):
        answers(of_all, 0, 1, of_shots, method)
    choose(of_all, dataset_of(of_all))
    tuned = read_settings(tuning.out / "tuned.json", "moods")
    assert partly_tuned(Study(tuning.out, methods=methods, shots=shots, tuned=tuned)) == named


def test_a_second_tuning_keeps_other_benchmarks(tuning: Tuning) -> None:
    path = tuning.out / "tuned.json"
    path.write_text(json.dumps({"scenes/steps/full": {"rise": {"chosen": {"sft_share": 0.3}}}}))
    for trial in range(4):
        answers(tuning, trial, trial)
    choose(tuning, dataset_of(tuning))
    assert read_settings(path, "scenes") == {"full": {"rise": Setting(0.3)}}
    assert read_settings(path, "moods") == {"16-shot": {"sft": candidates("sft")[3]}}


def test_the_papers_budget_has_settings_of_its_own(tuning: Tuning) -> None:
    paper = replace(tuning, budget="paper")
    answers(tuning, 1, 4)
    answers(paper, 2, 4)
    choose(tuning, dataset_of(tuning))
    choose(paper, dataset_of(paper))
    path = tuning.out / "tuned.json"
    equal = {"16-shot": {"sft": candidates("sft")[1]}}
    assert read_settings(path, "moods") == read_settings(path, "moods", "time") == equal
    assert read_settings(path, "moods", "paper") == {"16-shot": {"sft": candidates("sft", "paper")[2]}}


def test_each_number_of_shots_has_its_own_trials_and_setting(tuning: Tuning) -> None:
    both = replace(tuning, shots=("4-shot", "16-shot"))
    answers(both, 1, 4)
    answers(both, 2, 4, "4-shot")
    assert [choice["sft"]["chosen"] for choice in choose(both, dataset_of(both)).values()] == [
        asdict(candidates("sft")[2]),
        asdict(candidates("sft")[1]),
    ]
    study = Study(tuning.out, tuned=read_settings(tuning.out / "tuned.json", "moods"))
    assert study.setting("sft", "4-shot") == candidates("sft")[2]
    assert study.setting("sft", "16-shot") == study.setting("sft", "full") == candidates("sft")[1]
    assert study.cell("sft", "4-shot", 0).overrides != study.cell("sft", "full", 0).overrides


@pytest.mark.parametrize(
    "text",
    [
        '{"moods/steps/full": {"sft": {"chosen": {"colour": 1}}}}',
        '{"moods": {"sft": {"chosen": {"sft_share": 0.5}}}}',  # of a former version: at which shots?
        "[]",
    ],
)
def test_a_broken_file_of_settings_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "tuned.json").write_text(text)
    with pytest.raises(DataError, match="tune again"):
        read_settings(tmp_path / "tuned.json", "moods")
