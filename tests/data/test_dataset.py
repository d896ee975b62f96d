"""Opening a dataset folder, and finding the one of a benchmark where it is said to be looked for."""

import dataclasses
import json
import logging
from pathlib import Path

import pytest

from rise_bench.annotations.boxes.values import Boxes
from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.data.build_plan import SourcePlan, SourceRow
from rise_bench.data.dataset import open_dataset
from rise_bench.data.manifest import read_manifest, write_manifest
from rise_bench.data.writer import write_dataset
from rise_bench.errors import ConfigError, DataError
from rise_bench.files.paths import cache_folder
from rise_bench.hub.find import find_benchmark

from ..support.made_sources import boxes_plan, distribution_plan, photo


def lisa_plan(seed: int = 0) -> SourcePlan:
    rows = [
        SourceRow(f"lisa/{i}", f"{i}", photo(10 * seed + i), Boxes(((1, 2, 3, 4),)), question="What?")
        for i in range(3)
    ]
    return SourcePlan(get_benchmark("lisa"), rows[:2], rows[2:])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_dataset(distribution_plan(tmp_path / "source", train=40, test=5), tmp_path / "out")
    return tmp_path / "out"


def test_golds_are_what_was_written(tmp_path: Path) -> None:
    plan = boxes_plan(tmp_path / "source")
    write_dataset(plan, tmp_path / "out")
    dataset = open_dataset(str(tmp_path / "out"))
    golds = {gold.id: gold for split in ("train", "test") for gold in dataset.golds(split)}
    assert {i: (g.annotation, g.category) for i, g in golds.items()} == {
        row.id: (row.annotation, row.category) for row in plan.rows
    }
    assert dataset.spec == plan.spec
    assert dataset.sha256 == dataset.manifest.content_sha256


def test_rows_of_a_configuration_are_part_of_the_next(folder: Path) -> None:
    dataset = open_dataset(folder)
    few, more, full = (
        [row["id"] for row in dataset.rows("train", config, columns=["id"])]
        for config in ("4-shot", "16-shot", "full")
    )
    assert (len(few), len(full)) == (12, 40)
    assert full[: len(more)] == more
    assert more[: len(few)] == few
    assert [row["id"] for row in dataset.rows("test", "4-shot", columns=["id"])] == [
        row["id"] for row in dataset.rows("test", columns=["id"])
    ]


def test_unknown_split_and_configuration_name_those_that_exist(folder: Path) -> None:
    dataset = open_dataset(folder)
    with pytest.raises(ConfigError, match="train, test"):
        dataset.golds("val")
    with pytest.raises(ConfigError, match="4-shot, 16-shot, full"):
        dataset.golds("train", "8-shot")


def break_manifest(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text()) | changes
    content.pop("manifest_sha256")  # an edit that is meant; manifests of version 0.1.0 have none
    path.write_text(json.dumps(content))


def test_folder_that_is_no_complete_dataset_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no manifest\.json.*rise-bench build"):
        open_dataset(tmp_path)
    shard = folder / "data" / "test-00000.parquet"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-10])
    with pytest.raises(DataError, match=rf"test-00000\.parquet has {len(whole) - 10} bytes"):
        open_dataset(folder)
    shard.unlink()
    with pytest.raises(DataError, match="is missing"):
        open_dataset(folder)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"schema_version": 99}, "schema_version 99"),
        ({"surprise": 1}, "surprise"),
        ({"counts": {"train": "many"}}, "counts.train"),
        ({"images": "maybe"}, "images"),
        ({"spec": {"name": "x"}}, "spec"),
    ],
)
def test_manifest_of_another_make_is_refused(folder: Path, changes: dict[str, object], problem: str) -> None:
    break_manifest(folder, **changes)
    with pytest.raises(DataError, match=problem):
        open_dataset(folder)


def test_manifest_that_is_no_json_is_refused(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")
    with pytest.raises(DataError, match="is not JSON"):
        open_dataset(folder)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder named by RISE_BENCH_DATA, and an empty cache."""
    monkeypatch.setenv("RISE_BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("RISE_BENCH_REVISION", raising=False)
    return tmp_path


def test_environment_comes_before_the_cache_and_the_log_says_where(
    places: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rise_bench")
    write_dataset(lisa_plan(0), cache_folder("lisa"))
    cached = find_benchmark("lisa")
    assert cached.root == cache_folder("lisa")
    assert "(cache folder)" in caplog.messages[-1]
    write_dataset(lisa_plan(1), places / "data" / "lisa")
    named = find_benchmark("lisa")
    assert named.root == places / "data" / "lisa"
    assert "(RISE_BENCH_DATA)" in caplog.messages[-1]
    assert named.sha256 != cached.sha256


def test_cache_folder_is_the_user_s(places: Path) -> None:
    assert cache_folder("lisa") == places / "cache" / "rise-bench" / "lisa"


def test_nowhere_is_an_error_that_says_where_it_looked(places: Path) -> None:
    with pytest.raises(DataError) as caught:
        find_benchmark("lisa")
    for said in (
        str(places / "data" / "lisa"),
        str(cache_folder("lisa")),
        "rise-bench build lisa --source DIR",
    ):
        assert said in str(caught.value)
    with pytest.raises(DataError, match="run `rise-bench build moods`$"):  # drawn, from no source
        find_benchmark("moods")


def test_name_outside_the_catalogue_is_looked_for_locally(places: Path) -> None:
    with pytest.raises(DataError, match="no dataset 'mine'.*rise-bench build"):
        find_benchmark("mine")
    write_dataset(distribution_plan(places / "source"), places / "data" / "shades")
    assert find_benchmark("shades").spec.name == "shades"


def test_folder_under_a_wrong_name_is_refused(places: Path) -> None:
    write_dataset(lisa_plan(), places / "data" / "emotion6")
    with pytest.raises(DataError, match="holds 'lisa', expected 'emotion6'"):
        find_benchmark("emotion6")


def test_dataset_without_its_images_names_the_ways_to_get_them(places: Path) -> None:
    folder = places / "data" / "lisa"
    write_dataset(lisa_plan(), folder)
    manifest = read_manifest(folder).model_copy(update={"images": "reference"})
    write_manifest(folder, manifest)
    with pytest.raises(DataError, match=r"without its images.*rise-bench build lisa.*rehydrate"):
        find_benchmark("lisa")
    assert open_dataset(folder).manifest.images == "reference"  # golds alone can be read


def test_spec_travels_in_the_manifest(tmp_path: Path) -> None:
    plan = distribution_plan(tmp_path / "source")
    spec = dataclasses.replace(plan.spec, license="mit", question="Größer?")
    write_dataset(dataclasses.replace(plan, spec=spec), tmp_path / "out")
    assert open_dataset(tmp_path / "out").spec == spec
