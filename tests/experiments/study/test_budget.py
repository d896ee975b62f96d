"""Equal budgets add up; equal time follows from measured seconds; every method has as many trials."""

import json
import re
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.cli.study_options import refuse_unshared, untuned_methods
from rise_bench.errors import BusyError, ConfigError, PrerequisiteError
from rise_bench.experiments.ablations import ABLATIONS
from rise_bench.experiments.cell import Cell, Setup
from rise_bench.experiments.job_folder import Job, JobFolder
from rise_bench.experiments.methods import METHODS, find_method
from rise_bench.experiments.study.budget import allot, allot_each, overrides
from rise_bench.experiments.study.calibration import seconds_a_step, time_steps
from rise_bench.experiments.study.grid import Study, ablations_for, methods_for
from rise_bench.experiments.study.run import planned, prepare, run_study
from rise_bench.experiments.study.settings import Budget, Setting, candidates, setting_of
from rise_bench.experiments.study.setup import keep_identity, keep_plan
from rise_bench.files.locks import locked_folder
from rise_bench.trainers.settings.recipe_loader import load_config

TRAINED = [name for name, method in (METHODS | ABLATIONS).items() if method.phases]
LONG = [name for name in TRAINED if name.endswith("_long")]
SHORT = (
    "rise_short_sft",
    "short_own_answers",
    "short_reasons_alone",
    "true_reasons_alone",
    "true_before_rft",
    "true_gentle",
    "short_gentle",
    "true_own_answers",
)
UNEQUAL = [*LONG, *SHORT]


def budget(name: str, total: int) -> int:
    """Steps of a method: all the same, but for RISE-CoT on top and for those with another share."""
    if name == "rise_uncounted":
        return total + round(total / 3)
    return round(total * find_method(name).share_of_steps)


@pytest.mark.parametrize("name", [name for name in TRAINED if name not in UNEQUAL])
@given(total=st.integers(12, 1000), share=st.floats(0.2, 0.8))
def test_every_method_has_the_same_number_of_steps(name: str, total: int, share: float) -> None:
    steps = allot(find_method(name), Setting(share), total)
    assert sum(steps.values()) == budget(name, total)
    assert min(steps.values()) >= 1


@pytest.mark.parametrize("name", LONG)
def test_a_long_method_has_as_many_steps_in_all_as_rise_where_each_phase_has_as_many(name: str) -> None:
    steps = allot_each(find_method(name), 200)
    assert sum(steps.values()) == sum(allot_each(find_method("rise"), 200).values()) == 600
    assert len(set(steps.values())) == 1


def test_a_short_phase_of_sft_has_an_eighth_of_the_steps() -> None:
    method = find_method("rise_short_sft")
    assert list(allot_each(method, 200).values()) == [200, 25, 200]
    cot, sft, grpo = method.phases
    assert (cot[1], sft[1], grpo[1]) == ("grpo", "sft", "grpo")


@pytest.mark.parametrize("name", UNEQUAL)
def test_what_cannot_have_equal_steps_is_for_the_papers_budget(name: str) -> None:
    assert name in ablations_for("distribution", "paper")
    assert name not in ablations_for("distribution"), "with equal steps every method has as many"
    with pytest.raises(ConfigError, match="give --budget paper"):
        allot(find_method(name), Setting(), 120)


def test_a_budget_too_small_for_a_phase_is_refused() -> None:
    with pytest.raises(ConfigError, match="give at least 12 steps"):
        allot(find_method("rise"), Setting(), 2)


@pytest.mark.parametrize(("kind", "trials"), [("steps", 8), ("time", 8), ("paper", 4)])
def test_every_trained_method_has_equally_many_trials(kind: Budget, trials: int) -> None:
    counts = {name: len(set(candidates(name, kind))) for name in METHODS}
    assert counts.pop("base") == 0
    assert set(counts.values()) == {trials}
    rates = {(s.sft_learning_rate, s.grpo_learning_rate) for s in candidates("rise", kind)}
    assert len(rates) == 4  # neither phase's rate decides the other's


