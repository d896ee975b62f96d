"""Sweeps on datatrove: the dataset of the loop of this process, and what stops a rank."""

import asyncio
import gc
import json
import sys
from collections import Counter
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from rise_bench.cli import app
from rise_bench.cot.closed_loop import LoopSettings
from rise_bench.cot.collect import collect
from rise_bench.cot.collect_job import CollectJob
from rise_bench.cot.dataset import open_cots
from rise_bench.cot.engines.answer_cache import AnswerCache
from rise_bench.cot.engines.failures import failure_of
from rise_bench.cot.engines.run import run_engine
from rise_bench.cot.engines.runner import pipeline
from rise_bench.cot.engines.settings import EngineSettings
from rise_bench.cot.engines.sweep_work import SweepWork
from rise_bench.cot.engines.work import pending, pending_counts, refusals
from rise_bench.cot.row_log import RowLog, read_rows
from rise_bench.cot.share import Share, claimed
from rise_bench.errors import ConfigError, DataError, PrerequisiteError
from rise_bench.models.loading import EndpointSettings
from rise_bench.models.openai_endpoint import ChatServers
from rise_bench.models.sampler import Sampling

from ...support.openai_server import OpenAIServer, serve
from ...support.plain_data import COLOURS, write_plain

ROWS = 13


def answer(key, prompt):
    """A model that knows a picture by its hash: texts differ by picture and by what is asked."""
    if "Reasoning:" not in prompt:
        return f"A plain picture, {'calm' if int(key[:2], 16) % 2 else 'bright'}."
    key = key or "00" * 3  # a blind reconstruction shows no picture
    shares = [int(key[i : i + 2], 16) + 1 for i in (0, 2, 4)]
    stated = {name: share / sum(shares) for name, share in zip(COLOURS, shares, strict=True)}
    return f"<answer>{json.dumps(stated)}</answer>"


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    return write_plain(tmp_path_factory.mktemp("plain") / "plain", ROWS)


@pytest.fixture(scope="module")
def server():
    with serve(OpenAIServer(answer)) as running:
        yield running


@pytest.fixture
def endpoints(server):
    return EndpointSettings((server.url,), "m", Sampling(), "OPENAI_API_KEY", 4, 30.0)


@pytest.fixture
def work(benchmark, tmp_path):
    return SweepWork(benchmark, "full", ("train",), None, LoopSettings(samples=2), tmp_path / "cots.rollouts")


def run_rank(work, endpoints, *, rank=0, tasks=1, allow_missing=False):
    """What an executor does for a rank, in this process."""
    data = None
    for step in pipeline(work, EngineSettings(tasks=tasks), endpoints, allow_missing=allow_missing):
        data = step.run(data, rank, tasks)


def rows_by_id(work):
    return Counter(located.row["id"] for located in read_rows([work.log_folder]))


def test_both_ways_write_the_same_dataset(benchmark, server, tmp_path):
    cots = tmp_path / "given.jsonl"
    ids = sorted(gold.id for gold in benchmark.golds("train"))
    cots.write_text("".join(json.dumps({"id": uid, "cot": f"Plain, {uid[-1]}."}) + "\n" for uid in ids))
    common = ["--benchmark", benchmark.root, "--endpoint", server.url, "--model", "m", "--json"]
    commands = {
        "collect": ["collect", "--samples", 2, *common],
        "verify": ["verify", cots, "--reconstructions", 2, *common],
    }
    for name, command in commands.items():
        hashes = []
        for engine in ([], ["--engine", "datatrove", "--tasks", 2]):
            out = tmp_path / f"{name}{len(engine)}"
            done = CliRunner().invoke(app, [*map(str, command), "--out", str(out), *map(str, engine)])
            assert done.exit_code == 0, (done.output, done.exception)
            hashes.append(open_cots(out).manifest.content_sha256)
            assert sorted(row["id"] for row in open_cots(out).rows()) == ids
        assert hashes[0] == hashes[1], name
        logs = tmp_path / f"{name}4.rollouts"
        assert {path.name for path in logs.glob("rank*")} == {"rank00000.jsonl", "rank00001.jsonl"}
        assert not list(logs.rglob("*.sqlite3")), "the cache of a rank that has ended is of no use"


