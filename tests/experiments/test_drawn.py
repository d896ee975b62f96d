"""A drawn folder is opened again, and only as what it is."""

import inspect
import math
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.errors import ConfigError
from rise_bench.experiments.dataset import draw
from rise_bench.synthetic import exact
from rise_bench.synthetic import vocabulary as cues


def drawn(folder: Path, *, train: int = 8, seed: int = 0) -> BenchmarkDataset:
    return draw(folder / "moods", train=train, test=2, seed=seed)


def test_a_seed_has_its_own_pictures(tmp_path: Path) -> None:
    first, second = (drawn(tmp_path / str(seed), seed=seed) for seed in (0, 1))
    assert first.sha256 != second.sha256
    assert first.golds("test")[0].annotation != second.golds("test")[0].annotation


HASHES = {
    "moods": "d945359e1d59d0871b0666718842031609f219a833bf89b79bd0de3eefcac955",
    "scenes": "55253364cf46dacf3d89707cf287027343a11ad455b9ce694cc6f36faed89e80",
    "kinds": "228d46244f99515fa649f3486fc8482a89039971e6746b7f83d59c49eab78f27",
    "drawn_counting": "4ba18bc6b3a4cf5459e2d0c55b0039d334c62c5f32f4e222a75761ae67dddfa8",
    "drawn_changes": "c1706140ad11d95c8bfaa8adcba3fa22d0ab969c2a45c79e70cce567358a09ac",
}
INEXACT = ("sin", "cos", "tan", "exp", "log", "pow", "hypot", "atan2", "arctan2", "power", "float_power")


def digest(name: str) -> str:
    import hashlib

    from rise_bench.catalog.parts import parts_of
    from rise_bench.synthetic.rows import drawn_rows

    content = hashlib.sha256()
    for split, count in (("train", 12), ([*parts_of(name).values()][-1], 6)):
        for row in drawn_rows(name, split, count):
            jpeg, annotation = row.render()
            content.update(jpeg + repr((row.source_id, row.question, row.category, annotation)).encode())
            content.update(b"".join(row.render_further()))
    return content.hexdigest()


@pytest.mark.parametrize("name", HASHES)
def test_pictures_and_annotations_are_the_same_bytes_everywhere(name: str) -> None:
    """The board compares runs by their bytes; where they change, `DRAWING_VERSION` or `VERSIONS` must too."""
    assert digest(name) == HASHES[name]


def test_drawing_calls_nothing_that_rounds_differently_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """What numpy and the C library round to within an ulp differs between processors and versions of them."""

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("not the same bits on every machine")

    for name in INEXACT:
        for module in (np, math):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, refuse)
    assert {name: digest(name) for name in HASHES} == HASHES


PROBE = (
    inspect.getsource(digest)
    + """
import numpy as np
print(hash(np.sin(np.linspace(-60, 60, 100_000, dtype=np.float32)).tobytes()))
for name in ("moods", "scenes", "kinds", "drawn_counting", "drawn_changes"):
    print(digest(name))
"""
)


def test_processors_with_and_without_vector_instructions_draw_the_same_bytes() -> None:
    """numpy falls back to its plain loops, whose sines are other bits where the processor has any vectors."""
    features = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])

    def probe(disabled: Sequence[str]) -> list[str]:
        env = os.environ | {"PYTHONHASHSEED": "0", "NPY_DISABLE_CPU_FEATURES": " ".join(disabled)}
        command = [sys.executable, "-c", PROBE]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.split()

    with_vectors, without = probe([]), probe(features)
    if features and platform.machine().lower() in {"x86_64", "amd64"}:
        assert with_vectors[0] != without[0], "the switch changes nothing, so that this test shows nothing"
    assert with_vectors[1:] == without[1:] == list(HASHES.values())


def test_the_exact_functions_are_near_the_usual_ones() -> None:
    angles = np.linspace(-90, 90, 20_001)
    assert np.abs(exact.sin(angles) - np.sin(angles)).max() < 1e-7
    assert np.abs(exact.cos(angles) - np.cos(angles)).max() < 1e-7
    assert exact.exp(-1.5) == pytest.approx(math.exp(-1.5), rel=1e-15)
    grain = exact.noise(np.random.Generator(np.random.PCG64(0)), 500)
    assert grain.mean() == pytest.approx(0, abs=0.01)
    assert grain.std() == pytest.approx(1, abs=0.01)


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
    made = cues.world_version("moods")
    monkeypatch.setattr(cues, "DRAWING_VERSION", "other")
    with pytest.raises(ConfigError, match=f"version {re.escape(made)}, unlike this run"):
        drawn(tmp_path)
