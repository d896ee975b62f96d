"""A written folder is complete, loads with `datasets`, and is the same whoever writes it."""

import dataclasses
import filecmp
import re
import subprocess
import sys
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

import rise_bench
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.catalog.benchmarks import BENCHMARKS, get_benchmark
from rise_bench.data import shards
from rise_bench.data.build_plan import SourcePlan, SourceRow
from rise_bench.data.check import check_dataset
from rise_bench.data.dataset import open_dataset
from rise_bench.data.writer import IN_BOTH_SPLITS, write_dataset
from rise_bench.errors import ConfigError, DataError, PrerequisiteError

from ..support.made_sources import (
    boxes_plan,
    distribution_plan,
    photo,
    with_comment,
    write_csv,
    write_photo,
)


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def plan(tmp_path: Path) -> SourcePlan:
    return distribution_plan(tmp_path / "source", train=60, test=9)


def test_every_configuration_loads_offline(tmp_path: Path, plan: SourcePlan) -> None:
    manifest = write_dataset(plan, tmp_path / "out")
    assert manifest.counts == {"train": 60, "test": 9}
    for config, rows in {"4-shot": 12, "16-shot": 48, "full": 60}.items():
        train = datasets.load_dataset(
            str(tmp_path / "out"), config, split="train", cache_dir=str(tmp_path / "c")
        )
        test = datasets.load_dataset(
            str(tmp_path / "out"), config, split="test", cache_dir=str(tmp_path / "c")
        )
        assert (len(train), len(test)) == (rows, 9)
        assert isinstance(train[0]["image"], Image.Image)
        assert train.features["label"].names == ["red", "green", "blue"]
        if config != "full":
            labels = train["label"]
            assert [labels[:].count(i) for i in range(3)] == [rows // 3] * 3
    default = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "c"))
    assert default["id"][:12] == train["id"][:12]  # without a name it is `full`


def test_a_dataset_of_version_0_1_0_is_checked_and_read(tmp_path: Path, plan: SourcePlan) -> None:
    """It called the configuration `full` `default`."""
    write_dataset(plan, tmp_path / "out")
    for name in ("README.md", "eval.yaml"):
        file = tmp_path / "out" / name
        file.write_text(re.sub(r"(config(?:_name)?: )full", r"\1default", file.read_text()))
        assert "default\n" in file.read_text()
    assert check_dataset(tmp_path / "out") == []
    assert len(open_dataset(tmp_path / "out").golds("train", "default")) == 60
    assert len(rise_bench.load(str(tmp_path / "out"), "default", split="train")) == 60


def test_image_bytes_are_the_source_s(tmp_path: Path, plan: SourcePlan) -> None:
    write_dataset(plan, tmp_path / "out")
    dataset = open_dataset(tmp_path / "out")
    stored = {row["id"]: row["image"] for split in ("train", "test") for row in dataset.rows(split)}
    for row in plan.rows:
        assert isinstance(row.image, Path)
        assert stored[row.id] == {"bytes": row.image.read_bytes(), "path": row.image.name}


def test_boxes_load_as_the_hub_s_detection_datasets(tmp_path: Path) -> None:
    write_dataset(boxes_plan(tmp_path / "source"), tmp_path / "out")
    rows = datasets.load_dataset(
        str(tmp_path / "out"), "16-shot", split="test", cache_dir=str(tmp_path / "c")
    )
    row = rows[1]
    assert (row["width"], row["height"]) == row["image"].size == (48, 36)
    assert row["objects"]["bbox"] == [[1.25, 2.5, 20.0, 15.75], [30.0, 20.0, 17.5, 16.0]]
    names = rows.features["objects"]["category"].feature.names
    assert [names[i] for i in row["objects"]["category"]] == ["hair drier"] * 2
    assert check_dataset(tmp_path / "out") == []


def test_same_bytes_at_one_and_at_two_workers(
    tmp_path: Path, plan: SourcePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "SHARD_BYTES", 20_000)  # several files, several row groups
    monkeypatch.setattr(shards, "GROUP_BYTES", 5_000)
    write_dataset(plan, tmp_path / "one", workers=1)
    write_dataset(plan, tmp_path / "two", workers=2)
    assert len(list((tmp_path / "one" / "data").iterdir())) > 4
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert check_dataset(tmp_path / "one") == []