@pytest.mark.parametrize("name", [name for name in TRAINED if name not in UNEQUAL])
def test_jobs_are_told_their_steps(name: str, tmp_path: Path) -> None:
    """What the trainer reads, recipe and overrides together, has the steps of the budget and no others."""
    method, setting = find_method(name), Setting(0.25, 7e-4, 7e-5)
    cell = Cell(
        tmp_path / "moods", "4-shot", 0, tmp_path, overrides=overrides(setting, allot(method, setting, 120))
    )
    made = 0
    for job in method.trainings(cell):
        if job.arguments[0] != "train":
            continue
        config = load_config(job.arguments[3], job.arguments[4:])
        made += sum(getattr(config, phase).steps for phase in config.active_phases)
        rates = {phase: getattr(config, phase).learning_rate for phase in config.active_phases}
        if config.stage == "rise_cot":
            recipe = load_config(job.arguments[3])
            assert rates == {"grpo": recipe.grpo.learning_rate}  # whatever was tuned
        else:
            assert rates.items() <= {"sft": 7e-4, "grpo": 7e-5}.items()
    assert made == budget(name, 120)


@pytest.mark.parametrize("benchmark", ["emotion6", "counting"])
def test_every_training_at_the_papers_scale_has_settings_that_go_together(
    benchmark: str, tmp_path: Path
) -> None:
    """ZeRO-3 would shard the frozen judge, and few rows leave Reason-RFT's recipe nothing for GRPO."""
    cell = Cell(tmp_path / benchmark, "4-shot", 0, tmp_path, setup=Setup(scale="paper"))
    kind = get_benchmark(benchmark).kind
    names = [*methods_for(drawn=False), *ablations_for(kind, drawn=False)]
    jobs = {job.name: job for name in names for job in find_method(name).trainings(cell)}
    configs = [
        load_config(job.arguments[3], job.arguments[4:])
        for job in jobs.values()
        if job.arguments[0] == "train"
    ]
    swept = [
        job.arguments
        for name in names
        for job in find_method(name).trainings(cell)
        if job.arguments[0] in ("collect", "verify")
    ]
    rows = {int(words[words.index("--batch-rows") + 1]) for words in swept}
    assert rows and min(rows) >= 1
    assert {c.compute.accelerate for c in configs if c.reward.grounded != "none"} == {"zero2"}
    assert {c.compute.accelerate for c in configs if c.reward.grounded == "none"} == {"zero3"}
    assert {(c.data.cot_rows, c.data.grpo_samples) for c in configs if c.stage == "reason_rft"} == {
        (0, "all")
    }
    assert {(c.reward.format_bonus, c.reward.format_term) for c in configs} == {(0.0, True), (0.0, False)}
    assert {c.model.max_pixels for c in configs} == {cell.max_pixels}
    asked = Cell(
        cell.data, "4-shot", 0, tmp_path, setup=Setup(scale="paper", settings=("compute.accelerate=none",))
    )
    training = find_method("rise_grounded").trainings(asked)[0]
    assert load_config(training.arguments[3], training.arguments[4:]).compute.accelerate == "none"


def test_the_gentle_forms_of_rise_have_the_grpo_rate_of_visual_rft() -> None:
    tuned = {"rise": Setting(0.5, 2e-4, 1e-4), "visual_rft": Setting(grpo_learning_rate=2e-5)}
    assert setting_of("short_gentle", tuned) == setting_of("true_gentle", tuned) == Setting(0.5, 2e-4, 2e-5)
    assert setting_of("short_gentle", {"rise": tuned["rise"]}) == tuned["rise"]


def test_an_ablation_has_the_setting_of_its_form_of_rise() -> None:
    tuned = {"rise": Setting(0.3), "rise_sft": Setting(sft_learning_rate=1e-4), "sft": Setting(0.9)}
    assert setting_of("tau_65", tuned) == tuned["rise"]
    assert setting_of("sft_all", tuned) == tuned["rise_sft"]
    assert setting_of("sft_early", tuned) == tuned["sft"]
    assert setting_of("grounded_as_rise", tuned) == tuned["rise"]
    assert setting_of("rise_as_grounded", tuned) == Setting()
    assert setting_of("rise_as_grounded", tuned | {"rise_grounded": Setting(0.1)}) == Setting(0.1)
    assert setting_of("visual_rft", tuned) == Setting()
    rise = {"rise": Setting(0.3, 5e-4)}
    assert setting_of("sft_all", rise) == setting_of("rise_sft", rise) == rise["rise"]


