"""Warm processes: torch is loaded when they start, they are like others, and they end with their starter."""

import os
import signal
import subprocess
import sys
import time
from multiprocessing import Pipe

import pytest

from rise_bench.processes import warm
from rise_bench.processes.warm import _context

from ..support.commands import Command, is_running, run_command

PROBE = """
import atexit, gc, json, os, random, sys
import numpy
atexit.register(print, "bye")
preloaded = "torch" in sys.modules and gc.get_freeze_count() > 100_000
print(json.dumps([sys.argv[1:], os.environ.get("A_VARIABLE"), preloaded, os.getcwd()]))
print(random.random(), numpy.random.random(), file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def probe(tmp_path, monkeypatch):
    (tmp_path / "probe_of_warm.py").write_text(PROBE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    return "probe_of_warm"


def test_it_is_a_process_as_any_other(probe, tmp_path):
    env = {**os.environ, "A_VARIABLE": "a value"}
    first, second = (run_command(probe, code, "b c", env=env) for code in (0, 3))
    assert (first.returncode, second.returncode) == (0, 3)
    line, last = first.stdout.splitlines()
    assert line == f'[["0", "b c"], "a value", true, "{tmp_path}"]'
    assert last == "bye"
    assert len(set(first.stderr.split() + second.stderr.split())) == 4  # no two draw the same numbers


def test_a_killed_one_says_so(probe):
    with Command("http.server", "0", env={**os.environ}) as command:
        command.send_signal(signal.SIGKILL)
        assert command.wait(10) == -signal.SIGKILL


NESTED = """
import os, time
from pathlib import Path
from rise_bench.processes.warm import Warm
start = lambda module: Warm(module, ["0"], environment=os.environ, stdout=Path("out"), stderr=Path("err"))
server, other = start("http.server"), start("probe_of_warm")
print(other.wait(30), server.poll(), flush=True)
"""


def test_one_that_ends_leaves_the_others_of_its_starter_alone(probe, tmp_path):
    """Both are forks of a warm process, and so is what that process does when it exits."""
    (tmp_path / "nested_warm.py").write_text(NESTED)
    assert run_command("nested_warm", env={**os.environ}).stdout == "0 None\n"


def test_beside_a_gpu_nothing_is_forked(tmp_path, monkeypatch):
    assert _context(os.environ).get_start_method() == "forkserver"
    monkeypatch.setattr(warm, "_GPU_DEVICES", (tmp_path,))
    assert _context(os.environ).get_start_method() == "spawn" and not warm.is_warm()


def test_both_outputs_may_be_one_pipe_which_ends_with_the_process(probe):
    outlet, inlet = Pipe(duplex=False)
    process = warm.Warm(probe, ["0"], environment=os.environ, stdout=inlet, stderr=inlet)
    inlet.close()
    with outlet, open(outlet.fileno(), "rb", closefd=False) as file:
        assert len(file.read().splitlines()) == 3
    assert process.wait(10) == 0


STARTER = """
import os, sys, time
from pathlib import Path
from rise_bench.processes import warm
warm.PRELOADED.clear()
process = warm.Warm("http.server", ["0"], environment=os.environ, stdout=Path("out"), stderr=Path("err"))
print(process.pid, flush=True)
time.sleep(float(sys.argv[1]))
"""


@pytest.mark.parametrize("how", ["killed", "returns"])
def test_it_ends_with_its_starter(tmp_path, monkeypatch, how):
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-c", STARTER, "60" if how == "killed" else "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        pid = int(starter.stdout.readline())
        if how == "killed":
            os.kill(pid, 0)
            starter.kill()
    deadline = time.monotonic() + 30
    while is_running(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)
