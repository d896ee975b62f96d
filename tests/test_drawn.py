"""A drawn folder is opened again, and only as what it is."""

import re
from pathlib import Path

import pytest

from rise_bench.builders.world import cues
from rise_bench.dataset import BenchmarkDataset
from rise_bench.drawn import draw
from rise_bench.errors import ConfigError


def drawn(folder: Path, *, train: int = 8, seed: int = 0) -> BenchmarkDataset:
    return draw(folder / "moods", train=train, test=2, seed=seed)


def test_the_same_is_opened_and_not_drawn_again(tmp_path: Path) -> None:
    before = drawn(tmp_path)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert drawn(tmp_path).sha256 == before.sha256
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == written


def test_another_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn(tmp_path)
    with pytest.raises(ConfigError, match=r"holds \{'train': 8, 'test': 2\} rows .* choose another --out"):
        drawn(tmp_path, train=9)
    with pytest.raises(ConfigError, match="of seed 0 and version"):
        drawn(tmp_path, seed=1)
    made = cues.VERSIONS["moods"]
    monkeypatch.setitem(cues.VERSIONS, "moods", f"{made}-other")
    with pytest.raises(ConfigError, match=f"version {re.escape(made)}, not what is asked for"):
        drawn(tmp_path)