@pytest.mark.parametrize(
    ("started", "given", "flags"),
    [
        ("vllm", {}, {"generation-config": "vllm", "trust-remote-code": False}),
        ("vllm", {"generation-config": "auto"}, {"generation-config": "auto", "trust-remote-code": False}),
        ("sglang", {"tp-size": "2"}, {"sampling-defaults": "openai", "tp-size": "2"}),
    ],
)
def test_a_server_that_is_started_samples_by_the_request_alone(work, endpoints, started, given, flags):
    settings = EngineSettings(server=started, server_options=given)
    _, rank = pipeline(work, settings, endpoints, allow_missing=False)
    assert rank.config.model_kwargs == flags


def test_ranks_share_the_samples_and_skip_what_is_there(work, endpoints, monkeypatch):
    monkeypatch.setitem(sys.modules, "aiosqlite", None)  # of datatrove's own cache, and in no extra of ours
    parts = [[uid for uid, _ in pending(work, Share(rank, 3))] for rank in range(3)]
    assert [len(part) for part in parts] == pending_counts(work, 3) == [4, 4, 5]
    assert [uid for part in parts for uid in part] == [uid for uid, _ in work.places()]
    run_rank(work, endpoints, rank=1, tasks=3)
    assert rows_by_id(work) == dict.fromkeys(parts[1], 2)
    assert pending_counts(work, 3) == [4, 0, 5] and pending_counts(work, 2) == [4, 5]
    for rank in range(2):
        run_rank(work, endpoints, rank=rank, tasks=2)
    assert rows_by_id(work) == {uid: 2 for uid, _ in work.places()}


