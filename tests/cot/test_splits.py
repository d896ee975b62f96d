"""Chains of thought of train and test: written apart, checked, loaded, and never trained on by mistake."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

import rise_bench
from rise_bench.cli import app
from rise_bench.cot.check import check_folder
from rise_bench.cot.closed_loop import LoopSettings
from rise_bench.cot.collect import collect
from rise_bench.cot.collect_job import CollectJob
from rise_bench.cot.dataset import open_cots
from rise_bench.cot.share import Share
from rise_bench.errors import ConfigError
from rise_bench.export.writers import export

from ..support.drawn_data import write_drawn
from .test_collect import Model


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    return write_drawn(tmp_path_factory.mktemp("moods") / "moods", "moods", train=4, test=3)


@pytest.fixture
def job(benchmark, tmp_path):
    settings = LoopSettings(samples=1)
    made = CollectJob(benchmark, "full", tmp_path / "cots", tmp_path / "log", settings, sampler=Model)
    return replace(made, model={"model": "scripted"}, tau=0.0)


def ids(dataset, split):
    return {row["id"] for row in dataset.rows(split=split, columns=["id"])}


def test_both_splits_are_written_apart_and_only_train_is_trained_on(job, benchmark, tmp_path):
    collect(job, Share())
    assert open_cots(job.out).manifest.options.get("splits") is None
    both = replace(job, splits=("train", "test"), out=tmp_path / "both")
    model = Model()
    assert collect(replace(both, sampler=lambda: model), Share()).reused == 4 and model.asked == 6
    cots = open_cots(both.out)
    assert cots.manifest.counts == {"train": 4, "test": 3} and check_folder(both.out) == []
    assert ids(cots, "test") == {gold.id for gold in benchmark.golds("test")}
    assert cots.texts().keys() == ids(cots, "train") == {gold.id for gold in benchmark.golds("train")}
    loaded = rise_bench.load(str(both.out), "high")
    assert {name: len(rows) for name, rows in loaded.items()} == {"train": 4, "test": 3}
    assert export(str(both.out), tmp_path / "trl", "trl") == 4


def test_a_split_is_named_as_the_dataset_has_it(benchmark, tmp_path):
    options = ["--benchmark", str(benchmark.root), "--out", str(tmp_path / "cots"), "--dry-run", "--json"]

    def dry_run(*splits):
        result = CliRunner().invoke(app, ["collect", *options, *splits], catch_exceptions=False)
        return json.loads(result.stdout)["samples"]

    assert [dry_run(), dry_run("--splits", "test,train"), dry_run("--splits", "test")] == [4, 7, 3]
    with pytest.raises(ConfigError, match=r"no split 'val'; pass --splits train,test"):
        dry_run("--splits", "train,val")
    assert not (tmp_path / "cots").exists()
