"""`verify`: chains of thought from elsewhere, in three views, written as `collect` writes its own."""

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from rise_bench.annotations.kinds import render_gold, similarity
from rise_bench.cli import app
from rise_bench.cot.check import check_folder
from rise_bench.cot.closed_loop import LoopSettings
from rise_bench.cot.collect import collect
from rise_bench.cot.collect_job import CollectJob
from rise_bench.cot.dataset import GROUNDED, SELECTED, VIEWS, open_cots, require_columns
from rise_bench.cot.given_cots import GivenCots, read_cots
from rise_bench.cot.row_log import read_rows
from rise_bench.cot.share import Share
from rise_bench.curation.review.sources import CotSource
from rise_bench.data.manifest import read_manifest
from rise_bench.errors import ConfigError, DataError
from rise_bench.files.atomic import sha256_file
from rise_bench.prompts.templates import answer_only_text

from ..data.test_check import edit_manifest
from ..support.drawn_data import write_drawn
from ..support.raw_server import http, raw_server
from ..support.scripted_model import ScriptedModel
from ..support.tiny_models import tiny  # noqa: F401  (fixture)

EVEN = answer_only_text(json.dumps(dict.fromkeys(("joy", "fear"), 0.5)))
GOOD, VAGUE, LEAKY = "Warm light and bright colours.", "There is a picture here.", "It is 80 per cent joy."


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    return write_drawn(tmp_path_factory.mktemp("moods") / "moods", "moods", train=4, test=2)


@pytest.fixture(scope="module")
def golds(benchmark):
    return {gold.id: gold for split in ("train", "test") for gold in benchmark.golds(split)}


@pytest.fixture
def scripted(benchmark, golds):
    """Reads the truth out of a good chain of thought, without the picture only half of it; else a guess."""
    truth = {GOOD + f" {uid}": render_gold(gold) for uid, gold in golds.items()}

    def answer(prompt, number):
        right = next((text for cot, text in truth.items() if letters(cot) in prompt.text), None)
        if right is None or (number and not prompt.images):
            return EVEN
        return answer_only_text(right)

    return ScriptedModel(answer)


def letters(cot):
    """An id without its digits, which would leak."""
    return cot.translate(str.maketrans("0123456789/", "abcdefghijk"))


@pytest.fixture
def job(benchmark, scripted, tmp_path):
    def make(texts, model=scripted, **changes):
        given = GivenCots(texts, "cots.jsonl")
        views = {
            name: changes.pop(name) for name in list(changes) if name in given.views.__dataclass_fields__
        }
        given = replace(given, views=replace(given.views, **views))
        base = CollectJob(
            benchmark, "full", tmp_path / "out", tmp_path / "out.rollouts", LoopSettings(samples=1),
            given.splits(benchmark, "full"), sampler=lambda: model, model={"model": "scripted"},
            only=frozenset(texts), given=given,
        )  # fmt: skip
        return replace(base, **changes)

    return make


def rows_of(folder):
    return {row["id"]: row for row in open_cots(folder).rows()}


def test_reward_blind_reward_and_lift(job, golds, scripted):
    train, test = [uid for uid in golds if "train" in uid], [uid for uid in golds if "test" in uid]
    good, vague, leaky = train[0], train[1], test[0]
    collect(job({good: letters(f"{GOOD} {good}"), vague: VAGUE, leaky: LEAKY}), Share())
    rows = rows_of(job({good: ""}).out)
    guess = {uid: similarity(gold.annotation, even(gold)) for uid, gold in golds.items()}
    assert rows.keys() == {good, vague, leaky}
    assert (rows[good]["reward"], rows[good]["reward_blind"]) == pytest.approx((1.0, 1.0), abs=1e-3)
    assert rows[good]["lift"] == pytest.approx(1.0 - guess[good], abs=1e-3)
    assert rows[vague]["reward"] == rows[vague]["reward_blind"] == pytest.approx(guess[vague])
    assert rows[vague]["lift"] == pytest.approx(0.0)  # it says nothing that an empty text does not
    assert rows[leaky]["leak_numbers"] and rows[leaky]["reward"] == rows[leaky]["reward_blind"] == 0
    assert rows[leaky]["lift"] == pytest.approx(-guess[leaky])
    shown = [len(prompt.images) for prompt in scripted.asked]
    assert shown.count(0) == 3 and shown.count(1) == 6  # each text with and without, and once the empty one


def even(gold):
    from rise_bench.scoring.rewards import read_stated

    return read_stated(gold, EVEN)[0]


def test_the_reward_is_the_mean_of_the_reconstructions(job, golds):
    uid, gold = next(iter(golds.items()))
    collect(job({uid: letters(f"{GOOD} {uid}")}, reconstructions=4), Share())
    (row,) = rows_of(job({uid: ""}).out).values()
    guess = similarity(gold.annotation, even(gold))
    assert row["reward"] == pytest.approx(1.0, abs=1e-3)
    assert row["reward_blind"] == pytest.approx((1 + 3 * guess) / 4, abs=1e-3)
    assert row["group_rewards"] == [row["reward"]]


