"""A sweep as tasks of Ray on this machine; skipped where Ray is not installed, which no extra asks for."""

import pytest
from typer.testing import CliRunner

from rise_bench.cli import app
from rise_bench.cot.dataset import open_cots

from ...support.openai_server import OpenAIServer, serve
from ...support.plain_data import write_plain
from .test_datatrove import answer

ray = pytest.importorskip("ray", reason="Ray is not installed")


@pytest.mark.slow
def test_ranks_of_ray_write_the_same_dataset(tmp_path):
    benchmark, hashes = write_plain(tmp_path / "plain", 20), []
    with serve(OpenAIServer(answer)) as server:
        for name in ("builtin", "ray"):
            command = ["collect", "--benchmark", benchmark.root, "--out", tmp_path / name, "--model", "m"]
            command += ["--endpoint", server.url, "--samples", 2, "--json"]
            engine = ["--engine", "datatrove", "--executor", "ray", "--tasks", 2] if name == "ray" else []
            done = CliRunner().invoke(app, [*map(str, command), *map(str, engine)])
            assert done.exit_code == 0, (done.output, done.exception)
            hashes.append(open_cots(tmp_path / name).manifest.content_sha256)
    ray.shutdown()
    assert hashes[0] == hashes[1]
    assert server.answered == 2 * 20 * 3
