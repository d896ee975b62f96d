"""Bit flips and exchanged files: whatever reads a truth refuses them, and says which file and what to do."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rise_bench.cli import app
from rise_bench.cot.dataset import open_cots
from rise_bench.data.dataset import BenchmarkDataset, open_dataset
from rise_bench.data.writer import write_dataset
from rise_bench.errors import DataError, RiseError
from rise_bench.evaluation.score_run import score_baselines
from rise_bench.files import atomic as storage
from rise_bench.files.atomic import sha256_once
from rise_bench.leaderboards.verification.gold_board import load_gold
from rise_bench.trainers.data.training_data import open_training_data
from rise_bench.trainers.settings.config import DataConfig

from ..support.made_sources import distribution_plan
from .test_hostile_datasets import edit, write_small_cots

FLIPS = 20
SHARDS = ("data/test-00000.parquet", "data/train-4-shot-00000.parquet", "data/train-16-shot-00000.parquet")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    for name, train in (("dataset", 20), ("other", 21)):
        write_dataset(distribution_plan(root / f"source of {name}", train=train), root / name, workers=1)
    write_small_cots(root / "dataset", root / "cots", root / "rollouts")
    return root


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "dataset", tmp_path / "dataset"))


def read_all(dataset: BenchmarkDataset) -> object:
    return [dataset.golds(split) for split in dataset.manifest.counts]


def flip(path: Path, bit: int) -> bytes:
    """Flip one bit of a file; returns the bytes from before."""
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[bit // 8] ^= 1 << bit % 8
    path.write_bytes(changed)
    return whole


@pytest.mark.parametrize("name", [*SHARDS, "manifest.json"])
def test_any_flipped_bit_is_refused(folder: Path, name: str) -> None:
    path, draw = folder / name, random.Random(name)
    bits = 8 * path.stat().st_size
    for bit in [0, 7, bits - 1, *(draw.randrange(bits) for _ in range(FLIPS))]:
        whole = flip(path, bit)
        with pytest.raises(DataError, match=path.name):
            read_all(open_dataset(folder))
        path.write_bytes(whole)
    read_all(open_dataset(folder))


READERS: dict[str, Callable[[Path], object]] = {
    "truths": lambda folder: open_dataset(folder).golds("test"),
    "rows": lambda folder: list(open_dataset(folder).rows("test")),
    "floors": lambda folder: score_baselines(open_dataset(folder), resamples=0),
    "the leaderboard": lambda folder: load_gold(open_dataset(folder)),
}


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_of_truths_refuses_an_exchanged_shard(made: Path, folder: Path, reader: str) -> None:
    """A file of another dataset, padded to the size that the manifest states, is not taken."""
    path = folder / SHARDS[0]
    data = (made / "other" / SHARDS[0]).read_bytes()
    size = path.stat().st_size
    path.write_bytes((data + b"\0" * size)[:size])
    with pytest.raises(DataError, match=r"test-00000\.parquet was changed.*copy the folder again"):
        READERS[reader](folder)


def test_training_refuses_a_flipped_bit(folder: Path) -> None:
    open_training_data(DataConfig(benchmark=str(folder)))
    flip(folder / SHARDS[1], 4000)
    with pytest.raises(DataError, match="was changed after it was built"):
        open_training_data(DataConfig(benchmark=str(folder)))


def test_chains_of_thought_are_compared_too(made: Path, tmp_path: Path) -> None:
    cots = Path(shutil.copytree(made / "cots", tmp_path / "cots"))
    flip(cots / "data" / "train-high-00000.parquet", 5000)
    with pytest.raises(DataError, match="train-high-00000.parquet was changed"):
        list(open_cots(cots).rows("high"))


@pytest.mark.parametrize(
    "command",
    [
        ["baselines"],
        ["explain", "--id", "shades/020", "--text", "x", "--data"],
        ["export", "--trl", "OUT"],
        ["publish", "--repo", "a/b"],
    ],
)
def test_commands_refuse_a_flipped_bit_and_name_the_file(
    made: Path, folder: Path, tmp_path: Path, command: list[str]
) -> None:
    given, shard = folder, SHARDS[0]
    if command[0] == "export":
        given, shard = (
            Path(shutil.copytree(made / "cots", tmp_path / "cots")),
            "data/train-high-00000.parquet",
        )
    flip(given / shard, 4096)
    name, *rest = (str(tmp_path / "out") if part == "OUT" else part for part in command)
    arguments = [name, *rest, str(given)] if name == "explain" else [name, str(given), *rest]
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, RiseError), done.output
    assert Path(shard).name in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_a_file_is_hashed_once_and_again_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a" * 1000)
    hashed: list[Path] = []

    def counted(path: Path) -> str:
        hashed.append(path)
        return real(path)

    real = storage.sha256_file
    monkeypatch.setattr(storage, "sha256_file", counted)
    monkeypatch.setattr(storage, "_SETTLED_S", -1.0)
    first = sha256_once(path)
    assert (sha256_once(path), len(hashed)) == (first, 1)
    path.write_bytes(b"b" * 1000)
    assert sha256_once(path) != first
    assert len(hashed) == 2


def test_a_file_that_was_just_written_is_hashed_every_time(tmp_path: Path) -> None:
    """The clock of a file system ticks every few milliseconds: within a tick two contents have one time."""
    path = tmp_path / "file"
    seen = set()
    for content in (b"a", b"b", b"c", b"d") * 25:
        path.write_bytes(content)
        seen.add((content, sha256_once(path)))
    assert len(seen) == 4


def test_version_0_1_0_without_a_hash_of_the_manifest_is_compared_by_its_shards(folder: Path) -> None:
    edit(folder, lambda content: content.pop("rows_sha256"))
    assert "manifest_sha256" not in json.loads((folder / "manifest.json").read_text())
    read_all(open_dataset(folder))
    flip(folder / SHARDS[2], 3000)
    with pytest.raises(DataError, match="was changed"):
        read_all(open_dataset(folder))