def test_views_that_are_not_asked_for_cost_nothing_and_are_null(job, golds, scripted):
    uid = next(iter(golds))
    collect(job({uid: VAGUE}, blind=False, lift=False), Share())
    (row,) = rows_of(job({uid: ""}).out).values()
    assert len(scripted.asked) == 1 and [row[name] for name in VIEWS] == [None, None]


def test_what_is_written_is_a_cot_dataset(job, golds, benchmark):
    texts = {uid: letters(f"{GOOD} {uid}") for uid in golds}
    collect(job(texts), Share())
    folder = job(texts).out
    assert check_folder(folder) == []
    manifest = read_manifest(folder)
    assert manifest.counts == {"train": 4, "test": 2} and manifest.drops == {}
    assert manifest.options["views"] == "picture,blind,empty" and manifest.options["verified"] == "cots.jsonl"
    provenance = json.loads(rows_of(folder)[next(iter(golds))]["provenance"])
    assert (provenance["model"], provenance["verified"]) == ("scripted", "cots.jsonl")
    card = (folder / "README.md").read_text()
    assert "written elsewhere" in card and "verified by `scripted`" in card
    item = CotSource(open_cots(folder)).item(0)
    assert item.scores.keys() >= {"reward", *VIEWS}
    assert read_cots(folder) == texts  # it can be verified again, by another model


def test_a_killed_run_is_continued_and_other_texts_are_refused(job, golds, scripted):
    texts = dict.fromkeys(golds, VAGUE)

    def die(prompt, number):
        if len(scripted.asked) > 7:
            raise KeyboardInterrupt
        return EVEN

    with pytest.raises(KeyboardInterrupt):
        collect(job(texts, dying(scripted, die)), Share())
    kept = [located.row["id"] for located in read_rows([job(texts).sweep_log])]
    again = ScriptedModel(lambda prompt, number: EVEN)
    done = collect(job(texts, again), Share())
    assert done.reused == len(kept) == 2 and done.swept == len(texts) - 2
    assert collect(job(texts), Share()).swept == 0
    with pytest.raises(ConfigError, match="other settings"):
        collect(job(dict.fromkeys(golds, GOOD)), Share())
    with pytest.raises(ConfigError, match="other settings"):
        collect(job(texts, reconstructions=2), Share())


def test_an_empty_text_is_scored_and_passes_the_check(job, golds):
    uid = next(iter(golds))
    collect(job({uid: ""}), Share())
    (row,) = rows_of(job({uid: ""}).out).values()
    assert row["reward"] == 0.0 and check_folder(job({uid: ""}).out) == []


def test_what_is_read_is_never_replaced(job, golds, benchmark, tmp_path):
    texts = dict.fromkeys(golds, VAGUE)
    with pytest.raises(ConfigError, match="is the benchmark itself"):
        collect(job(texts, out=benchmark.root, overwrite=True), Share())
    file = write(tmp_path / "cots.jsonl", [{"id": uid, "cot": VAGUE} for uid in golds])
    options = ["verify", file, "--benchmark", benchmark.root, "--endpoint", "http://localhost:1/v1"]
    options += ["--model", "m", "--out", tmp_path, "--overwrite"]
    result = CliRunner().invoke(app, list(map(str, options)))
    assert isinstance(result.exception, ConfigError) and "holds what is verified" in str(result.exception)
    assert file.is_file()


def dying(model, answer):
    model.answer = answer
    return model


def write(path: Path, rows) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("name", ["c.jsonl", "c.parquet"])
def test_files_are_read_by_id_and_cot(tmp_path, name):
    rows = [{"id": "a", "cot": "It is round.", "more": 1}, {"id": "b", "cot": "", "more": 2}]
    assert read_cots(write(tmp_path / name, rows)) == {"a": "It is round.", "b": ""}


def test_half_a_surrogate_pair_is_data(tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_text('{"id": "a", "cot": "half \\ud83d"}\n\n')
    assert read_cots(path) == {"a": "half �"}


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("c.jsonl", None, "not a file of JSON lines"),
        ("c.jsonl", "", "holds no chain of thought"),
        ("c.jsonl", "{", "not a file of JSON lines"),
        ("c.jsonl", b"\xff\xfe", "not a file of JSON lines"),
        ("c.jsonl", "[1]\n", "line 1: expected a row"),
        ("c.jsonl", '{"id": "a"}\n', "line 1: expected a row"),
        ("c.jsonl", '{"id": 1, "cot": "x"}\n', "line 1: expected a row"),
        ("c.jsonl", '{"id": "a", "cot": null}\n', "line 1: expected a row"),
        (
            "c.jsonl",
            '{"id": "a", "cot": "x"}\n{"id": "a", "cot": "y"}\n',
            "line 2: a second chain of thought",
        ),
        ("c.parquet", "no parquet", "parquet"),
        ("c.parquet", [{"id": "a", "text": "x"}], "row 1: expected a row"),
        ("folder", "", "manifest|CoT dataset"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, name, content, problem):
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    elif isinstance(content, list):
        write(path, content)
    elif content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=problem):
        read_cots(path)