def test_a_log_of_this_process_is_continued_by_ranks(benchmark, work, endpoints, server):
    job = CollectJob(benchmark, "full", work.log_folder.with_name("cots"), work.log_folder, work.settings)
    job = replace(job, sampler=endpoints, model={"model": "m"})
    collect(job, Share(0, 2))
    half = server.answered
    run_rank(work, endpoints)
    assert server.answered - half == (ROWS - (ROWS + 1) // 2) * 3
    assert collect(job, Share()).reused == ROWS


def test_the_cache_keeps_answers_until_a_sample_is_done(tmp_path):
    asked = {"payload_hash": "request"}

    async def a_start(work):
        cache = AnswerCache(str(tmp_path))
        await cache.initialize(3)
        kept = [(await cache.get_cached_response(uid, 0, **asked))[0] for uid in "ab"]
        await work(cache)
        await cache.close(delete_file=not any(kept))
        return kept

    async def answer_both(cache):
        for uid in "ab":
            await cache.store_result(0, uid, 0, {"text": uid}, **asked)
        await cache.mark_document_complete("a")
        raise InterruptedError

    async def nothing(cache):
        await cache.mark_document_complete("b")

    with pytest.raises(InterruptedError):
        asyncio.run(a_start(answer_both))
    gc.collect()  # closes the file, as the end of the process does
    assert asyncio.run(a_start(nothing)) == [None, {"text": "b"}]
    assert asyncio.run(a_start(nothing)) == [None, None]
    assert not list(tmp_path.rglob("*.sqlite3*"))


def test_refused_samples_are_noted_and_asked_again(work, endpoints):
    refused = {"left": 3}

    def picky(key, prompt):
        if "Reasoning:" in prompt and refused["left"]:
            refused["left"] -= 1
            raise ValueError
        return answer(key, prompt)

    with serve(OpenAIServer(picky)) as other:
        endpoints = replace(endpoints, urls=(other.url,), concurrency=1)
        run_rank(work, endpoints)
        left = refusals(work)
        assert 1 <= len(left) <= 3 and all("400" in reason for reason in left.values())
        run_rank(work, endpoints)
    assert not refusals(work) and rows_by_id(work) == {uid: 2 for uid, _ in work.places()}


def test_a_model_that_refuses_everything_is_not_asked_for_all_of_it(work, endpoints, monkeypatch):
    def refuse(key, prompt):
        raise ValueError

    monkeypatch.setattr("rise_bench.cot.engines.runner._PATIENCE", 3)
    with serve(OpenAIServer(refuse)) as other:
        endpoints = replace(endpoints, urls=(other.url,), concurrency=1)
        with pytest.raises(DataError, match="refused the first 3 samples"):
            run_rank(work, endpoints)
        assert len(refusals(work)) < ROWS
        run_rank(work, endpoints, allow_missing=True)
        assert len(refusals(work)) == ROWS


def test_a_server_that_is_down_stops_a_rank_which_says_so(work, endpoints, monkeypatch):
    monkeypatch.setitem(ChatServers.__init__.__kwdefaults__, "pause_s", 0.001)
    dead = replace(endpoints, urls=("http://127.0.0.1:9/v1",))
    with pytest.raises(PrerequisiteError, match="127.0.0.1:9/v1/chat/completions .*start the same command"):
        run_rank(work, dead)
    assert "127.0.0.1:9" in str(failure_of(work, 0))
    assert not rows_by_id(work)


def test_samples_that_fail_at_once_are_not_reported_again_by_the_garbage_collector(
    work, endpoints, caplog, monkeypatch
):
    gc.collect()  # what other tests left is not looked at
    caplog.clear()

    async def fail(*_):
        await asyncio.sleep(0.05)
        raise PrerequisiteError("down")

    monkeypatch.setattr(SweepWork, "answer", fail)
    with pytest.raises(PrerequisiteError, match="down"):
        run_rank(work, replace(endpoints, concurrency=4))
    gc.collect()
    assert not [record for record in caplog.records if record.name == "asyncio"]


def test_a_log_that_cannot_be_written_stops_a_rank(work, endpoints, server, monkeypatch):
    def full(self, rows):
        list(rows)
        raise PrerequisiteError("No space left")

    monkeypatch.setattr(RowLog, "append", full)
    before = server.answered
    with pytest.raises(PrerequisiteError, match="No space left"):
        run_rank(work, replace(endpoints, concurrency=1))
    assert server.answered - before < ROWS * 3


def test_a_rank_that_another_process_runs_is_not_run_twice(work, endpoints):
    folder = work.log_folder / "engine"
    with (
        claimed(folder, Share(0, 1), lambda busy: None),
        pytest.raises(ConfigError, match="another process does the same work"),
    ):
        run_rank(work, endpoints)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tasks", "2"], "--tasks is for --engine datatrove"),
        (["--sbatch", "time=1:00"], "--sbatch is for --engine datatrove"),
        (["--engine", "datatrove"], "name one with --endpoint"),
        (["--engine", "datatrove", "--server", "vllm", "--endpoint", "http://h/v1"], "leave one of them out"),
        (["--engine", "datatrove", "--endpoint", "http://h/v1", "--server-arg", "x=1"], "--server vllm"),
        (["--engine", "datatrove", "--endpoint", "http://h/v1", "--sbatch", "a b"], "is not NAME=VALUE"),
        (["--engine", "datatrove", "--endpoint", "http://h/v1", "--no-sweep"], "give one of them"),
        (["--engine", "datatrove", "--endpoint", "http://h/v1", "--lift"], "sweep first, then add"),
        (
            ["--engine", "datatrove", "--executor", "ray", "--server", "vllm"],
            "reserves no GPU for --server vllm",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(benchmark, tmp_path, options, message):
    command = ["collect", "--benchmark", benchmark.root, "--out", tmp_path / "cots", "--model", "m"]
    done = CliRunner().invoke(app, [*map(str, command), *options])
    assert isinstance(done.exception, ConfigError) and message in str(done.exception)
    assert not (tmp_path / "cots.rollouts").exists()


def test_without_the_extra_the_way_to_install_it_is_said(work, endpoints, monkeypatch):
    from rise_bench.catalog import extras

    monkeypatch.setattr(extras, "_installed", lambda name: name != "datatrove")
    with pytest.raises(PrerequisiteError, match=r'datatrove must .* pip install "rise-bench\[scale\]"'):
        run_engine(work, EngineSettings(), endpoints)
    assert not work.log_folder.exists()
