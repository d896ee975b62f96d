"""GPUs that `init` plans for: those of the driver that this process may use."""

import subprocess
from types import SimpleNamespace

import pytest

from rise_bench.curation.own import machine
from rise_bench.curation.own.machine import Machine, this_machine

MIB = 2**20


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, Machine(4, 24_000 * MIB)),
        ("2", Machine(1, 80_000 * MIB)),
        ("0,3", Machine(2, 24_000 * MIB)),
        ("GPU-5ebe9f43,GPU-ac33420d", Machine(2, 24_000 * MIB)),
        ("", Machine()),
        ("-1", Machine()),
    ],
)
def test_only_visible_gpus_count(visible, expected, monkeypatch):
    printed = SimpleNamespace(stdout="24000\n40000\n80000\n24000\n")
    monkeypatch.setattr(machine.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: printed)
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert this_machine() == expected