def test_methods_without_trials_are_named(tmp_path: Path) -> None:
    tuned = {"4-shot": {"rise": Setting(0.5, 2e-4, 5e-5)}}
    study = Study(tmp_path, shots=("4-shot", "full"), methods=("base", "rise", "tau_65", "sft"), tuned=tuned)
    assert untuned_methods(study) == ["rise at full", "tau_65 at full", "sft at 4-shot", "sft at full"]
    assert untuned_methods(replace(study, tuned={})) == []


@pytest.mark.parametrize("setting", ["reward.variant=js", "grpo.temperature=0.7", "grpo.max_cot_length=40"])
def test_a_setting_that_would_reach_the_teacher_of_one_side_is_refused(tmp_path: Path, setting: str) -> None:
    study = Study(tmp_path, methods=("rise", "visual_rft"))
    refuse_unshared([setting], study.jobs())
    for unfair in ("reason_rft_best", "r1_base_cots", "rise_foreign"):
        jobs = replace(study, methods=("rise", unfair)).jobs()
        refuse_unshared(["compute.accelerate=none", "grpo.beta=0.1"], jobs)
        with pytest.raises(
            ConfigError, match=f"--set {re.escape(setting.partition('=')[0])}: .* not be fair"
        ):
            refuse_unshared([setting], jobs)


def test_equal_time(tmp_path: Path) -> None:
    """RISE: 40 x 2 s + 10 s of collecting + 40 x 0.5 s + 40 x 1 s = 150 s; so 300 steps of SFT at 0.5 s."""
    rates = {
        "rise_cot.grpo": 2.0,
        "collect": 10.0,
        "rise_r1.sft": 0.5,
        "rise_r1.grpo": 1.0,
        "sft.sft": 0.5,
        "visual_rft.grpo": 1.25,
        "reason_rft.sft": 0.5,
        "reason_rft.grpo": 1.0,
        "base_cots": 30.0,
        "metis_rise.grpo": 1.0,
        "metis_rise.sft": 0.5,
    }
    (tmp_path / "calibration.json").write_text(json.dumps({"moods": {"4-shot": rates}}))
    study = Study(
        tmp_path, shots=("4-shot",), methods=("rise", "sft", "visual_rft", "reason_rft", "metis_rise", "base")
    )
    expected = {"sft": 300, "visual_rft": 120, "reason_rft": 160, "metis_rise": 80}
    assert time_steps(study) == {"4-shot": expected}
    assert time_steps(study) == {"4-shot": expected}  # from the file that it wrote


def test_a_job_that_was_killed_is_no_measurement(tmp_path: Path) -> None:
    folder, job = JobFolder(tmp_path), Job("collect", "collect", ("collect",))
    folder.write(job, 5.2, done=False)
    assert folder.seconds("collect") == 5.2 and folder.done_seconds("collect") is None
    folder.write(job, 61.0, done=True)
    assert folder.done_seconds("collect") == 61.0


@pytest.mark.parametrize(
    ("ran_before", "told"),
    [
        ((), r"4-shot RISE has none of .* there is no equal time: leave these shots out \(--shots\)"),
        (("rise",), r"4-shot SFT has none of sft\.sft\. .* leave the method out \(--method\)"),
    ],
)
def test_equal_time_needs_measured_steps(tmp_path: Path, ran_before: tuple[str, ...], told: str) -> None:
    study = Study(tmp_path, shots=("4-shot",), methods=("sft",), seeds=1)
    for method in ran_before:
        ran(study, method, 0)
    with pytest.raises(PrerequisiteError, match=rf"{told}\.$") as caught:
        time_steps(study, keep=False)
    assert "--budget steps first" in str(caught.value)


def ran(study: Study, method: str, seed: int, last: str = "", exit_code: int | None = 1) -> None:
    """Leave behind what the trainings of a method do, up to one that did not end well: 2 s per step."""
    chosen, cell = find_method(method), study.cell(method, study.shots[0], seed)
    for job in chosen.trainings(cell):
        name = job.name.rpartition("/")[2]
        if name == last:
            study.jobs_folder.write(job, 9.0, done=False, exit_code=exit_code)
            return
        study.jobs_folder.write(job, 9.0, done=True, exit_code=0)
        rows = [
            {"phase": section, "step": step, "time": 2.0 * step}
            for training, section in chosen.phases
            if training == name
            for step in (1, 2, 3)
        ]
        rows += [row | {"step": 4, "train_runtime": 9.0} for row in rows if row["step"] == 3]
        cell.run(name).mkdir(parents=True, exist_ok=True)
        (cell.run(name) / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))


