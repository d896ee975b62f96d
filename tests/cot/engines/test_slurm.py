"""Sweeps as an array job of a real Slurm: a node that dies in the middle, and a refused job."""

import re
import threading
import time
from collections import Counter

import pytest
from typer.testing import CliRunner

from rise_bench.cli import app
from rise_bench.cot.dataset import open_cots
from rise_bench.cot.row_log import read_rows
from rise_bench.errors import ConfigError

from ...support.openai_server import OpenAIServer, serve
from ...support.plain_data import write_plain
from .test_datatrove import answer

ROWS = 24


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    return write_plain(tmp_path_factory.mktemp("plain") / "plain", ROWS)


def collect(benchmark, out, url, *options):
    command = ["collect", "--benchmark", benchmark.root, "--out", out, "--endpoint", url, "--model", "m"]
    engine = ["--engine", "datatrove", "--executor", "slurm", "--concurrency", 2, "--samples", 2, "--json"]
    return CliRunner().invoke(app, [*map(str, [*command, *engine, *options])])


def test_a_sweep_goes_on_after_a_node_died(slurm, monkeypatch, benchmark, tmp_path):
    def slow(key, prompt):
        time.sleep(0.3)
        return answer(key, prompt)

    logs = tmp_path / "cots.rollouts"

    def kill_a_node():
        while len(list(read_rows([logs]))) < 4:
            if ended.wait(0.1):
                return
        slurm.kill("n1")
        slurm.start_requeued()

    slurm.use(monkeypatch)
    ended, killer = threading.Event(), threading.Thread(target=kill_a_node)
    with serve(OpenAIServer(slow)) as server:
        killer.start()
        done = collect(benchmark, tmp_path / "cots", server.url, "--tasks", 2, "--sbatch", "exclusive")
        ended.set()
        killer.join()
    assert done.exit_code == 0, (done.output, done.exception)
    assert re.search(r"Restarts=[1-9]", slurm.run("scontrol", "show", "job"))
    rows = Counter(row["id"] for row, *_ in read_rows([logs]))
    assert set(rows.values()) == {2} and len(rows) == ROWS
    assert len(list(open_cots(tmp_path / "cots").rows())) == ROWS
    needed, asked = ROWS * 3, server.answered
    assert needed <= asked <= needed + 2 * 2  # what was in flight on the node


def test_what_sbatch_refuses_is_said(slurm, monkeypatch, benchmark, tmp_path):
    slurm.use(monkeypatch)
    refused = (("partition=none", "sbatch refused the job"), ("array=0-9", "array is set by"))
    for option, message in (*refused, ("cpus-per-task=4c", "write a whole number of at least 1")):
        done = collect(benchmark, tmp_path / "cots", "http://127.0.0.1:9/v1", "--sbatch", option)
        assert isinstance(done.exception, ConfigError) and message in str(done.exception)
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "0")
    done = collect(benchmark, tmp_path / "cots", "http://127.0.0.1:9/v1")
    assert "start it outside" in str(done.exception)
