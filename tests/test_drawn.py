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


@pytest.mark.parametrize(
    ("name", "sha256"),
    [
        ("moods", "87cf5710ec831a235c1d2eed461a0b0ff08b8d3aee8ef27e0b798d15bb4689a6"),
        ("scenes", "0774df637b6b267a1846d7fbe1737fa6ab2bdbcfdcbeb5907ae9889b8d297f3d"),
        ("kinds", "1a045d1f3db7892eb738de149a41ca036661e1b3de56ca0d6738935644db4e43"),
    ],
)
def test_pictures_and_annotations_are_the_same_bytes_everywhere(
    name: str, sha256: str, tmp_path: Path
) -> None:
    """The board compares runs by this hash; where a version draws otherwise, its number must change too."""
    assert draw(tmp_path / name, train=12, test=6, seed=0).sha256 == sha256


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
