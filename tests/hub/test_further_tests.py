"""A dataset with further tests on the Hub: loaded by split, filled with images, found by name."""

from pathlib import Path

import pytest

import rise_bench
from rise_bench.builders import reason_rft as builder
from rise_bench.cot.check import check_folder
from rise_bench.data.dataset import open_dataset
from rise_bench.data.writer import write_dataset
from rise_bench.errors import DataError
from rise_bench.hub.find import find_benchmark
from rise_bench.hub.publish import publish
from rise_bench.leaderboards.verification.gold_board import BoardSettings, load_boards, load_gold

from ..support.made_reason_rft import reason_rft
from ..support.minihub import Minihub


@pytest.fixture
def counting(tmp_path: Path) -> Path:
    plan = builder.plan(reason_rft(tmp_path / "source", "counting"), task="counting")
    write_dataset(plan, tmp_path / "counting", workers=1, allow_partial=True)
    return tmp_path / "counting"


def test_a_further_test_is_loaded_by_its_name(
    alice: Minihub, counting: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = [row["id"] for row in open_dataset(counting).rows("ood", columns=["id"])]
    monkeypatch.setenv("RISE_BENCH_DATA", str(counting.parent))
    built = rise_bench.load("counting_ood")
    assert {split: len(rows) for split, rows in built.items()} == {"train": 3, "test": 3}
    assert rise_bench.load("counting_ood", split="test")["id"] == own
    assert not alice.requests("GET", "/data/"), "it is on this machine"
    monkeypatch.delenv("RISE_BENCH_DATA")
    commit = publish(counting, "rise-bench/rise-counting").commit
    for more in ({}, {"revision": commit}, {"config": "4-shot"}):
        assert rise_bench.load("counting_ood", split="test", **more)["id"] == own
    assert [row["id"] for row in rise_bench.load("counting_ood", split="test", streaming=True)] == own


def test_a_further_test_is_loaded_rehydrated_and_pinned(
    alice: Minihub, counting: Path, tmp_path: Path
) -> None:
    sent = publish(counting, "rise-bench/rise-counting")
    assert len(rise_bench.load("counting", split="ood")) == 3
    few = rise_bench.load("counting", "4-shot")
    assert {split: len(rows) for split, rows in few.items()} == {"train": 3, "test": 3, "ood": 3}
    with pytest.raises(
        DataError, match=r"without its images.*reason_rft --task counting.*rehydrate rise-bench"
    ):
        find_benchmark("counting_ood")
    rise_bench.rehydrate("counting", tmp_path / "source", out=tmp_path / "filled")
    assert check_folder(tmp_path / "filled") == []
    own = open_dataset(counting).part("counting_ood", "ood")
    on_hub = find_benchmark("counting_ood", images=False)
    joined = open_dataset(tmp_path / "filled").part("counting_ood", "ood")
    assert own.sha256 == on_hub.sha256 == joined.sha256
    pin = load_gold(own).pin.model_copy(update={"revision": sent.commit})
    boards = load_boards(BoardSettings(schema_version=1, benchmarks={"counting_ood": pin}), ())
    assert boards["counting_ood"].golds == load_gold(own).golds
