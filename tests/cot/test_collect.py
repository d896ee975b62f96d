"""`collect` with a scripted model: resuming, overwriting, two at once, refusals, odd texts, Ctrl-C."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from rise_bench.cli import app
from rise_bench.cot.closed_loop import LoopSettings
from rise_bench.cot.collect import collect
from rise_bench.cot.collect_job import CollectJob
from rise_bench.cot.collect_record import options_of, short_path
from rise_bench.cot.dataset import open_cots
from rise_bench.cot.low_rewards import count_low, low_text
from rise_bench.cot.row_log import RowLog, read_rows
from rise_bench.cot.share import Share
from rise_bench.errors import ConfigError, DataError, PrerequisiteError
from rise_bench.models.sampler import SampleError

from ..support.drawn_data import write_drawn
from ..support.raw_server import chat, http, raw_server

TRAIN = 4


class Model:
    """A scripted sampler."""

    workers, batch_rows = 1, 1

    def __init__(self, text="A picture with warm tones.", meanwhile=lambda: None):
        self.text, self.meanwhile, self.asked, self.closed = text, meanwhile, 0, False

    def sample(self, prompts, n, max_tokens):
        self.asked += len(prompts)
        self.meanwhile()
        return [[self.text] * n for _ in prompts]

    def describe(self):
        return {"model": "scripted", "url": "https://me:hunter2@host"}

    def close(self):
        self.closed = True


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    return write_drawn(tmp_path_factory.mktemp("moods") / "moods", "moods", train=TRAIN, test=1)


@pytest.fixture
def job(benchmark, tmp_path):
    def make(model=None, **changes):
        settings = LoopSettings(samples=2)
        out = tmp_path / "cots"
        base = CollectJob(benchmark, "full", out, tmp_path / "cots.rollouts", settings)
        return replace(base, sampler=lambda: model or Model(), model={"model": "scripted"}, **changes)

    return make


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_run_left_is_taken_and_counted(job, tmp_path):
    def die_after(model):
        if model.asked > 3:
            raise KeyboardInterrupt

    model = Model()
    model.meanwhile = lambda: die_after(model)
    with pytest.raises(KeyboardInterrupt):
        collect(job(model), Share())
    assert model.closed
    again = Model()
    done = collect(job(again), Share())
    assert (done.reused, done.asked, done.swept) == (1, TRAIN, TRAIN - 1) and again.closed
    finished = collect(job(), Share())
    assert (finished.asked, finished.swept) == (0, 0)
    assert names(tmp_path / "cots.rollouts") == ["rank00000.jsonl", "sampler.json", "settings.json"]


def test_overwrite_samples_anew_and_goes_on_where_it_was_killed(job):
    def cots():
        return {row["cot"] for row in open_cots(job().out).rows()}

    collect(job(Model("first")), Share())
    collect(job(Model("second"), overwrite=True), Share())
    assert cots() == {"second"}
    model = Model("third")
    model.meanwhile = lambda: os.kill(os.getpid(), signal.SIGINT) if model.asked > 3 else None
    with pytest.raises(KeyboardInterrupt):
        collect(job(model, overwrite=True), Share())
    assert cots() == {"second"}
    done = collect(job(Model("fourth"), overwrite=True), Share())
    assert done.reused == 1 and cots() == {"third", "fourth"}
    other = replace(job().settings, max_cot_length=9)
    collect(job(Model("fifth"), overwrite=True, settings=other), Share())
    assert cots() == {"fifth"}
    with pytest.raises(ConfigError, match="keep-rollouts"):
        collect(job(settings=other, tau=0.1), Share())
    kept = collect(job(settings=other, tau=0.1, overwrite=True, keep_rollouts=True), Share())
    assert kept.swept == 0 and cots() == {"fifth"}
    with pytest.raises(ConfigError, match="other settings"):
        collect(job(overwrite=True, keep_rollouts=True), Share())


def test_overwrite_asks_again_though_the_answers_were_the_same(job):
    for text in ("same", "same", "of new weights"):
        collect(job(Model(text), overwrite=True), Share())
    assert {row["cot"] for row in open_cots(job().out).rows()} == {"of new weights"}


def test_a_collection_whose_record_is_gone_is_not_taken_for_that_of_another_model(job):
    collect(job(), Share())
    shutil.rmtree(job().sweep_log)
    with pytest.raises(
        ConfigError, match="was collected before, and .*rollouts, which says from which model"
    ):
        collect(replace(job(), model={"model": "another"}), Share())


@pytest.mark.parametrize("loading", [True, False])
def test_a_sample_that_is_asked_about_again_is_not_settled_by_its_refusal(job, loading):
    """Two processes: the second ends while the first asks again about what was refused before."""

    def refuse():
        raise SampleError("no")

    def collected(rank, meanwhile):
        return collect(job(Model(meanwhile=meanwhile), allow_missing=True), Share(rank, 2))

    outcome = []
    collected(0, refuse)

    def meanwhile():
        if not outcome:
            outcome.append(collected(1, lambda: None))

    def load():
        meanwhile()
        return Model()

    if loading:
        last = collect(replace(job(allow_missing=True), sampler=load), Share(0, 2))
    else:
        last = collected(0, meanwhile)
    (other,) = outcome
    assert other.manifest is None and other.left >= 1
    assert last.manifest.counts == {"train": TRAIN}


@pytest.mark.parametrize(
    ("share", "of_the_other", "message"),
    [
        (Share(0, 1), Share(0, 1), "another process does the same work"),
        (Share(1, 2), Share(1, 2), "another process does the same work"),
        (Share(0, 1), Share(1, 2), "other processes are at work"),
        (Share(0, 2), Share(0, 1), "other processes are at work"),
        (Share(0, 2), Share(1, 2), None),
    ],
)
def test_two_at_once_never_sample_the_same(job, share, of_the_other, message):
    outcome = []

    def meanwhile():
        if not outcome:
            try:
                outcome.append(str(collect(job(), of_the_other).left))
            except ConfigError as error:
                outcome.append(str(error))

    collect(job(Model(meanwhile=meanwhile)), share)
    assert message in outcome[0] if message else outcome[0].isdigit(), outcome
    rows = Counter(located.row["id"] for located in read_rows([job().sweep_log]))
    assert set(rows.values()) == {2}


def test_locks_of_killed_processes_hinder_nobody_and_are_removed(job):
    folder = job().sweep_log
    folder.mkdir()
    for name in (".start.lock", ".rank00000-of-00001.lock", ".rank00001-of-00002.lock"):
        (folder / name).touch()
    collect(job(), Share())
    assert not list(folder.glob(".*"))


def test_rollouts_are_not_deleted_while_others_work_with_them(job):
    collect(job(), Share(0, 2))
    other = job(overwrite=True, settings=replace(job().settings, max_cot_length=9))
    lock = FileLock(job().sweep_log / ".rank00001-of-00002.lock")
    with lock, pytest.raises(ConfigError, match="at work"):
        collect(other, Share(0, 2))
    assert list(read_rows([job().sweep_log]))


@pytest.mark.parametrize("text", ["half \ud83d pair", "", "\x00\x1b[31m", "<image>\ufffe", "\u2028"])
def test_no_text_of_a_model_stops_a_collection(job, text):
    collect(job(Model(text)), Share())
    for row in open_cots(job().out).rows():
        row["cot"].encode()


def test_a_log_that_holds_half_a_surrogate_pair_already_is_finished(job):
    settings = job().settings
    with pytest.raises(KeyboardInterrupt):
        collect(job(Model(meanwhile=lambda: (_ for _ in ()).throw(KeyboardInterrupt))), Share())
    ids = [row["id"] for row in job().benchmark.rows("train", columns=["id"])]
    fields = {
        "step": 0,
        "group": 0,
        "reconstruction": "\ud83d",
        "reward": 0.5,
        "similarity": 0.5,
        "reason": "ok",
    }
    fields |= {"leak_numbers": False, "leak_strict": False, "format_ok": True, "cot": "half \ud83d"}
    rows = [{"id": uid} | fields for uid in ids for _ in range(settings.samples)]
    RowLog(job().sweep_log, 0, attempt="1").append(rows)
    assert collect(job(), Share()).reused == TRAIN
    assert {row["cot"] for row in open_cots(job().out).rows()} == {"half �"}


def test_samples_that_stay_incomplete_are_an_error_not_a_success(job):
    class Short(Model):
        def sample(self, prompts, n, max_tokens):
            return [[self.text] for _ in prompts]

    with pytest.raises(DataError, match=f"{TRAIN} samples, first .* have fewer than 2 rollouts"):
        collect(job(Short()), Share())
    assert collect(job(Short()), Share(0, 2)).left == TRAIN


def test_a_model_that_refuses_everything_is_not_asked_for_all_of_it(job, monkeypatch):
    def refuse():
        raise SampleError("no")

    monkeypatch.setattr("rise_bench.cot.collect._PATIENCE", 2)
    model = Model(meanwhile=refuse)
    with pytest.raises(DataError, match=f"refused 2 of {TRAIN} samples"):
        collect(job(model), Share())
    assert model.asked == 2
    with pytest.raises(Exception, match="no rows|nothing|empty|no "):
        collect(job(Model(meanwhile=refuse), allow_missing=True), Share())


def test_refusals_of_an_earlier_start_do_not_end_the_next(job, monkeypatch):
    """They come first then: rows that have an answer are not asked again."""

    def stubborn(prompts):
        if any(prompt.images[0] in refused for prompt in prompts):
            raise SampleError("no")

    monkeypatch.setattr("rise_bench.cot.collect._PATIENCE", 2)
    rows = list(job().benchmark.rows("train"))
    refused = {row["image"]["bytes"] for row in rows[1:]}
    model = Model()
    model.sample = lambda prompts, n, max_tokens: stubborn(prompts) or [[model.text] * n for _ in prompts]
    with pytest.raises(DataError, match=f"refused {TRAIN - 1} of {TRAIN} samples"):
        collect(job(model), Share())
    with pytest.raises(
        DataError, match=rf"refused {TRAIN - 1} of {TRAIN - 1} samples.*collect\.allow_missing"
    ):
        collect(job(model), Share())


def test_what_is_published_names_no_folder_of_this_machine(job):
    collect(replace(job(), sweep_provenance={"model": "/home/alice/secret-project/models/vl"}), Share())
    rows = list(open_cots(job().out).rows())
    assert {json.loads(row["provenance"])["model"] for row in rows} == {"models/vl"}
    assert "models/vl" in (card := (job().out / "README.md").read_text()) and "alice" not in card


@pytest.mark.parametrize("path", ["/runs/a/grpo/final", "/model"])
def test_paths_of_one_end_are_not_taken_for_each_other(job, path):
    def asked(name):
        return options_of(replace(job(), judging=SimpleNamespace(options={"judge": name})))["judge"]

    assert asked(path) == asked(path) != asked(f"/other{path}")
    assert not asked(path).startswith("/")
    assert short_path(asked(path)) == asked(path), "as it is read again from the manifest"


def test_no_secret_is_stored(job, monkeypatch):
    monkeypatch.setenv("A_KEY", "v3ry-secret")
    named = {"model": "scripted", "note": "v3ry-secret"}
    collect(replace(job(), model=named, provenance={"x": "v3ry-secret"}), Share())
    stored = b"".join(
        path.read_bytes() for folder in (job().out, job().sweep_log) for path in folder.rglob("*.json*")
    )
    provenance = "".join(row["provenance"] for row in open_cots(job().out).rows())
    assert b"v3ry-secret" not in stored and b"hunter2" not in stored and "hunter2" not in provenance


@pytest.mark.parametrize(
    ("rank", "size"),
    [
        ("x", "2"),
        ("0", "x"),
        ("2", "2"),
        ("-1", "2"),
        ("0", "0"),
        ("", "1"),
        ("1.0", "2"),
        ("²", "3"),
        ("1", None),
    ],
)
@pytest.mark.parametrize("names", [("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS")])
def test_a_rank_that_is_none_is_refused_by_name(monkeypatch, names, rank, size):
    for name, value in zip(names, (rank, size), strict=True):
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=f"{names[0]}=|{names[1]}="):
        Share.of_environment()


def command(benchmark, out, url, *more):
    options = ("--benchmark", benchmark.root, "--out", out, "--endpoint", url, "--model", "m", "--samples", 1)
    return ["collect", *map(str, (*options, *more))]


def test_ctrl_c_ends_requests_in_flight_and_says_where_it_goes_on(benchmark, tmp_path):
    with raw_server(lambda connection: time.sleep(60)) as (url, requests):
        process = subprocess.Popen(
            [sys.executable, "-m", "rise_bench", *command(benchmark, tmp_path / "cots", url)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 60
        while not requests:
            assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        start = time.monotonic()
        printed, errors = process.communicate(timeout=30)
    assert process.returncode == 130 and "Traceback" not in errors and not printed, errors
    assert "stopping: " in errors and "the same command goes on" in errors and time.monotonic() - start < 20


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("cots.rollouts/sampler.json", "folder", PrerequisiteError),
        ("cots.rollouts", "a file", PrerequisiteError),
        ("cots/manifest.json", "no manifest", DataError),
    ],
)
def test_what_cannot_be_read_or_written_is_named(benchmark, tmp_path, name, content, error):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if content == "folder":
        path.mkdir()
    else:
        path.write_bytes(content.encode(errors="surrogateescape"))
    with raw_server(http(chat("warm tones"))) as (url, _):
        result = CliRunner().invoke(app, command(benchmark, tmp_path / "cots", url))
    assert isinstance(result.exception, error) and name.partition("/")[0] in str(result.exception)


def test_a_collection_through_an_endpoint_says_nothing_for_null(benchmark, tmp_path):
    others = threading.active_count()
    with raw_server(http(chat(None))) as (url, _):
        result = CliRunner().invoke(app, command(benchmark, tmp_path / "cots", url, "--json"))
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["swept"] == TRAIN
    for located in read_rows([tmp_path / "cots.rollouts"]):
        assert located.row["cot"] == located.row["reconstruction"] == "" and located.row["reason"] == "empty"
        assert located.row["reward"] == 0
    assert threading.active_count() < others + 50


@pytest.mark.parametrize(
    ("thought", "cot"),
    [
        ("<think>The mood is joy: 0.8.</think>\n\n", "Warm tones fill all of it."),
        ("It came with the prompt.</think>", "Warm tones fill all of it."),
        ("One. <think>Later.</think>", None),
    ],
)
@pytest.mark.parametrize("concurrency", [1, 4])
def test_what_a_server_thinks_is_no_part_of_its_reply(benchmark, tmp_path, thought, cot, concurrency):
    reply = thought + "Warm tones fill all of it."
    with raw_server(http(chat(reply))) as (url, _):
        result = CliRunner().invoke(
            app, command(benchmark, tmp_path / "cots", url, "--concurrency", concurrency)
        )
    assert result.exit_code == 0, result.output
    assert {row["cot"] for row in open_cots(tmp_path / "cots").rows()} == {cot or reply}
    told = "a reconstruction that is unreadable" if cot else "a reason of the wrong form"
    assert f"rows below 0.75: {TRAIN} with {told}" in result.stdout


def test_rows_below_tau_are_counted_by_reason(benchmark, tmp_path, job):
    texts = ("A picture with warm tones.", "It is 80 per cent joy.", "Short.", "A picture with warm tones.")
    replies = ("nothing", "nothing", "nothing", '<answer>{"anger": 1.0}</answer>')
    pairs = iter([text for pair in zip(texts, replies, strict=True) for text in pair])

    class Scripted(Model):
        def sample(self, prompts, n, max_tokens):
            return [[next(pairs)] for _ in prompts]

    collect(job(Scripted(), settings=LoopSettings(samples=1), tau=0.999), Share())
    counts = count_low(tmp_path / "cots")
    assert counts == {
        "a reconstruction that is unreadable or of the wrong form": 1,
        "a reason that gives the annotation away": 1,
        "a reason of the wrong form (fewer than three words, tags or JSON)": 1,
        "a reconstruction that is not similar enough (or, of several, not on average)": 1,
    }
    assert low_text(counts, 0.75).startswith("rows below 0.75: 1 ")
    assert low_text({}, 0.75) == ""


def test_a_local_model_is_taken_at_its_word(job, tmp_path):
    collect(job(Model("<think>A hint.</think>A picture with warm tones.")), Share())
    assert {row["cot"][:7] for row in open_cots(tmp_path / "cots").rows()} == {"<think>"}


def test_what_a_local_model_thinks_that_the_prompt_opens_is_no_part_of_its_reply(job, tmp_path):
    model = Model("It is joy: 0.8.\n</think>\n\nA picture with warm tones.")
    model.may_think_first = True
    collect(job(model), Share())
    assert {row["cot"] for row in open_cots(tmp_path / "cots").rows()} == {"A picture with warm tones."}


def test_a_refusal_by_the_server_says_what_to_check(benchmark, tmp_path):
    refusal = {"error": {"message": "it does not support image input."}}
    with raw_server(http(refusal, "400 Bad Request")) as (url, _):
        error = CliRunner().invoke(app, command(benchmark, tmp_path / "cots", url)).exception
    assert "Check --model and --endpoint, then start the same" in str(error) and ".." not in str(error)


def test_a_bar_is_shown_of_what_is_done(benchmark, tmp_path):
    with raw_server(http(chat("A picture with warm tones."))) as (url, _):
        first, again = (CliRunner().invoke(app, command(benchmark, tmp_path / "cots", url)) for _ in range(2))
    assert (
        "sampling" in first.stderr and "nothing was done" in again.stderr and "sampling" not in again.stderr
    )