def test_seconds_are_recorded_once_nothing_of_equal_steps_is_left_to_start(tmp_path: Path) -> None:
    study = Study(tmp_path, shots=("4-shot",), methods=("rise", "sft"), seeds=2)
    ran(study, "rise", 0)
    ran(study, "sft", 0)
    measured = time_steps(study, keep=False)
    for seed_1, left in (((), "rise_cot"), (("rise",), "sft")):
        for method in seed_1:
            ran(study, method, 1, last="collect")
        with pytest.raises(PrerequisiteError, match=rf"seed-1/{left}: .* with --budget steps first"):
            time_steps(study)
    assert not (tmp_path / "calibration.json").exists()
    ran(study, "sft", 1)
    assert time_steps(study) == measured and (tmp_path / "calibration.json").exists()
    assert time_steps(replace(study, seeds=3)) == measured  # as recorded


@pytest.mark.parametrize("exit_code", [None, 1, -9])
@pytest.mark.parametrize("job", ["rise_cot", "collect", "rise_r1", "sft"])
def test_only_a_failure_excuses_a_seed(tmp_path: Path, job: str, exit_code: int | None) -> None:
    """A job that was stopped, or runs on a cluster, has a record without an exit code."""
    study = Study(tmp_path, shots=("4-shot",), methods=("rise", "sft"), seeds=2)
    for seed in (0, 1):
        for method in study.methods:
            ran(study, method, seed, last=job if seed else "", exit_code=exit_code)
    with (
        pytest.raises(PrerequisiteError, match=rf"seed-1/{job}: .* neither finished nor failed")
        if exit_code is None
        else nullcontext()
    ):
        time_steps(study)
    assert (tmp_path / "calibration.json").exists() == (exit_code is not None)


def test_seconds_are_not_recorded_while_another_process_runs_jobs(tmp_path: Path) -> None:
    study = Study(
        tmp_path, shots=("4-shot",), methods=("rise", "sft"), seeds=1, budget="time", train=8, test=4
    )
    for method in study.methods:
        ran(replace(study, budget="steps"), method, 0)
    plan = planned(study)
    with locked_folder(study.jobs_folder.path, study.jobs_folder.path), pytest.raises(BusyError):
        run_study(plan, at_once=1, drawing=lambda *_: None, progress=lambda _: None)
    run_study(plan, at_once=0, drawing=lambda *_: None, progress=lambda _: None)
    assert not (tmp_path / "calibration.json").exists()


def test_equal_time_has_the_plan_of_equal_steps(tmp_path: Path) -> None:
    study = Study(tmp_path, shots=("4-shot",), methods=("rise", "sft"), seeds=1, train=8, test=4)
    for method in study.methods:
        ran(study, method, 0)
    keep_identity(tmp_path)
    keep_plan(tmp_path, "moods/steps", study.plan)
    other = planned(replace(study, budget="time", steps=240))
    with pytest.raises(ConfigError, match=r"another study of moods/steps: steps 240 instead of 120\. Choose"):
        run_study(other, at_once=1, drawing=lambda *_: None, progress=lambda _: None)
    assert not (tmp_path / "calibration.json").exists()
    assert prepare(replace(study, budget="time"), lambda *_: None)
    assert prepare(replace(study, budget="paper", steps=200), lambda *_: None)


def test_seconds_a_step_is_that_of_whole_steps(tmp_path: Path) -> None:
    """A killed run logs a long gap, and the last line is as late as the end of training."""
    times = [(1, 0.0), (2, 1.0), (3, 2.0), (4, 50.0), (5, 51.0)]
    lines = [{"phase": "sft", "step": step, "time": time} for step, time in times]
    lines.append({"phase": "sft", "step": 6, "time": 90.0, "train_runtime": 40.0})
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert seconds_a_step(tmp_path, "sft") == 1.0
    assert seconds_a_step(tmp_path, "grpo") is None
