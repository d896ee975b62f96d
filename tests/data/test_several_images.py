"""Rows with several pictures, from the source to the checked folder and its copies."""

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest
from datasets import load_dataset
from PIL import Image

from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.curation.audit.relabel import Change, write_copy
from rise_bench.data.check import check_dataset
from rise_bench.data.dataset import BenchmarkDataset, open_dataset
from rise_bench.data.manifest import read_manifest, write_manifest
from rise_bench.data.pictures import pictures_of
from rise_bench.data.summary import summarize
from rise_bench.data.writer import IN_BOTH_SPLITS, write_dataset
from rise_bench.errors import DataError

from ..support.made_sources import photo, write_photo
from ..support.pairs import pairs_plan, pairs_spec, write_pairs


@pytest.fixture
def pairs(tmp_path: Path) -> BenchmarkDataset:
    return write_pairs(tmp_path)


def test_rows_hold_their_pictures_in_order(pairs: BenchmarkDataset, tmp_path: Path) -> None:
    assert check_dataset(pairs.root) == []
    rows = list(pairs.rows_of(("train", "test")))
    assert len(rows) == 10 and not any("image" in row for row in rows)
    for row in rows:
        number = int(row["id"][-2:])
        files = [tmp_path / "source" / part / f"{number}.jpg" for part in ("before", "after")]
        assert pictures_of(row) == tuple(file.read_bytes() for file in files)
        assert row["source_sha256"].split() == [hashlib.sha256(f.read_bytes()).hexdigest() for f in files]
        assert [picture["path"] for picture in row["images"]] == [f"{number}.jpg"] * 2
        assert (row["width"], row["height"]) == (56, 56)
    shown = load_dataset(str(pairs.root), split="test")[0]["images"]
    assert [type(picture).__mro__[-2] for picture in shown] == [Image.Image] * 2
    assert (
        "`images` (original bytes of 2 images, in order, of one size)"
        in (pairs.root / "README.md").read_text()
    )


def test_only_a_spec_with_several_pictures_says_how_many(pairs: BenchmarkDataset) -> None:
    said = json.loads((pairs.root / "manifest.json").read_text())["spec"]
    assert said["images_per_row"] == 2
    assert BenchmarkSpec.from_json(said).image_column == "images"
    assert "images_per_row" not in get_benchmark("emotion6").to_json()
    with pytest.raises(DataError, match="images_per_row is 0, expected 1 to 16"):
        dataclasses.replace(pairs_spec(), images_per_row=0)


def test_every_picture_counts(pairs: BenchmarkDataset) -> None:
    assert summarize(pairs).images == {"train": 12, "test": 8}


def test_a_killed_build_goes_on_with_the_pictures_of_the_plan(tmp_path: Path) -> None:
    plan = pairs_plan(tmp_path / "source")

    def dies(done: int, total: int) -> None:
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(plan, tmp_path / "out", workers=1, progress=dies)
    write_photo(tmp_path / "source" / "after" / "0.jpg", 77, (56, 56))
    write_dataset(plan, tmp_path / "out", workers=1)
    assert check_dataset(tmp_path / "out") == []
    (first,) = (row for row in open_dataset(tmp_path / "out").rows("train") if row["id"] == "pairs/00")
    assert pictures_of(first)[1] == photo(77, (56, 56))


def test_pictures_of_two_sizes_are_refused(tmp_path: Path) -> None:
    plan = pairs_plan(tmp_path / "source")
    write_photo(tmp_path / "source" / "after" / "3.jpg", 3, (48, 56))
    with pytest.raises(DataError, match=r"3\.jpg: picture 2 is 48 x 56 px, the first 56 x 56; .* one size"):
        write_dataset(plan, tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def test_a_row_with_another_number_of_pictures_is_refused(tmp_path: Path) -> None:
    plan = pairs_plan(tmp_path / "source")
    rows = [dataclasses.replace(plan.train[0], more_images=()), *plan.train[1:]]
    with pytest.raises(DataError, match=r"0\.jpg has 1 images, pairs has 2 a row"):
        write_dataset(dataclasses.replace(plan, train=rows), tmp_path / "out", workers=1)


def test_a_damaged_second_picture_is_named(tmp_path: Path) -> None:
    plan = pairs_plan(tmp_path / "source")
    second = tmp_path / "source" / "after" / "2.jpg"
    second.write_bytes(second.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"after/2\.jpg"):
        write_dataset(plan, tmp_path / "out", workers=1)


def test_a_second_picture_that_is_in_test_leaves_train(tmp_path: Path) -> None:
    plan = pairs_plan(tmp_path / "source")
    write_photo(tmp_path / "source" / "after" / "1.jpg", 8, (56, 56))  # the first picture of row 8, in test
    manifest = write_dataset(plan, tmp_path / "out", workers=1)
    assert manifest.counts == {"train": 5, "test": 4}
    assert [Path(name).name for name in manifest.drops[IN_BOTH_SPLITS]] == ["1.jpg"]
    assert check_dataset(tmp_path / "out") == []


def test_check_finds_other_pictures_than_the_manifest_names(pairs: BenchmarkDataset) -> None:
    manifest = read_manifest(pairs.root)
    turned = {uid: " ".join(reversed(both.split())) for uid, both in manifest.images_sha256.items()}
    write_manifest(pairs.root, manifest.model_copy(update={"images_sha256": turned}))
    problems = {finding.problem for finding in check_dataset(pairs.root)}
    assert "source_sha256 is not the manifest's" in problems


def test_a_copy_with_other_labels_keeps_both_pictures(pairs: BenchmarkDataset, tmp_path: Path) -> None:
    other = next(gold.annotation for gold in pairs.golds("train") if gold.id == "pairs/01")
    write_copy(pairs, tmp_path / "copy", Change({"pairs/00": other}))
    copy = open_dataset(tmp_path / "copy")
    assert check_dataset(copy.root) == []
    before, after = ({row["id"]: row for row in of.rows("train")} for of in (pairs, copy))
    assert {uid: pictures_of(row) for uid, row in before.items()} == {
        uid: pictures_of(row) for uid, row in after.items()
    }
    assert before["pairs/00"]["solution"] != after["pairs/00"]["solution"]
