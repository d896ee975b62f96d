"""`rise-bench collect`: from a run, and from a model on two processes of which one is killed."""

import json
import os
import shutil
import signal
import time
from collections import Counter
from functools import partial

import pytest

from rise_bench.cot.dataset import open_cots
from rise_bench.cot.row_log import RowLog, read_rows
from rise_bench.data.dataset import open_dataset
from rise_bench.errors import ConfigError
from rise_bench.files.settings_record import same_settings
from rise_bench.hub.find import find_cots
from rise_bench.reports.run_report import render_report
from rise_bench.trainers import rise_cot
from rise_bench.trainers.runs.run_folder import RunFolder

from ..support.commands import Command
from ..support.drawn_data import write_drawn
from ..support.in_process import invoke
from ..support.openai_server import OpenAIServer, serve

collect = partial(invoke, "collect")

COLUMNS = {
    *("cot", "reward", "similarity", "reconstruction", "leak_numbers", "leak_strict", "format_ok"),
    *("prior_score", "group_rewards", "provenance"),
}


def short(tiny, built):
    """Options of a quick sweep."""
    return [
        *("--model", tiny(), "--benchmark", built, "--samples", "3", "--max-cot-length", "8"),
        *("--max-reconstruction-length", "4", "--max-pixels", str(28 * 28 * 16)),
    ]


def test_a_run_is_collected_with_a_sweep_over_what_training_never_saw(make_config, toy, graded, tmp_path):
    folder = RunFolder.create(make_config("grpo.steps=2", "data.tau=0.9"))
    rise_cot.train(make_config("grpo.steps=2", "data.tau=0.9"), folder)
    trained = {located.row["id"] for located in read_rows([folder.rollouts_dir])}
    assert 0 < len(trained) < len(toy.golds)
    collect(folder.path)
    dataset = open_cots(folder.path / "cots")
    rows = list(dataset.rows())
    assert [row["id"] for row in sorted(rows, key=lambda r: r["id"])] == [gold.id for gold in toy.golds]
    rewards = {}
    for located in read_rows([folder.rollouts_dir, folder.path / "cots.rollouts"]):
        rewards.setdefault(located.row["id"], []).append((located.row["reward"], located.row["cot"]))
    for row in rows:
        assert set(row) >= COLUMNS
        reward, cot = max(rewards[row["id"]])
        assert row["reward"] == max(row["group_rewards"]) == reward and len(row["group_rewards"]) == 4
        assert row["cot"] == cot or [r for r, _ in rewards[row["id"]]].count(reward) > 1
        provenance = json.loads(row["provenance"])
        assert provenance["step"] == (2 if row["id"] not in trained else provenance["step"])
        assert {"model", "prompt_hash", "reward_rule", "versions", "temperature"} <= set(provenance)
    high = {row["id"] for row in dataset.rows("high")}
    assert high == {row["id"] for row in rows if row["reward"] >= 0.9}
    assert find_cots(str(dataset.root)).texts(min_reward=0.9).keys() == high


def test_a_run_that_explains_no_annotations_is_not_collected(make_config, built, tmp_path):
    folder = RunFolder.create(make_config(stage="visual_rft"))
    with pytest.raises(ConfigError, match=r"is a run of visual_rft.*Name the run of rise_cot"):
        collect(folder.path)
    assert not (folder.path / "cots").exists()


def test_the_hub_reads_both_configurations(make_config, graded, tiny, built, tmp_path):
    from datasets import load_dataset

    collect(*short(tiny, built), "--out", tmp_path / "cots", "--tau", 0.5)
    sizes = {
        name: load_dataset(
            str(tmp_path / "cots"), name, split="train", cache_dir=str(tmp_path / "cache")
        ).num_rows
        for name in ("default", "high")
    }
    manifest = open_cots(tmp_path / "cots").manifest
    assert sizes["default"] == 8
    assert sizes["high"] == sum(e.rows for e in manifest.files.values() if e.shard == "high")


