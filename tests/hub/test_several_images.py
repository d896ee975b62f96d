"""Datasets with several pictures a row: published, joined again, exported."""

import io
import json
from pathlib import Path

import pytest
from datasets import DatasetDict, Image, load_dataset
from PIL import Image as PilImage

import rise_bench
from rise_bench.cot.check import check_folder
from rise_bench.cot.writer import CotPlan, write_cots
from rise_bench.data.dataset import open_dataset
from rise_bench.data.hub_files import commit_of
from rise_bench.errors import ConfigError
from rise_bench.export.writers import export
from rise_bench.hub.find import find
from rise_bench.hub.publish import publish
from rise_bench.hub.rehydrate import MissingImagesError

from ..support.minihub import Minihub
from ..support.pairs import write_pairs
from .conftest import Source, rollout


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """Two pictures a row, which may not be republished, and a chain of thought of each training row."""
    folder = tmp_path_factory.mktemp("pairs")
    dataset = write_pairs(folder, images="reference")
    best = {gold.id: rollout(folder / "rollouts", gold.id, 1.0) for gold in dataset.golds("train")}
    write_cots(CotPlan(dataset, "full", best, provenance=lambda group: {"model": "tiny"}), folder / "cots")
    return Source(folder / "source", dataset.root, folder / "cots")


def encoded(rows: DatasetDict) -> dict[str, list[dict]]:
    return {name: of.cast_column("images", [Image(decode=False)]).to_list() for name, of in rows.items()}


@pytest.mark.parametrize("part", ["benchmark", "cots"])
def test_rehydrated_rows_are_the_built_rows(alice: Minihub, pairs: Source, tmp_path: Path, part: str) -> None:
    folder = getattr(pairs, part)
    assert check_folder(folder) == []
    publish(folder, "rise/pairs")
    bare = find("rise/pairs").folder
    assert check_folder(bare) == []
    assert [row["images"] for row in load_dataset(str(bare), split="train")] == [None] * 6
    assert "so the `images` column is null" in (bare / "README.md").read_text()
    rows = rise_bench.rehydrate("rise/pairs", pairs.images, out=tmp_path / "out")
    assert encoded(rows) == encoded(load_dataset(str(folder)))
    assert check_folder(tmp_path / "out") == []


def test_a_missing_second_picture_is_named_and_its_row_left_out(
    alice: Minihub, pairs: Source, tmp_path: Path
) -> None:
    publish(pairs.benchmark, "rise/pairs")
    for path in pairs.images.rglob("*.jpg"):
        if path != pairs.images / "after" / "3.jpg":
            target = tmp_path / "some" / path.relative_to(pairs.images)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    with pytest.raises(MissingImagesError) as error:
        rise_bench.rehydrate("rise/pairs", tmp_path / "some", out=tmp_path / "out")
    (missing,) = error.value.missing
    assert (missing.id, missing.source_id) == ("pairs/03", "after/3.jpg")
    rows = rise_bench.rehydrate("rise/pairs", tmp_path / "some", out=tmp_path / "out", allow_missing=True)
    assert rows["train"].num_rows == 5 and "pairs/03" not in rows["train"]["id"]


def test_a_published_card_shows_the_pictures_side_by_side(alice: Minihub, tmp_path: Path) -> None:
    publish(write_pairs(tmp_path).root, "rise/pairs")
    commit = alice.repos["dataset", "rise/pairs"].commits[commit_of("rise/pairs")]
    assets = [alice.blobs[f.sha256] for path, f in commit.tree.items() if path.startswith("assets/")]
    assert assets
    for data in assets:
        with PilImage.open(io.BytesIO(data)) as shown:
            assert (shown.format, shown.size) == ("PNG", (56 + 8 + 56, 56))


def test_exports_hold_both_pictures_and_a_mark_for_each(pairs: Source, tmp_path: Path) -> None:
    built = {row["id"]: row for row in open_dataset(pairs.benchmark).rows("train")}
    assert export(pairs.cots, tmp_path / "trl", "trl") == 6
    rows = load_dataset(str(tmp_path / "trl"), split="train").cast_column("images", [Image(decode=False)])
    both = [[picture["bytes"] for picture in row["images"]] for row in rows]
    assert sorted(both) == sorted([picture["bytes"] for picture in row["images"]] for row in built.values())
    for form, text in (("messages", lambda r: r["messages"][0]["content"]), ("vlm_r1", None)):
        export(pairs.cots, tmp_path / form, form)
        for line in (tmp_path / form / "train.jsonl").read_text().splitlines():
            row = json.loads(line)
            said = text(row) if text else row["conversations"][0]["value"]
            assert said.startswith("<image><image>") and said.count("<image>") == 2
            names = row["images"] if text else [f"images/{name}" for name in row["image"]]
            assert len(set(names)) == 2 and all((tmp_path / form / name).is_file() for name in names)
    with pytest.raises(ConfigError, match="2 images per row, but Visual-RFT reads one"):
        export(pairs.cots, tmp_path / "visual_rft", "visual_rft")
    assert not (tmp_path / "visual_rft").exists()