def test_ids_of_no_sample_are_refused(benchmark, golds):
    known = next(iter(golds))
    with pytest.raises(DataError, match=r"c\.jsonl: 1 of 2 ids are not samples of moods .*'other'.*moods/"):
        GivenCots({known: VAGUE, "other": VAGUE}, "c.jsonl").splits(benchmark, "full")


@pytest.mark.parametrize("absent", [(SELECTED,), (SELECTED, *VIEWS)])
def test_cot_datasets_of_earlier_versions_are_still_read(job, golds, absent):
    """Version 0.1.0 wrote none of these columns."""
    collect(job(dict.fromkeys(golds, VAGUE)), Share())
    folder = job({next(iter(golds)): ""}).out
    for name in read_manifest(folder).files:
        table = pq.read_table(folder / name)
        metadata = json.loads(table.schema.metadata[b"huggingface"])
        for column in absent:
            table = table.drop_columns([column])
            metadata["info"]["features"].pop(column)
        table = table.replace_schema_metadata({"huggingface": json.dumps(metadata)})
        pq.write_table(table, folder / name)
        entry = {"sha256": sha256_file(folder / name), "bytes": (folder / name).stat().st_size}
        edit_manifest(folder, lambda m, name=name, entry=entry: m["files"][name].update(entry))
    manifest = read_manifest(folder)
    require_columns(folder, manifest, manifest.files)
    assert not [f for f in check_folder(folder) if "columns" in f.problem]
    assert not {*absent} & CotSource(open_cots(folder)).item(0).scores.keys()


def test_the_command_asks_an_endpoint_with_and_without_the_picture(benchmark, golds, tmp_path):
    file = write(tmp_path / "cots.jsonl", [{"id": uid, "cot": VAGUE} for uid in golds])
    reply = http({"choices": [{"message": {"content": EVEN}}]})
    with raw_server(reply) as (url, requests):
        options = ["verify", file, "--benchmark", benchmark.root, "--endpoint", url, "--model", "m", "--json"]
        result = CliRunner().invoke(app, list(map(str, options)))
        again = CliRunner().invoke(app, list(map(str, options)))
    assert result.exit_code == again.exit_code == 0, result.output + again.output
    summary = json.loads(result.stdout)
    assert (summary["verified"], summary["rows"], summary["lift"]) == (6, 6, pytest.approx(0.0))
    assert summary["reward"] == summary["reward_blind"] == pytest.approx(summary["similarity"])
    assert summary["share_leak_numbers"] == 0 and summary["groundedness"] is None
    assert summary["out"] == f"{file}.verified" and "nothing was done" in again.stderr
    asked = [json.loads(body)["messages"][-1]["content"] for _, body in requests]
    pictures = [sum(part["type"] == "image_url" for part in content) for content in asked]
    assert sorted(pictures) == [0] * 6 + [1] * 12


def test_a_cot_dataset_is_also_given_by_its_name(job, benchmark, golds, tmp_path, monkeypatch):
    collect(job(dict.fromkeys(golds, VAGUE), out=tmp_path / "data" / "moods-cot"), Share())
    monkeypatch.setenv("RISE_BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    options = ["--benchmark", str(benchmark.root), "--model", "m", "--json", "--endpoint"]
    with raw_server(http({"choices": [{"message": {"content": EVEN}}]})) as (url, _):
        result = CliRunner().invoke(app, ["verify", "moods-cot", *options, url])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["out"] == "moods-cot.verified"
    assert read_manifest(tmp_path / "moods-cot.verified").options["verified"] == "moods-cot"
    for absent, told in (("kinds-cot", "kinds-cot"), ("gone.jsonl", "not a file of JSON lines")):
        error = CliRunner().invoke(app, ["verify", absent, *options, "http://localhost:1/v1"]).exception
        assert isinstance(error, ConfigError | DataError) and told in str(error)


def test_a_local_model_and_a_judge(benchmark, golds, tmp_path, tiny):
    file = write(tmp_path / "cots.jsonl", [{"id": uid, "cot": VAGUE} for uid in golds])
    options = ["verify", file, "--benchmark", benchmark.root, "--model", tiny(), "--judge", tiny(), "--json"]
    options += ["--judge-swaps", 1, "--reconstructions", 2, "--max-reconstruction-length", 8]
    result = CliRunner().invoke(app, list(map(str, options)))
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert summary["rows"] == 6 and all(summary[name] is not None for name in (*VIEWS, *GROUNDED))
    assert check_folder(Path(f"{file}.verified")) == []


def test_the_command_prints_a_table(benchmark, golds, tmp_path):
    file = write(tmp_path / "cots.parquet", [{"id": next(iter(golds)), "cot": LEAKY}])
    with raw_server(http({"choices": [{"message": {"content": EVEN}}]})) as (url, requests):
        options = [
            "verify",
            file,
            "--benchmark",
            benchmark.root,
            "--model",
            "m",
            "--endpoint",
            url,
            "--no-blind",
        ]
        result = CliRunner().invoke(app, list(map(str, options)))
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    assert "reward blind │ –" in text and "share leak numbers │ 1.0000" in text and len(requests) == 2
