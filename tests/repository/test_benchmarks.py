"""Benchmarks are run by hand; here they are at least held to the names that they import."""

import importlib
from pathlib import Path

import pytest

pytest.importorskip("trl")

BENCHMARKS = sorted(path.stem for path in (Path(__file__).parents[2] / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_finds_what_it_imports(name: str, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    assert importlib.import_module(name).__doc__
