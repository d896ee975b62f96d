"""The jobs of a study: each once, those needed first, no test pictures where settings are chosen."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.main import get_command

from rise_bench.builders.synthetic import plan
from rise_bench.cli import app
from rise_bench.errors import ConfigError
from rise_bench.experiments.ablations import ABLATIONS
from rise_bench.experiments.cell import Cell, Setup
from rise_bench.experiments.job_folder import Job
from rise_bench.experiments.methods import METHODS, find_method, method_jobs
from rise_bench.experiments.study.grid import Study, ablations_for
from rise_bench.experiments.study.setup import keep_identity
from rise_bench.experiments.study.tuning import TUNING_SEED, Tuning
from rise_bench.synthetic.rows import Truth, truth_of
from rise_bench.synthetic.vocabulary import HELD_OUT_PAIRS


def test_jobs_of_a_grid_are_whole_and_shared(tmp_path: Path) -> None:
    study = Study(tmp_path, seeds=2, methods=(*METHODS, *ABLATIONS), budget="paper")
    jobs = study.jobs()
    seen: set[str] = set()
    for job in jobs:
        assert job.name not in seen
        assert set(job.needs) <= seen, job.name
        seen.add(job.name)
    assert (
        sum(_is_training(job, "rise_cot") for job in jobs) == 3 * 2 * 8
    )  # RISE's, the gated and the multiplied one, two of other views, three of Table 5
    made = {job.name: job for job in jobs}
    for seed, shots, method in study.points():  # two jobs of one name would be one, and one of them lost
        assert all(made[job.name] == job for job in method_jobs(study.cell(method, shots, seed), [method]))
    evaluations = [job for job in jobs if job.arguments[0] == "eval"]
    untrained = 2  # the base model in either form, once a seed
    assert len(evaluations) == 3 * 2 * (len(METHODS) + len(ABLATIONS) - untrained) + 2 * untrained
    folders = [
        argument for job in jobs for argument in job.arguments if argument.startswith("run.output_dir=")
    ]
    assert len(folders) == len(set(folders))


def test_the_papers_budget_gives_each_phase_all_steps_and_mixes_with_no_other(tmp_path: Path) -> None:
    study = Study(tmp_path, shots=("4-shot",), seeds=1, methods=tuple(METHODS), budget="paper", steps=200)
    for name, method in METHODS.items():
        assert study.steps_of(name, "4-shot") == dict.fromkeys(method.phases, 200)
    trained = [job for job in study.jobs() if job.arguments[0] == "train"]
    asked = [argument for job in trained for argument in job.arguments if argument.endswith(".steps=200")]
    assert len(asked) == len({phase for method in METHODS.values() for phase in method.phases})
    equal = replace(study, budget="steps", steps=120)
    shared = {job.name for job in study.jobs()} & {job.name for job in equal.jobs()}
    assert {name.rpartition("/")[2] for name in shared} == {"eval_base"}


def test_equal_time_adds_runs_of_the_rivals_only(tmp_path: Path) -> None:
    study = Study(tmp_path, shots=("4-shot",), seeds=1)
    steps = {"4-shot": {name: 50 for name in METHODS if name not in ("rise", "base")}}
    equal = {job.name: job for job in study.jobs()}
    timed = {job.name: job for job in replace(study, budget="time", time_steps=steps).jobs()}
    shared = equal.keys() & timed.keys()
    assert all(equal[name] == timed[name] for name in shared)
    names = {name.rpartition("/")[2] for name in shared}
    of_rise = {
        "rise_cot",
        "collect",
        "rise_r1",
        "eval_rise",
        "rise_cot_grounded",
        "collect_grounded_selected",
        "rise_cot_blind",
        "collect_blind",
    }
    assert names == of_rise | {"base_cots", "base_cots_of_8", "oracle_cots", "eval_base"}
    assert all(name.endswith("-time") for name in timed.keys() - shared)


def test_trials_of_the_papers_budget_have_its_steps_in_each_phase(tmp_path: Path) -> None:
    equal, paper = (Tuning(tmp_path, budget=budget, steps=200) for budget in ("steps", "paper"))
    assert not {job.name for job in equal.jobs()} & {job.name for job in paper.jobs()}
    (trial,) = (job for job in paper.jobs() if job.name.endswith("/rise_r1-3"))
    assert {"sft.steps=200", "grpo.steps=200"} <= set(trial.arguments)


def test_trials_are_trained_with_the_settings_of_the_study(tmp_path: Path) -> None:
    tuning = Tuning(tmp_path, setup=Setup(settings=("grpo.beta=0.1",)))
    trained = [job for job in tuning.jobs() if job.arguments[0] == "train"]
    assert all("grpo.beta=0.1" in job.arguments for job in trained)


def test_trials_share_rise_cot_and_never_see_the_study(tmp_path: Path) -> None:
    tuning, study = Tuning(tmp_path), Study(tmp_path)
    jobs = tuning.jobs()
    assert sum(_is_training(job, "rise_cot") for job in jobs) == 3  # plain, grounded, blind
    assert len([job for job in jobs if job.arguments[0] == "eval"]) == 8 * (len(METHODS) - 1)
    assert not {job.name for job in jobs} & {job.name for job in study.jobs()}
    assert {job.environment["RISE_BENCH_DATA"] for job in jobs} == {str(tuning.data.parent)}
    assert all(f"seed={TUNING_SEED}" in job.arguments for job in jobs if job.arguments[0] == "train")
    assert TUNING_SEED not in range(study.seeds)


@pytest.mark.parametrize("benchmark", ["moods", "scenes", "kinds"])
def test_validation_pictures_are_like_training_pictures_but_others(benchmark: str) -> None:
    made = plan(benchmark, train=12, test=12, seed=3, test_split="validation")  # type: ignore[arg-type]
    assert not {row.image for row in made.train} & {row.image for row in made.test}
    for row in made.test:
        assert "-validation-" in row.source_id
        assert not _pairs(truth_of(row.source_id)) & HELD_OUT_PAIRS
    tested = plan(benchmark, train=12, test=12, seed=3)  # type: ignore[arg-type]
    assert [row.image for row in tested.train] == [row.image for row in made.train]
    assert all(_pairs(truth_of(row.source_id)) & HELD_OUT_PAIRS for row in tested.test)


def test_a_folder_keeps_to_one_base_model(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_text(name)
    keep_identity(tmp_path, tmp_path / "old")
    keep_identity(tmp_path, tmp_path / "old")
    with pytest.raises(ConfigError, match="was begun with the base model"):
        keep_identity(tmp_path, tmp_path / "new")


def test_every_method_starts_from_the_base_model_that_is_given(tmp_path: Path) -> None:
    methods = (*METHODS, *ABLATIONS)
    study = Study(tmp_path, shots=("4-shot",), seeds=1, methods=methods, budget="paper", base="/models/weak")
    for job in study.jobs():
        if job.arguments[0] == "train":
            assert "model.name=/models/weak" in job.arguments, job.name
        if job.arguments[0] in ("collect", "verify") and "--model" in job.arguments:
            assert job.arguments[job.arguments.index("--model") + 1] == "/models/weak", job.name
        if job.name.endswith(("/eval_base", "/eval_base_answer_only")):
            assert any(text.startswith("pretrained=/models/weak,") for text in job.arguments)
    usual = replace(study, base="").jobs()
    assert not any("model.name" in text for job in usual for text in job.arguments)
    assert not any("weak" in text for job in usual for text in job.arguments)


@pytest.mark.parametrize(("benchmark", "threshold"), [("moods", 0.7), ("kinds", 1.18), ("emotion6", 0.7)])
def test_grounded_methods_have_one_threshold_for_reward_selection_and_training(
    benchmark: str, threshold: float
) -> None:
    cell = Cell(Path(benchmark), "full", 0, Path())
    training, collecting, policy = find_method("rise_grounded").trainings(cell)
    assert f"reward.grounded_threshold={threshold}" in training.arguments
    assert collecting.arguments[collecting.arguments.index("--min-groundedness") + 1] == str(threshold)
    assert f"data.min_groundedness={threshold}" in policy.arguments


def test_what_another_writer_says_is_verified_before_it_is_trained_on() -> None:
    cell = Cell(Path("moods"), "full", 0, Path("out"))
    written, scored, policy = find_method("rise_foreign").trainings(cell)
    command = get_command(app)
    for job in (written, scored):
        command.commands[job.arguments[0]].make_context(job.arguments[0], [*job.arguments[1:]])
    assert written.arguments[written.arguments.index("--out") + 1] == scored.arguments[1]
    assert f"data.cots={scored.arguments[scored.arguments.index('--out') + 1]}" in policy.arguments
    assert policy.needs == (scored.name,) and scored.needs == (written.name,)
    everything = find_method("rise_foreign_all").trainings(cell)
    assert everything[:2] == [written, scored] and "data.cot_subset=all" in everything[2].arguments


def test_a_base_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected the folder of a model"):
        keep_identity(tmp_path, tmp_path / "none")


def test_ablations_without_effect_on_a_kind_are_left_out() -> None:
    assert "rft_f1" not in ablations_for("distribution")
    assert "rft_f1" in ablations_for("boxes")
    assert "rft_jsd" in ablations_for("distribution")
    assert "rft_jsd" not in ablations_for("boxes")
    assert "rise_uncounted" in ablations_for("boxes")
    assert "rise_uncounted" not in ablations_for("boxes", "paper"), "it would be RISE a second time"
    assert "rise_foreign" in ablations_for("boxes")
    assert "rise_foreign" not in ablations_for("boxes", drawn=False), "its writer knows drawn pictures only"


def _is_training(job: Job, stage: str) -> bool:
    return job.arguments[:2] == ("train", stage)


def _pairs(truth: Truth) -> set[tuple[str, str]]:
    if isinstance(truth, tuple):
        return {(thing.shape, thing.colour) for thing in truth}
    return {(truth["shape"], truth["colour"])}
