"""Rows of a CoT dataset as a queue; folders that hold nothing to review."""

import json

import pytest

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.boxes.values import MAX_PIXELS
from rise_bench.annotations.kinds import KINDS, render_gold
from rise_bench.cot.check import check_folder
from rise_bench.cot.dataset import open_cots
from rise_bench.cot.rollout_groups import Group
from rise_bench.cot.rollout_log import Rollout
from rise_bench.cot.writer import CotPlan, write_cots
from rise_bench.curation.audit.apply import apply_decisions
from rise_bench.curation.audit.loops import loops_of_cots
from rise_bench.curation.decisions import Decision, read_decisions, write_decisions
from rise_bench.curation.review.session import Review
from rise_bench.curation.review.sources import open_source
from rise_bench.data.dataset import open_dataset
from rise_bench.data.schema import row_to_gold
from rise_bench.data.writer import write_dataset
from rise_bench.errors import ConfigError, DataError
from rise_bench.prompts.templates import answer_only_text
from rise_bench.scoring.rewards import cot_reward

from ...data.test_hostile_datasets import write_small_cots
from ...support.made_sources import boxes_plan, distribution_plan


@pytest.fixture(params=[distribution_plan, boxes_plan], ids=["distribution", "boxes"])
def cots(request, tmp_path):
    write_dataset(request.param(tmp_path / "source"), tmp_path / "benchmark", workers=1)
    write_small_cots(tmp_path / "benchmark", tmp_path / "cots", tmp_path / "rollouts", rewards=(0.9, 0.2))
    return tmp_path / "cots"


def test_rows_of_a_cot_dataset_come_lowest_reward_first(cots):
    source, dataset = open_source(cots), open_cots(cots)
    rows = {row["id"]: row for row in dataset.rows()}
    assert sorted(source.ids) == sorted(rows) and len(source.ids) > 2
    assert source.ranks == sorted(source.ranks) == [rows[uid]["reward"] for uid in source.ids]
    for index, uid in enumerate(source.ids):
        item, row = source.item(index), rows[uid]
        assert item.given == row_to_gold(dataset.spec, row).annotation
        assert item.reason == row["cot"] and item.scores["reward"] == row["reward"]
        assert any("not trained on" in why for why in item.why) == (row["reward"] < dataset.manifest.tau)
        assert source.image_bytes(item) == row["image"]["bytes"]


@pytest.mark.parametrize("max_pixels", [MAX_PIXELS, 3136])
def test_what_was_reconstructed_is_the_label_of_the_model_in_pixels(cots, tmp_path, max_pixels):
    """Each row's reconstruction is its own truth, written in the unit of a family with pixels of its own."""
    dataset = open_dataset(tmp_path / "benchmark")
    answer_format = AnswerFormat("answer_only", "resized_px", max_pixels)
    best = {}
    for number, gold in enumerate(dataset.train_golds()):
        text = answer_only_text(render_gold(gold, answer_format, digits=6)) if number else "I cannot tell."
        verdict = cot_reward(gold, "The light is soft.", text, answer_format)
        rollout = Rollout.of(
            verdict, id=gold.id, step=1, group=0, cot="The light is soft.", reconstruction=text
        )
        log = tmp_path / f"{number}.jsonl"
        log.write_text(json.dumps(rollout.to_json() | {"attempt": "a"}) + "\n")
        best[gold.id] = Group(step=1, attempt="a", rewards=[verdict.reward], path=log, offset=0)
    known = {"model": "tiny", "box_unit": "resized_px"}
    if max_pixels != MAX_PIXELS:  # earlier versions did not say
        known["max_pixels"] = max_pixels
    plan = CotPlan(dataset, "full", best, lambda group: known)
    write_cots(plan, cots, overwrite=True)
    source, kind = open_source(cots), KINDS[dataset.spec.kind]
    first, *others = (source.item(index) for index in range(len(source.ids)))
    assert first.suggested is None and "cannot be read (no_" in first.why[0]
    for item in others:
        assert kind.similarity(item.given, item.suggested) == pytest.approx(item.scores["similarity"])
        assert item.scores["similarity"] > 0.99
    golds = {gold.id: gold for gold in dataset.train_golds()}
    loops = loops_of_cots(open_cots(cots), golds, dataset.sha256)
    assert {loop.comparable for loop in loops.values()} == {dataset.spec.kind == "distribution"}
    (log := cots.with_name("cots.rollouts")).mkdir()
    for path in tmp_path.glob("*.jsonl"):
        path.rename(log / f"rank{path.name}")
    loops = loops_of_cots(open_cots(cots), golds, dataset.sha256)
    assert {loop.comparable for loop in loops.values()} == {True}
    for uid, loop in loops.items():
        assert loop.mean == pytest.approx(best[uid].rewards[0]), "in the frame of the model"


def test_decisions_on_a_cot_dataset_leave_it_sound(cots):
    review = Review(cots)
    review.decide(0, 0, "accept", note="fine")
    assert read_decisions(cots / "decisions.csv")[review.source.ids[0]].note == "fine"
    assert check_folder(cots) == []


def test_decisions_on_a_cot_dataset_correct_what_it_explains(cots, tmp_path):
    benchmark, review = open_dataset(tmp_path / "benchmark"), Review(cots)
    kind = benchmark.spec.kind
    given = KINDS[kind].to_json(review.source.item(0).given)
    review.decide(0, 0, "edit", [*given[1:], given[0]] if kind == "distribution" else [[1, 1, 5, 5]])
    decided = read_decisions(cots / "decisions.csv")
    manifest = apply_decisions(benchmark, decided, cots / "decisions.csv", tmp_path / "corrected")
    assert manifest.options["corrected_from_sha256"] == benchmark.sha256


def test_decisions_on_another_version_are_not_shown_as_those_on_this_one(cots):
    uid = Review(cots).source.ids[0]
    write_decisions(cots / "decisions.csv", [Decision(uid, "accept", dataset_sha256="0" * 64)])
    with pytest.raises(DataError, match=r"decides on version 000000000000 .*; move the file elsewhere"):
        Review(cots)


def test_folders_with_nothing_to_review_say_what_to_do(cots, tmp_path):
    with pytest.raises(ConfigError, match="rise-bench audit"):
        open_source(tmp_path / "benchmark")
    with pytest.raises(DataError, match="holds nothing to review"):
        open_source(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
