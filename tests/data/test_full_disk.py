"""A disk that takes no more: whoever writes a dataset says where and what to do, and leaves nothing."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rise_bench.data.manifest import read_manifest, write_manifest
from rise_bench.data.writer import write_dataset
from rise_bench.errors import PrerequisiteError
from rise_bench.export.writers import export
from rise_bench.hub.load import load
from rise_bench.hub.publish import preview
from rise_bench.hub.rehydrate import rehydrate_folder

from ..files.test_storage import contents, written_at_most
from ..support.made_sources import distribution_plan
from .test_hostile_datasets import write_small_cots

WRITERS: dict[str, Callable[[Path], object]] = {
    "build": lambda root: write_dataset(distribution_plan(root / "source", train=4), root / "out", workers=1),
    "collect": lambda root: write_small_cots(root / "embed", root / "out", root / "logs"),
    "rehydrate": lambda root: rehydrate_folder(root / "bare", root / "source", out=root / "out"),
    "publish": lambda root: preview(root / "embed", "a/b"),
    "trl": lambda root: export(root / "cots", root / "out", "trl"),
    "messages": lambda root: export(root / "cots", root / "out", "messages"),
    "visual_rft": lambda root: export(root / "cots", root / "out", "visual_rft"),
    "vlm_r1": lambda root: export(root / "cots", root / "out", "vlm_r1"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    write_dataset(distribution_plan(root / "source", train=14, test=3), root / "embed", workers=1)
    write_small_cots(root / "embed", root / "cots", root / "rollouts")
    shutil.copytree(root / "embed", root / "bare")
    write_manifest(root / "bare", read_manifest(root / "bare").model_copy(update={"images": "reference"}))
    return root


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_an_error_with_the_way_on(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    root = Path(shutil.copytree(made, tmp_path / "root"))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    with pytest.raises(PrerequisiteError, match="(?i)too large|no space") as caught, written_at_most(3000):
        WRITERS[name](root)
    assert str(root / "out") in str(caught.value) or str(scratch) in str(caught.value), caught.value
    assert not (root / "out").exists()
    assert contents(scratch) == set()
    if name != "build":  # which goes on where it stopped
        assert not [path for path in root.iterdir() if path.name.startswith(".")]
    assert json.loads((root / "embed" / "manifest.json").read_text())


def test_a_full_cache_of_datasets_is_an_error_with_the_way_on(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path))
    with pytest.raises(PrerequisiteError, match=f"{tmp_path}.*File too large.*start"), written_at_most(3000):
        load(made / "embed")
