"""Two processes of a sweep, killed again and again: no sample is lost, none is there twice.

`RISE_BENCH_KILLS=20 python -m pytest -s tests/cot/engines/test_kills.py` prints the requests that
were sent for nothing; without the variable there are 2 kills.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from rise_bench.cot.dataset import open_cots
from rise_bench.cot.row_log import read_rows

from ...support.openai_server import OpenAIServer, serve
from ...support.plain_data import write_plain
from .test_datatrove import answer

SAMPLES, CONCURRENCY = 2, 4
REQUESTS = 1 + SAMPLES
KILLS = int(os.environ.get("RISE_BENCH_KILLS", "2"))


def processes_of(out: Path) -> list[int]:
    """The ranks of datatrove: leaders of a session whose command line names the folder of the rollouts."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            pid = int(path.parent.name)
            if f"{out}.rollouts".encode() in path.read_bytes() and os.getsid(pid) == pid:
                found.append(pid)
        except OSError:
            continue
    return found


def start(options, **environment):
    command = [sys.executable, "-m", "rise_bench", *map(str, options)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, env=os.environ | environment, **quiet)


class Sweep:
    """A sweep of two ranks, by datatrove or by two processes of the command."""

    def __init__(self, engine, benchmark, out, url):
        options = ["--samples", SAMPLES, "--concurrency", CONCURRENCY, "--endpoint", url, "--model", "m"]
        options = ["collect", "--benchmark", benchmark.root, "--out", out, *options, "--json"]
        self.out, self.commands = out, []
        if engine == "datatrove":
            self.commands = [start([*options, "--engine", "datatrove", "--tasks", 2])]
        else:
            for rank in range(2):
                self.commands.append(start(options, RANK=str(rank), WORLD_SIZE="2"))

    def kill(self, chance):
        """Kill one of the processes, or the command that has started ranks, and wait for the end."""
        victims = processes_of(self.out) + [command.pid for command in self.commands]
        with suppress(ProcessLookupError):  # it may have ended by itself
            os.kill(chance.choice(victims), signal.SIGKILL)
        for command in self.commands[1:]:
            command.kill()  # the own loop goes on without the other: stop it, too
        return [command.wait(300) for command in self.commands]

    def wait(self):
        return [command.wait(300) for command in self.commands]


def killed_again_and_again(engine, rows, kills, tmp_path):
    benchmark = write_plain(tmp_path / "plain", rows)
    out, chance = tmp_path / "cots", random.Random(0)

    def slow(key, prompt):
        time.sleep(0.01)
        return answer(key, prompt)

    with serve(OpenAIServer(slow)) as server:
        done = 0
        while done < kills:
            sweep, before = Sweep(engine, benchmark, out, server.url), server.answered
            step = max(1, rows * REQUESTS // (kills + 2))
            while server.answered < before + step and any(c.poll() is None for c in sweep.commands):
                time.sleep(0.005)
            sweep.kill(chance)
            done += 1
            while processes_of(out):
                time.sleep(0.02)
        assert Sweep(engine, benchmark, out, server.url).wait()[0] == 0
        Sweep(engine, benchmark, out, server.url).wait()
    counts = Counter(row["id"] for row, *_ in read_rows([tmp_path / "cots.rollouts"]))
    assert len(counts) == rows and set(counts.values()) == {SAMPLES}
    assert sorted(row["id"] for row in open_cots(out).rows()) == sorted(counts)
    needed = rows * REQUESTS
    wasted = server.answered - needed
    sys.stdout.write(f"{engine}: {kills} kills, {server.answered} requests for {needed}, {wasted} wasted\n")
    return wasted


@pytest.mark.parametrize("engine", ["datatrove", "builtin"])
def test_kills(engine, tmp_path):
    wasted = killed_again_and_again(engine, 15 * KILLS, KILLS, tmp_path)
    assert 0 <= wasted <= KILLS * 2 * CONCURRENCY * REQUESTS
