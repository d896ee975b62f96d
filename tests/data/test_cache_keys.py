"""Whatever `datasets` has cached of another folder, or of an older build, a reader gets what is there now."""

import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset
from PIL import Image

import rise_bench
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.cot.dataset import open_cots
from rise_bench.data.build_plan import SourcePlan, SourceRow
from rise_bench.data.dataset import open_dataset
from rise_bench.data.manifest import read_manifest
from rise_bench.data.writer import write_dataset
from rise_bench.export.writers import export
from rise_bench.hub.rehydrate import rehydrate
from rise_bench.tasks import data as task_data
from rise_bench.trainers.data.training_data import open_training_data
from rise_bench.trainers.settings.config import DataConfig

from .test_hostile_datasets import edit, write_small_cots


def flat(level: int, number: int) -> bytes:
    """A picture of one grey level; all have the same number of bytes."""
    encoded = io.BytesIO()
    Image.new("RGB", (8, 8), (level, level, number)).save(encoded, "BMP")
    return encoded.getvalue()


def build(out: Path, *, classes: tuple[str, ...] = ("cat", "dog"), level: int = 40) -> Path:
    """A benchmark whose pictures are all of one level."""
    spec = BenchmarkSpec("pets", "distribution", "accuracy", "Which pet?", classes, images="embed")
    rows = [
        SourceRow(
            f"pets/{n}", f"{n}.bmp", flat(level, n), Distribution(classes, (float(n % 2), float(1 - n % 2)))
        )
        for n in range(8)
    ]
    write_dataset(SourcePlan(spec, rows[:6], rows[6:]), out, workers=1, overwrite=True)
    return out


def like_names(folder: Path, config: str = "full", split: str = "train") -> list[str]:
    return list(load_dataset(str(folder), config, split=split).features["label"].names)


@pytest.mark.parametrize("config", ["full", "4-shot", "16-shot"])
def test_two_folders_of_one_name_are_told_apart(tmp_path: Path, config: str) -> None:
    first = build(tmp_path / "a" / "out")
    second = build(tmp_path / "b" / "out", classes=("fly", "owl"))
    assert [like_names(folder, config) for folder in (first, second)] == [["cat", "dog"], ["fly", "owl"]]


@pytest.mark.parametrize("change", [{"classes": ("fly", "owl")}, {"level": 200}])
def test_a_rebuild_in_place_is_seen(tmp_path: Path, change: dict[str, Any]) -> None:
    folder = build(tmp_path / "out")
    before = load_dataset(str(folder), split="test")
    after = load_dataset(str(build(folder, **change)), split="test")
    assert (before.features["label"], before[0]["image"]) != (after.features["label"], after[0]["image"])


def cots_of(benchmark: Path, out: Path) -> Path:
    write_small_cots(benchmark, out, out.parent / f"{out.name}.rollouts")
    return out


@pytest.mark.parametrize("config", ["default", "high"])
def test_chains_of_thought_of_two_runs_are_told_apart(tmp_path: Path, config: str) -> None:
    """Every run calls its folder `cots`."""
    folders = [
        cots_of(build(tmp_path / name / "data", classes=classes), tmp_path / name / "cots")
        for name, classes in (("a", ("cat", "dog")), ("b", ("fly", "owl")))
    ]
    assert [like_names(folder, config) for folder in folders] == [["cat", "dog"], ["fly", "owl"]]
    for form in ("trl",):
        for folder in folders:
            export(folder, folder.parent / form, form, config=config)
        texts = [str(load_dataset(str(folder.parent / form), split="train")["prompt"]) for folder in folders]
        assert ["cat" in text for text in texts] == [True, False]


def as_in_0_1_0(folder: Path) -> None:
    """Take the hash out of the card, as version 0.1.0 wrote it."""
    card = folder / "README.md"
    lines = card.read_text().splitlines(keepends=True)
    card.write_text("".join(line for line in lines if "files sha256" not in line))


READERS: dict[str, Callable[[Path], int]] = {
    "training": lambda folder: (
        open_training_data(DataConfig(benchmark=str(folder))).pictures(0)[0].getpixel((0, 0))[0]
    ),
    "rise_bench.load": lambda folder: rise_bench.load(str(folder), split="train")[0]["image"].getpixel(
        (0, 0)
    )[0],
}


@pytest.mark.parametrize("reader", READERS)
def test_our_readers_give_no_older_pictures_at_equal_names_times_and_sizes(
    tmp_path: Path, reader: str
) -> None:
    """As `cp -p`, `rsync -t` and `tar` leave them; cards are as version 0.1.0 wrote them."""
    folder, seen = tmp_path / "out", []
    for level in (40, 200):
        build(folder, level=level)
        as_in_0_1_0(folder)
        for path in folder.rglob("*"):
            os.utime(path, (1_700_000_000, 1_700_000_000))
        seen.append(READERS[reader](folder))
    assert seen == [40, 200]


def test_tasks_hand_out_a_cache_of_their_own_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISE_BENCH_DATA", str(tmp_path))
    monkeypatch.setenv("RISE_BENCH_CUSTOM", "pets")
    given = []
    for level in (40, 200):
        build(tmp_path / "moods", level=level)
        edit(tmp_path / "moods", lambda m: m["spec"].update(name="moods") or m.update(rows_sha256=None))
        for path in (tmp_path / "moods").rglob("*"):
            os.utime(path, (1_700_000_000, 1_700_000_000))
        arguments = task_data.files__moods
        given.append(load_dataset("parquet", **arguments)["test"][0]["image"].getpixel((0, 0))[0])
    assert given == [40, 200]


def test_rehydrated_and_published_folders_are_told_apart(tmp_path: Path) -> None:
    """One without images and one with them have the same rows and the same name."""
    built = build(tmp_path / "built")
    images = tmp_path / "images"
    images.mkdir()
    for n in range(8):
        (images / f"{n}.bmp").write_bytes(flat(40, n))
    from rise_bench.hub.publish import stage

    (tmp_path / "work").mkdir()
    edit(built, lambda m: m["spec"].update(images="reference"))
    _, files = stage(built, "org/pets", tmp_path / "work")
    bare = tmp_path / "a" / "pets"
    for file in files:
        target = bare / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.source if isinstance(file.source, bytes) else file.source.read_bytes())
    assert load_dataset(str(bare), split="train")[0]["image"] is None
    filled = tmp_path / "b" / "pets"
    assert rehydrate(bare, images, out=filled)["train"][0]["image"].size == (8, 8)
    assert load_dataset(str(filled), split="train")[0]["image"].size == (8, 8)
    assert read_manifest(filled).content_sha256 == read_manifest(bare).content_sha256


def test_a_card_of_version_0_1_0_still_loads(tmp_path: Path) -> None:
    folder = build(tmp_path / "out")
    as_in_0_1_0(folder)
    assert "sha256" not in json.dumps((folder / "README.md").read_text().split("---\n")[1])
    assert len(load_dataset(str(folder), split="train")) == 6
    cots = cots_of(folder, tmp_path / "cots")
    as_in_0_1_0(cots)
    assert len(load_dataset(str(cots), "high", split="train")) == len(list(open_cots(cots).rows("high"))) == 6
    assert open_dataset(shutil.copytree(folder, tmp_path / "copy")).sha256 == open_dataset(folder).sha256