def test_identity_does_not_depend_on_the_file_layout(
    tmp_path: Path, plan: SourcePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = write_dataset(plan, tmp_path / "whole")
    monkeypatch.setattr(shards, "SHARD_BYTES", 5_000)
    cut = write_dataset(plan, tmp_path / "cut")
    assert whole.files.keys() != cut.files.keys()
    assert whole.content_sha256 == cut.content_sha256
    first = dataclasses.replace(plan.train[0], annotation=Distribution(plan.spec.classes, (0.2, 0.3, 0.5)))
    other = dataclasses.replace(plan, train=[first, *plan.train[1:]])
    assert write_dataset(other, tmp_path / "other").content_sha256 != whole.content_sha256


def test_another_seed_is_another_few_shot_set(tmp_path: Path, plan: SourcePlan) -> None:
    for seed in (0, 1):
        write_dataset(plan, tmp_path / str(seed), seed=seed)
    zero, one = (
        {row["id"] for row in open_dataset(tmp_path / str(seed)).rows("train", "4-shot", columns=["id"])}
        for seed in (0, 1)
    )
    assert zero != one


def test_few_shots_of_the_whole_dataset(tmp_path: Path, plan: SourcePlan) -> None:
    """LISA has no classes: 4-shot is 4 samples in all."""
    spec = dataclasses.replace(plan.spec, shots_per="dataset")
    write_dataset(dataclasses.replace(plan, spec=spec), tmp_path / "out")
    dataset = open_dataset(tmp_path / "out")
    assert [len(dataset.golds("train", config)) for config in ("4-shot", "16-shot", "full")] == [4, 16, 60]


def test_parquet_is_hardly_larger_than_photos(tmp_path: Path) -> None:
    source = tmp_path / "source"
    plan = distribution_plan(source, train=8, test=4)
    for i, row in enumerate(plan.rows):
        assert isinstance(row.image, Path)
        row.image.write_bytes(photo(i, (640, 480), quality=95))
    manifest = write_dataset(plan, tmp_path / "out")
    source_bytes = sum(path.stat().st_size for path in source.glob("*.jpg"))
    assert source_bytes < sum(entry.bytes for entry in manifest.files.values()) <= 1.05 * source_bytes


def test_card_and_eval_yaml(tmp_path: Path, plan: SourcePlan) -> None:
    spec = dataclasses.replace(
        plan.spec, license="cc-by-4.0", source_url="https://example.org", images="embed"
    )
    full = dataclasses.replace(
        plan,
        spec=dataclasses.replace(spec, paper_counts=(61, 9)),
        drops={"no face": ["a.jpg", "b.jpg"]},
        notes=["Drawn at night."],
    )
    write_dataset(full, tmp_path / "out", seed=3)
    card = (tmp_path / "out" / "README.md").read_text()
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["license"] == "cc-by-4.0"
    assert [config["config_name"] for config in head["configs"]] == ["4-shot", "16-shot", "full"]
    assert head["size_categories"] == ["n<1K"]
    for said in (
        "| train | 60 | 61 |",
        "train has 60 rows, the paper 61",
        "2 left out of the source: no face",
        "`a.jpg`, `b.jpg`",
        "Drawn at night.",
        "seed 3",
        "| uniform |",
        "https://example.org",
        'load_dataset("DIR", "4-shot", split="train")',
    ):
        assert said in card
    assert "Do not publish" not in card
    task = yaml.safe_load((tmp_path / "out" / "eval.yaml").read_text())
    assert task["tasks"] == [{"id": "rise_shades", "config": "full", "split": "test"}]
    assert task["evaluation_framework"] == "lmms-eval"


def test_card_warns_where_images_may_not_be_republished(tmp_path: Path, plan: SourcePlan) -> None:
    write_dataset(plan, tmp_path / "out")
    own = (tmp_path / "out" / "README.md").read_text()
    assert "if they may be republished, build with `--images embed`" in own and "Do not publish" not in own
    listed = dataclasses.replace(plan, spec=dataclasses.replace(plan.spec, name="emotion6"))
    write_dataset(listed, tmp_path / "listed")
    assert "Do not publish this folder" in (tmp_path / "listed" / "README.md").read_text()


@pytest.mark.parametrize("missing", ["train", "test"])
def test_a_dataset_may_lack_a_split(tmp_path: Path, plan: SourcePlan, missing: str) -> None:
    write_dataset(dataclasses.replace(plan, **{missing: []}), tmp_path / "out")
    assert check_dataset(tmp_path / "out") == []
    there = "test" if missing == "train" else "train"
    loaded = datasets.load_dataset(str(tmp_path / "out"), "full", cache_dir=str(tmp_path / "c"))
    assert list(loaded) == [there]


def test_incomplete_source_needs_leave_and_is_marked(tmp_path: Path, plan: SourcePlan) -> None:
    partial = dataclasses.replace(plan, shortfalls=["3 images are missing, e.g. x.jpg"])
    with pytest.raises(DataError, match=r"3 images are missing.*--allow-partial"):
        write_dataset(partial, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]
    manifest = write_dataset(partial, tmp_path / "out", allow_partial=True)
    assert manifest.partial
    card = (tmp_path / "out" / "README.md").read_text()
    assert "incomplete source" in card
    assert "3 images are missing, e.g. x.jpg" in card


def test_an_image_with_many_rows_is_one_near_duplicate(tmp_path: Path) -> None:
    first = write_photo(tmp_path / "a.jpg", 1)
    other = tmp_path / "b.jpg"
    other.write_bytes(with_comment(first.read_bytes(), "other bytes"))
    box = Boxes(((5.0, 5.0, 20.0, 20.0),))
    train, test = (
        [SourceRow(f"two/{path.stem}/{name}", path.name, path, box, name) for name in ("cat", "dog")]
        for path in (first, other)
    )
    plan = SourcePlan(get_benchmark("coco_sub"), train, test, ("cat", "dog"))
    assert write_dataset(plan, tmp_path / "out", workers=1).near_duplicate_pairs == 1


def test_image_of_both_splits_leaves_train(tmp_path: Path, plan: SourcePlan) -> None:
    """Compared by content: names differ, and a picture of equal size in bytes is no copy."""
    source = tmp_path / "source"
    (source / "0.jpg").write_bytes((source / "60.jpg").read_bytes())
    (source / "1.jpg").write_bytes(with_comment((source / "61.jpg").read_bytes(), "other bytes"))
    manifest = write_dataset(plan, tmp_path / "out")
    assert manifest.counts == {"train": 59, "test": 9}
    assert manifest.drops[IN_BOTH_SPLITS] == ("0.jpg (labels.csv line 2)",), "no folder of this machine"
    assert manifest.near_duplicate_pairs == 1
    assert manifest.near_duplicates[0].train_id == "shades/001"
    assert manifest.near_duplicates[0].test_id == "shades/061"
    assert check_dataset(tmp_path / "out") == []


def test_copies_within_a_split_stay(tmp_path: Path, plan: SourcePlan) -> None:
    (tmp_path / "source" / "0.jpg").write_bytes((tmp_path / "source" / "1.jpg").read_bytes())
    assert write_dataset(plan, tmp_path / "out").counts == {"train": 60, "test": 9}


def test_size_is_as_shown_and_boxes_are_judged_by_it(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    plan = boxes_plan(tmp_path / "source", train=2, test=0)
    upright = dataclasses.replace(
        plan.train[0],
        image=photo(0, (100, 40), exif=exif),
        annotation=Boxes(((5, 60, 30, 40),)),
        size_px=(40, 100),
    )
    write_dataset(dataclasses.replace(plan, train=[upright]), tmp_path / "out")
    [gold] = open_dataset(tmp_path / "out").golds("train")
    assert (gold.width_px, gold.height_px) == (40, 100)
    sideways = dataclasses.replace(upright, size_px=(100, 40))
    with pytest.raises(DataError, match="40 x 100 px, the source says 100 x 40"):
        write_dataset(dataclasses.replace(plan, train=[sideways]), tmp_path / "bad")


@pytest.mark.parametrize(
    ("break_it", "problem"),
    [
        (
            lambda path: path.write_bytes(path.read_bytes()[:300]),
            r"7\.jpg \(labels\.csv line 9\).*get the file",
        ),
        (lambda path: path.write_text("<html>"), r"7\.jpg \(labels\.csv line 9\).*not an image"),
        (lambda path: path.unlink(), r"7\.jpg \(labels\.csv line 9\).*missing"),
    ],
    ids=["torn", "not an image", "missing"],
)
def test_bad_image_is_named_and_nothing_is_left(tmp_path: Path, plan: SourcePlan, break_it, problem) -> None:
    break_it(tmp_path / "source" / "7.jpg")
    with pytest.raises(DataError, match=problem):
        write_dataset(plan, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


def test_bad_truth_is_named_and_nothing_is_left(tmp_path: Path, plan: SourcePlan) -> None:
    bad = dataclasses.replace(plan.train[5], annotation=Distribution(plan.spec.classes, (0.5, 0.6, 0.1)))
    with pytest.raises(DataError, match=r"5\.jpg \(labels\.csv line 7\).*sum to 1\.2"):
        write_dataset(dataclasses.replace(plan, train=[*plan.train[:5], bad]), tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


def test_double_id_unknown_class_and_empty_plan_are_errors(tmp_path: Path) -> None:
    plan = boxes_plan(tmp_path / "source")
    twice = dataclasses.replace(
        plan, train=[*plan.train, dataclasses.replace(plan.train[0], image=photo(77))]
    )
    with pytest.raises(DataError, match="'things/000' appears twice"):
        write_dataset(twice, tmp_path / "out")
    alien = dataclasses.replace(plan, train=[dataclasses.replace(plan.train[0], category="cap")])
    with pytest.raises(DataError, match="unknown class 'cap'"):
        write_dataset(alien, tmp_path / "out")
    with pytest.raises(DataError, match="no row"):
        write_dataset(dataclasses.replace(plan, train=[], test=[]), tmp_path / "out")


def test_what_stands_in_the_folder_is_kept_unless_overwrite(tmp_path: Path, plan: SourcePlan) -> None:
    first = write_dataset(plan, tmp_path / "out")
    with pytest.raises(ConfigError, match="--overwrite"):
        write_dataset(plan, tmp_path / "out", seed=1)
    assert open_dataset(tmp_path / "out").manifest == first
    second = write_dataset(plan, tmp_path / "out", seed=1, overwrite=True)
    assert open_dataset(tmp_path / "out").manifest == second != first


def test_full_disk_is_said_and_gone_on_from(
    tmp_path: Path, plan: SourcePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(PrerequisiteError, match="No space left.*make room"):
        patch.setattr("rise_bench.data.writer.write_card", full_disk)
        write_dataset(plan, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    done: list[int] = []
    write_dataset(plan, tmp_path / "out", progress=lambda n, _: done.append(n))
    assert done == [69]


def test_unreadable_image_is_named(tmp_path: Path, plan: SourcePlan) -> None:
    (tmp_path / "source" / "7.jpg").unlink()
    (tmp_path / "source" / "7.jpg").mkdir()
    with pytest.raises(DataError, match=r"7\.jpg \(labels\.csv line 9\): the image cannot be read"):
        write_dataset(plan, tmp_path / "out")


def test_progress_counts_every_image(tmp_path: Path, plan: SourcePlan) -> None:
    seen: list[tuple[int, int]] = []
    write_dataset(plan, tmp_path / "out", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, 69) for n in range(70)]


@pytest.fixture
def interrupted(tmp_path: Path, plan: SourcePlan) -> Path:
    """Working folder of a build of `out` that was interrupted."""

    def stop(done: int, total: int) -> None:
        if done == 55:  # 4-shot (12 rows) and 16-shot (36) are written, the rest is not
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(plan, tmp_path / "out", progress=stop)
    return tmp_path / ".out.partial"


def test_finished_files_of_an_interrupted_run_are_kept(
    tmp_path: Path, plan: SourcePlan, interrupted: Path
) -> None:
    before = (interrupted / "data" / "train-16-shot-00000.parquet").stat()
    assert not (tmp_path / "out").exists()
    started: list[int] = []
    write_dataset(plan, tmp_path / "out", progress=lambda done, _: started.append(done))
    assert started[0] == 48
    assert (tmp_path / "out" / "data" / "train-16-shot-00000.parquet").stat().st_ino == before.st_ino
    write_dataset(plan, tmp_path / "fresh")
    assert tree(tmp_path / "out") == tree(tmp_path / "fresh")


@pytest.mark.parametrize("change", ["image", "truth", "torn shard"])
def test_finished_files_are_not_kept_when_something_changed(
    tmp_path: Path, plan: SourcePlan, interrupted: Path, change: str
) -> None:
    if change == "image":
        for row in plan.train:
            assert isinstance(row.image, Path)
            row.image.write_bytes(photo(500 + int(row.image.stem)))
    elif change == "truth":
        changed = Distribution(plan.spec.classes, (0.05, 0.05, 0.9))
        plan = dataclasses.replace(
            plan, train=[dataclasses.replace(r, annotation=changed) for r in plan.train]
        )
    else:
        shard = interrupted / "data" / "train-4-shot-00000.parquet"
        shard.write_bytes(shard.read_bytes()[:-1] + b"X")
    write_dataset(plan, tmp_path / "out")
    write_dataset(plan, tmp_path / "fresh")
    assert tree(tmp_path / "out") == tree(tmp_path / "fresh")
    assert check_dataset(tmp_path / "out") == []


def test_kill_at_any_step_leaves_nothing_that_looks_complete(tmp_path: Path) -> None:
    """SIGKILL before each step that changes the disk, and within each file; then a rerun must complete."""
    script = Path(__file__).parents[1] / "support" / "kill_at_every_step.py"
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    kills = int(done.stdout.split()[-1])
    assert kills > 40  # every mkdir, open for writing, rename and removal, with and without --overwrite


#: Runs the command and prints its own peak. `ru_maxrss` of a child would count the memory of the test runner
#: that it was forked from.
PEAK = """
import atexit, re, sys
from pathlib import Path
from rise_bench.cli import main
status = Path("/proc/self/status")
atexit.register(lambda: print(re.search(r"VmHWM:\\s*(\\d+) kB", status.read_text())[1]))
main()
"""


def peak_kib(arguments: list[str]) -> int:
    command = [sys.executable, "-c", PEAK, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    """80 and 240 files of 0.6 MB: 96 MB more to write, a fixed window to hold."""
    picture = photo(0, (200, 150))
    peaks = []
    for count in (80, 240):
        source = tmp_path / f"source{count}"
        source.mkdir()
        for i in range(count):
            (source / f"{i}.jpg").write_bytes(with_comment(picture, f"{i} of {count}") + bytes(600_000))
        write_csv(source / "labels.csv", ["file", "label"], [(f"{i}.jpg", "ab"[i % 2]) for i in range(count)])
        command = ["build", "custom", "--name", "photos"]
        command += ["--source", str(source), "--annotations", "labels.csv", "--workers", "2"]
        peaks.append(peak_kib([*command, "--out", str(tmp_path / f"out{count}")]))
    assert peaks[1] < 700 * 1024
    assert peaks[1] - peaks[0] < 30 * 1024, peaks


def test_real_photos(tmp_path: Path, shared_data: Path) -> None:
    """COCO's own files: size within 5%, bytes as they were, nothing found by the check."""
    from rise_bench.builders import coco_sub

    plan = coco_sub.plan(shared_data / "coco", pool="train+val")
    manifest = write_dataset(plan, tmp_path / "out", allow_partial=True)
    source_bytes = sum(row.image.stat().st_size for row in plan.rows if isinstance(row.image, Path))
    assert sum(entry.bytes for entry in manifest.files.values()) <= 1.05 * source_bytes
    assert check_dataset(tmp_path / "out") == []
    for row in open_dataset(tmp_path / "out").rows("test"):
        [path] = (shared_data / "coco").glob(f"*/{row['image']['path']}")
        assert row["image"]["bytes"] == path.read_bytes()


def test_table_of_the_catalogue_is_buildable() -> None:
    """Every spec has features, so a builder for it cannot fail at the last step."""
    from rise_bench.data.schema import features

    for spec in BENCHMARKS.values():
        assert set(features(spec)) >= {"id", spec.image_column, "problem", "solution", "shot_rank", "license"}


def test_parquet_metadata_has_no_image_statistics(tmp_path: Path, plan: SourcePlan) -> None:
    """Statistics of an image column would copy images into the footer."""
    write_dataset(plan, tmp_path / "out")
    group = pq.read_metadata(tmp_path / "out" / "data" / "test-00000.parquet").row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert columns["image.bytes"].statistics is None
    assert columns["image.bytes"].compression == "UNCOMPRESSED"
    assert not any("DICTIONARY" in encoding for encoding in columns["image.bytes"].encodings)
    assert filecmp.cmp(tmp_path / "source" / "60.jpg", tmp_path / "source" / "60.jpg", shallow=False)