def test_without_a_high_row_there_is_no_high_configuration(tiny, built, tmp_path):
    from datasets import get_dataset_config_names

    collect(*short(tiny, built), "--out", tmp_path / "cots", "--tau", 1.0)
    assert get_dataset_config_names(str(tmp_path / "cots")) == ["default"]
    assert not list(open_cots(tmp_path / "cots").rows("high"))
    with pytest.raises(ConfigError, match="Lower tau"):
        find_cots(str(tmp_path / "cots")).texts(min_reward=1.0)


def test_the_same_command_again_is_done_and_other_settings_are_refused(tiny, built, tmp_path):
    out = tmp_path / "cots"
    collect(*short(tiny, built), "--out", out)
    before = (out / "manifest.json").stat().st_mtime_ns
    collect(*short(tiny, built), "--out", out)
    assert (out / "manifest.json").stat().st_mtime_ns == before
    with pytest.raises(ConfigError, match="another collection"):
        collect(*short(tiny, built), "--out", out, "--tau", 0.5)
    with pytest.raises(ConfigError, match="other settings"):
        collect(*short(tiny, built), "--out", out, "--max-cot-length", 9)


def test_another_seed_writes_other_texts_and_the_same_seed_the_same(tiny, built, tmp_path):
    texts = []
    for number, seed in enumerate((1, 1, 2)):
        out = tmp_path / f"cots-{number}"
        collect(*short(tiny, built), "--out", out, "--seed", seed)
        texts.append([row["cot"] for row in open_cots(out).rows()])
    assert texts[0] == texts[1] != texts[2]


def test_what_an_earlier_start_did_is_said(tiny, built, toy, tmp_path):
    arguments = [*short(tiny, built), "--out", tmp_path / "cots"]
    first = collect(*arguments)
    assert "taken from" not in first.stderr and "collected before" not in first.stderr
    assert "was collected before, by the same command" in collect(*arguments).stderr
    shutil.rmtree(tmp_path / "cots")
    again = collect(*arguments, "--json")
    assert f"{len(toy.golds)} of {len(toy.golds)} samples taken from an earlier start" in again.stderr
    assert json.loads(again.stdout)["reused"] == len(toy.golds)


