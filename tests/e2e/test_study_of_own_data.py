"""`rise-bench study` of datasets of the user's own: whatever names them, whatever their kind."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rise_bench.annotations.base import Annotation
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.value.values import Value
from rise_bench.builders import custom
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.cli import app
from rise_bench.data.build_plan import SourcePlan, SourceRow
from rise_bench.data.dataset import open_dataset
from rise_bench.data.writer import write_dataset
from rise_bench.errors import RiseError
from rise_bench.experiments.study.summary import read_results
from rise_bench.models.families import FAMILIES
from rise_bench.models.tiny import make_tiny_model

from ..support.made_sources import photo, write_photo

GRID = ("--shots", "4-shot", "--seeds", "1")
TINY = (*GRID, "--scale", "smoke", "--budget", "paper", "--steps", "1", "--method", "sft", "--method", "base")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own") / "my_photos"
    for number in range(12):
        write_photo(folder / ("cat", "dog")[number % 2] / f"{number}.jpg", number)
    return folder


@pytest.fixture(scope="module")
def recipe(photos: Path) -> Path:
    """What `rise-bench init` makes: a dataset and a recipe."""
    work = photos.parent / "work"
    asked = ["init", str(photos), "--model", "tiny-qwen2_vl", "--out", str(work), "--yes"]
    done = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return work / "rise.yaml"


def study(*options: object) -> str:
    done = CliRunner().invoke(app, ["study", *map(str, options)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def commands(*options: object) -> dict[str, list[str]]:
    """The command of each job of a dry run, without `rise-bench`."""
    listed = json.loads(study(*options, *GRID, "--dry-run", "--json"))["commands"]
    return {name.rpartition("/")[2]: command[1:] for name, command in listed.items()}


def test_own_photos_are_studied_from_their_recipe_to_the_page(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one training step of a tiny random model; a second start names the folder and runs nothing."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    out, model = tmp_path / "study", make_tiny_model(tmp_path / "tiny")
    where = ("--model", model, "--out", out, "--jobs", "2", *TINY)
    rows = {row["method"]: row for row in json.loads(study("--benchmark", recipe, *where, "--json"))}
    assert {"sft", "base", "floor:uniform", "floor:majority_class"} <= rows.keys()
    assert {row["metric"] for row in rows.values()} == {"accuracy"}
    assert all(0 <= rows[name]["accuracy"] <= 1 for name in ("sft", "base"))
    dataset = recipe.parent / "data" / "my_photos"
    assert (out / "data" / "my_photos").resolve() == dataset.resolve()
    page = (out / "study.md").read_text()
    assert "my_photos, as many steps for each phase" in page and "accuracy ↑" in page.lower()
    assert [row.metric for row in read_results(out / "results.jsonl")] == ["accuracy"] * len(rows)

    begun = (out / "study.md").stat().st_mtime_ns
    again = study("--benchmark", dataset, *where, "--dry-run")
    assert again.startswith("0 jobs, 3 done") and (out / "study.md").stat().st_mtime_ns == begun
    other = tmp_path / "other" / "my_photos"
    plan = custom.plan(recipe.parents[1] / "my_photos", name="my_photos", test_fraction=0.5)
    write_dataset(plan, other, workers=1)
    with pytest.raises(RiseError, match=r"another dataset than .*other/my_photos; choose another --out"):
        study("--benchmark", other, *where)


@pytest.mark.parametrize("given", ["recipe", "folder of the recipe", "dataset", "name"])
def test_own_data_is_found_by_recipe_folder_or_name(
    recipe: Path, given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RISE_BENCH_DATA", str(recipe.parent / "data"))
    names = {
        "recipe": recipe,
        "folder of the recipe": recipe.parent,
        "dataset": recipe.parent / "data" / "my_photos",
        "name": "my_photos",
    }
    model = "HuggingFaceTB/SmolVLM-256M-Instruct"
    jobs = commands("--benchmark", names[given], "--model", model, "--out", tmp_path / "study", "--ablations")
    assert {job[3] for job in jobs.values() if job[0] == "train"} >= {"paper/rise_cot", "paper/rise_r1"}
    evaluated = [job for job in jobs.values() if job[0] == "eval"]
    assert {tuple(job[1:5]) for job in evaluated} == {("--tasks", "rise_custom", "--model", "rise_hf")}
    assert "eval_rft_jsd" in jobs and "eval_rft_f1" not in jobs and "eval_reason_rft_oracle" not in jobs
    assert not (tmp_path / "study").exists()


def own(folder: Path, kind: str, metric: str, annotation: Annotation, rows: int = 6) -> Path:
    """Write a dataset of a kind that has no source format, or of any."""
    spec = BenchmarkSpec(folder.name, kind, metric, "{question}" if kind == "value" else "Find it.")
    question = "How many?" if kind == "value" else ""
    made = [
        SourceRow(f"{folder.name}/{n}", str(n), photo(n), annotation, question=question) for n in range(rows)
    ]
    write_dataset(SourcePlan(spec, train=made[2:], test=made[:2]), folder, workers=1)
    return folder


def test_values_and_boxes_of_ones_own_are_planned_with_their_metric_and_unit(tmp_path: Path) -> None:
    """A family that was trained on another unit of boxes is trained and asked in it."""
    asked = ("--model", "Qwen/Qwen2.5-VL-3B-Instruct", "--out", tmp_path / "study", "--ablations")
    counts = own(tmp_path / "how_many", "value", "accuracy", Value("3"))
    jobs = commands("--benchmark", counts, *asked)
    assert "eval_rise" in jobs and "eval_rft_f1" not in jobs and "eval_rft_jsd" not in jobs
    boxes = own(tmp_path / "scratches", "boxes", "ap50", Boxes(((2.0, 3.0, 20.0, 12.0),)))
    jobs = commands("--benchmark", boxes, *asked)
    assert "eval_rft_f1" in jobs
    assert FAMILIES["qwen2_5_vl"].box_unit == "resized_px"
    for job in jobs.values():
        if job[0] == "train":
            assert "model.box_unit=resized_px" in job
        if job[0] == "collect" and "--model" in job:
            assert job[job.index("--box-unit") + 1] == "resized_px"


def test_what_is_missing_is_said_before_anything_starts(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    whole = tmp_path / "whole"
    write_dataset(
        custom.plan(recipe.parents[1] / "my_photos", name="whole", test_fraction=1), whole, workers=1
    )
    unbuilt = tmp_path / "rise.yaml"
    unbuilt.write_text(recipe.read_text().replace("name: my_photos", "name: elsewhere"))
    (tmp_path / "empty").mkdir()
    for given, message in {
        whole: "has no train rows",
        unbuilt: f"is not built; do it with `rise-bench run {unbuilt} --stage build`",
        tmp_path / "none.yaml": "Write one with `rise-bench init`",
        tmp_path / "empty": "manifest.json",
        "no_such": "no dataset 'no_such'",
        "transformation_left": "a further test of transformation",
    }.items():
        with pytest.raises(RiseError) as caught:
            study("--benchmark", given, "--out", tmp_path / "study", *GRID)
        assert message in str(caught.value), given
    rate = ("--tune", "--set", "grpo.learning_rate=1e-4")
    for options, message in (
        (("--measure",), "--dry-run alone estimates this one"),
        (rate, "--set of a learning rate"),
        (("--benchmark", recipe, "--measure", "--jobs", 2), "take the same GPUs; give --jobs 1"),
        (("--benchmark", recipe, "--measure", "--dry-run"), "run nothing"),
        (("--benchmark", recipe, "--measure", "--jobs", 0), "run nothing"),
    ):
        with pytest.raises(RiseError, match=message):
            study(*options, "--out", tmp_path / "study")
    with pytest.raises(RiseError, match="--tune needs validation pictures"):
        study("--benchmark", recipe, "--scale", "world", "--tune", "--out", tmp_path / "study")
    assert not (tmp_path / "study").exists()
    assert open_dataset(recipe.parent / "data" / "my_photos").spec.metric == "accuracy"
