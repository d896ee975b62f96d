"""Annotating on ranks of datatrove: the results of this process, and a picture that changes meanwhile."""

import shutil

import pytest
from typer.testing import CliRunner

from rise_bench.cli import app
from rise_bench.cot.engines.runner import pipeline
from rise_bench.cot.engines.settings import EngineSettings
from rise_bench.cot.engines.work import pending_counts
from rise_bench.cot.row_log import read_rows
from rise_bench.curation.annotate.engine import AnnotateWork
from rise_bench.curation.annotate.sampling import Asked, open_questions
from rise_bench.errors import DataError
from rise_bench.models.loading import EndpointSettings
from rise_bench.models.sampler import Sampling

from ...support.openai_server import OpenAIServer, serve
from .conftest import think, write_pictures

NAMES = ("a.png", "b.png", "sub/c.png", "d.png", "e.png")


@pytest.fixture(scope="module")
def server():
    def answer(key, prompt):
        return think(f"[[{int(key[:2], 16)}, 100, 500, 500]]", f"It is {key[:4]}.")

    with serve(OpenAIServer(answer)) as running:
        yield running


def test_both_ways_write_the_same_annotations(server, tmp_path):
    pictures, written = write_pictures(tmp_path / "pictures", NAMES), []
    shutil.copy(pictures / "a.png", pictures / "same.png")
    for engine in ([], ["--engine", "datatrove", "--tasks", "2"]):
        out = tmp_path / f"out{len(engine)}"
        command = ["annotate", pictures, "--model", "canned", "--endpoint", server.url, "--out", out]
        options = ["--benchmark", "coco_sub", "--categories", "cat", "--samples", 2, "--json"]
        done = CliRunner().invoke(app, [*map(str, [*command, *options]), *engine])
        assert done.exit_code == 0, (done.output, done.exception)
        written.append((out / "annotations.jsonl").read_text())
        assert [row["id"] for row, *_ in read_rows([out / "log"])].__len__() == len(NAMES)
        assert '"prompt": 5' in done.stdout  # tokens of all ranks
    assert written[0] == written[1] and written[0].count("\n") == len(NAMES) + 1


def test_a_picture_that_changes_after_it_was_listed_is_not_asked_about(make_job, pictures, server):
    endpoints = EndpointSettings((server.url,), "m", Sampling(), "OPENAI_API_KEY", 1, 30.0)
    work = AnnotateWork(make_job(None, load=endpoints))
    work.log_folder.mkdir(parents=True)
    with (work.log_folder / "pictures.jsonl").open("w") as file:
        assert len(list(open_questions(work.job, file, Asked(), set(), lambda done: None))) == 3
    assert pending_counts(work, 2) == [1, 2]
    write_pictures(pictures, ("x.png", "a.png"))
    data = None
    with pytest.raises(DataError, match=r"a\.png was changed after it was listed"):
        for step in pipeline(work, EngineSettings(), endpoints, allow_missing=False):
            data = step.run(data, 0, 1)