def test_a_model_that_cannot_be_sampled_locks_nothing(tiny, built, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text(json.dumps({"model_type": "llava", "architectures": ["Llava"]}))
    (other / "model.safetensors").write_bytes(b"")
    _, good, *rest = short(tiny, built)
    for model, judge in ((other, "none"), ("nobody/nothing", "none"), (good, other)):
        wrong = ["--model", model, *rest, "--judge", judge]
        with pytest.raises(ConfigError, match=r"which is not supported|no model 'nobody/nothing'"):
            collect(*wrong, "--out", tmp_path / "cots")
        assert not (tmp_path / "cots.rollouts").exists()
    same_settings(tmp_path / "sweep", {"model": "a name misspelt"})
    same_settings(tmp_path / "sweep", {"model": "the name"})
    RowLog(tmp_path / "sweep", 0, attempt="1").append([{"id": "a"}])
    with pytest.raises(ConfigError, match="begun with other settings"):
        same_settings(tmp_path / "sweep", {"model": "a name misspelt"})


def test_rollouts_of_other_pictures_or_another_model_are_not_taken_for_those_asked_for(tiny, tmp_path):
    """Ids do not tell: a benchmark that is drawn again with another seed has the same ones."""
    out = tmp_path / "cots"

    def drawn(seed):
        return write_drawn(tmp_path / "moods", "moods", train=6, test=1, seed=seed).root

    options = [*short(tiny, drawn(0)), "--judge", "none", "--out", out]
    collect(*options)
    drawn(1)
    for more in ([], ["--overwrite", "--keep-rollouts"]):
        with pytest.raises(ConfigError, match="benchmark_sha256"):
            collect(*options, *more)
    drawn(0)
    options[1] = tiny("qwen2_5_vl")
    with pytest.raises(ConfigError, match="resized_px"):
        collect(*options)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is a file, expected a folder"):
        collect(*options[:-1], tmp_path / "file")


def test_a_run_that_went_on_is_not_taken_for_collected_nor_one_of_other_pictures(
    make_config, toy, built, graded
):
    config = make_config("grpo.steps=2")
    run = RunFolder.create(config, benchmark_sha256=open_dataset(built).sha256)
    rise_cot.train(config, run)
    collect(run.path, "--no-sweep", "--judge", "none")
    collect(run.path, "--no-sweep", "--judge", "none")  # nothing to do
    row = {"id": toy.golds[0].id, "step": 9, "group": 0, "reward": 1.0}
    RowLog(run.rollouts_dir, 1, attempt="9").append([row])
    with pytest.raises(ConfigError, match="training_rollouts was 8, is 9"):
        collect(run.path, "--no-sweep", "--judge", "none")
    with pytest.raises(ConfigError, match="other content of its benchmark"):
        RunFolder.create(config, benchmark_sha256="0" * 64)
    record = json.loads((run.path / "run.json").read_text())
    (run.path / "run.json").write_text(json.dumps(record | {"benchmark_sha256": "0" * 64}))
    with pytest.raises(ConfigError, match="other content of its benchmark"):
        collect(run.path, "--no-sweep", "--judge", "none", "--overwrite")


def test_what_a_swept_row_says_of_its_sampling_is_what_was_done(make_config, graded):
    config = make_config("grpo.steps=1", "grpo.top_p=0.9", "seed=7")
    run = RunFolder.create(config)
    rise_cot.train(config, run)
    collect(run.path, "--temperature", 0, "--samples", 2, "--judge", "none")
    rows = list(open_cots(run.path / "cots").rows())
    said = {tuple(json.loads(row["provenance"])[k] for k in ("temperature", "samples")) for row in rows}
    assert said == {(config.grpo.temperature, 4), (0.0, 2)}
    sampler = json.loads((run.path / "cots.rollouts" / "sampler.json").read_text())
    assert (sampler["temperature"], sampler["top_p"], sampler["seed"]) == (0.0, 0.9, 7)
    texts = {}
    for row, *_ in read_rows([run.path / "cots.rollouts"]):
        texts.setdefault(row["id"], set()).add(row["cot"])
    assert texts and all(len(said) == 1 for said in texts.values())  # greedy: all are the likeliest
    with serve(OpenAIServer(lambda key, prompt: "A plain picture.")) as server:
        served = ("--endpoint", server.url, "--samples", 2, "--judge", "none", "--out", run.path / "served")
        collect(run.path, *served)
    of_rows = [json.loads(row["provenance"]) for row in open_cots(run.path / "served").rows()]
    shaping = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
    assert any(shaping.items() <= said.items() for said in of_rows)


def test_new_reconstructions_from_what_training_sampled_and_from_a_sweep_of_all(make_config, toy, graded):
    """`graded` pays every pair of texts another reward, so that the best of four is lucky."""
    config = make_config("grpo.steps=2", "run.save_steps=2")
    run = RunFolder.create(config)
    rise_cot.train(config, run)
    trained = {located.row["id"] for located in read_rows([run.rollouts_dir])}
    options = ("--judge", "none", "--reconstructions", 6, "--lift", "--json")
    printed = json.loads(collect(run.path, "--no-sweep", *options).stdout)
    rows = list(open_cots(run.path / "cots").rows())
    assert {row["id"] for row in rows} == trained
    assert all(row["reward_selected"] == max(row["group_rewards"]) for row in rows)
    assert printed["reward"] == pytest.approx(sum(row["reward"] for row in rows) / len(rows))
    assert printed["reward"] < printed["reward_selected"] and printed["lift"] is not None
    collect(run.path, "--sweep-all", *options[:2], "--out", run.path / "all")
    everything = list(open_cots(run.path / "all").rows())
    assert len(everything) == len(toy.golds)
    assert {json.loads(row["provenance"])["step"] for row in everything} == {2}
    swept = {located.row["cot"] for located in read_rows([run.path / "all.rollouts"])}
    assert all(row["cot"] in swept and row["reward"] == row["reward_selected"] for row in everything)
    with pytest.raises(ConfigError, match="contradict"):
        collect(run.path, "--sweep-all", "--no-sweep")


def test_a_run_that_was_rewarded_without_the_picture_is_measured_beside_it(make_config, graded):
    run = RunFolder.create(make_config("grpo.steps=1", "reward.view=blind"))
    rise_cot.train(make_config("grpo.steps=1", "reward.view=blind"), run)
    logged = [located.row for located in read_rows([run.rollouts_dir])]
    assert all(row["view"] == "blind" and row["reward_blind"] == row["reward"] for row in logged)
    options = (run.path, "--no-sweep", "--judge", "none")
    with pytest.raises(ConfigError, match=r"reward\.view=blind.*pass --reconstructions"):
        collect(*options)
    for select in ("reward", "both"):
        with pytest.raises(ConfigError, match=rf"--select {select} compares rewards with .*--sweep-all"):
            collect(*options, "--reconstructions", 2, "--select", select)
    collect(*options, "--reconstructions", 2)
    (row,) = open_cots(run.path / "cots").rows()
    assert row["reward_selected"] == max(r["reward_blind"] for r in logged)
    assert row["reward_blind"] not in (None, row["reward_selected"]) and row["lift"] is None
    manifest = open_cots(run.path / "cots").manifest
    assert (manifest.options["select"], manifest.options["views"]) == ("blind", "picture,blind")
    assert json.loads(row["provenance"])["policy_reward"]["view"] == "blind"
    page = render_report(run.path, samples=2)
    assert "reconstructed without the picture" in page and "Reward of eq. 1" in page


def start(rank, tiny, built, out):
    environment = os.environ | {"RANK": str(rank), "WORLD_SIZE": "2"}
    options = [*short(tiny, built), "--batch-rows", 1, "--max-cot-length", 60, "--out", out, "--json"]
    return Command("rise_bench", "collect", *options, env=environment)


def test_two_processes_one_killed_and_a_rerun_that_finishes(tiny, built, toy, tmp_path):
    out, logs = tmp_path / "cots", tmp_path / "cots.rollouts"
    first, second = (start(rank, tiny, built, out) for rank in (0, 1))
    deadline = time.monotonic() + 120
    while not (logs / "rank00001.jsonl").exists() or not (logs / "rank00001.jsonl").stat().st_size:
        assert second.poll() is None and time.monotonic() < deadline, second.communicate()
        time.sleep(0.005)
    os.kill(second.pid, signal.SIGKILL)
    second.communicate()
    said, errors = first.communicate(timeout=120)
    assert first.returncode == 0, errors
    report = json.loads(said)
    done = Counter(located.row["id"] for located in read_rows([logs]))
    whole = {uid for uid, count in done.items() if count == 3}
    missing = 8 - len(whole)
    assert report["swept"] == 4 and report["left"] >= missing > 0  # it may have ended before the kill
    assert not out.exists()

    again = [start(rank, tiny, built, out) for rank in (0, 1)]
    results = []
    for process in again:
        said, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        results.append(json.loads(said))
    assert sum(r["swept"] for r in results) == missing  # nothing is sampled twice
    rows = [row["id"] for row in open_cots(out).rows()]
    assert Counter(rows) == Counter(gold.id for gold in toy.golds)  # nothing is lost or doubled
    ranks = {
        path.name: {located.row["id"] for located in read_rows([logs]) if located.path == path}
        for path in logs.glob("rank*.jsonl")
    }
    assert not ranks["rank00000.jsonl"] & ranks["rank00001.jsonl"]
    assert all(len(row["group_rewards"]) == 3 for row in open_cots(out).rows())
