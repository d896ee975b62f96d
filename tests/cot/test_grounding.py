"""Scores without truth against the exact truth: what is ranked, and that groundedness finds what is false."""

from dataclasses import replace

import pytest

pytest.importorskip("transformers")

from rise_bench.cot.row_log import RowLog
from rise_bench.models.base_model import base_model_folder
from rise_bench.synthetic.rows import truth_of
from rise_bench.synthetic.statements import statements
from rise_bench.trainers.base_model.evaluate import Speaker, samples
from rise_bench.trainers.base_model.grounding import corrupted, rolled_out, score
from rise_bench.trainers.base_model.truth_ranking import Scored, gate, rank_truth

from ..support.drawn_data import write_drawn


@pytest.fixture(scope="module")
def judge():
    return Speaker(base_model_folder())


def scored(text, *said):
    return Scored({"mean": text}, tuple((true, {"sentence": number}) for true, number in said))


@pytest.mark.parametrize(
    ("true", "false", "auroc"), [((1.0, 0.5), -1.0, 1.0), ((0.5, 0.5), 0.5, 0.5), ((-1.0, -0.5), 1.0, 0.0)]
)
def test_a_score_ranks_as_well_as_it_follows_the_truth(true, false, auroc):
    mixed, sound = scored(false, (True, true[0]), (False, false)), scored(true[1], (True, true[1]))
    result = rank_truth([mixed, sound])
    assert (result["false_statement_rate"], result["false_statements_per_text"]) == (1 / 3, 0.5)
    assert result["auroc_statements"]["sentence"] == auroc
    assert result["auroc_texts"]["mean"] == auroc


def test_one_side_alone_is_not_ranked():
    result = rank_truth([scored(0.1, (False, -2.0), (True, 3.0)), scored(0.2)])
    assert (result["texts"], result["statements"], result["auroc_texts"]) == (2, 2, {})
    assert result["auroc_statements"] == {"sentence": 1.0}


def test_a_gate_refuses_its_share_of_true_texts_and_counts_them_by_length():
    texts = [Scored({"mean": n / 10}, ((True, {}),), sentences=1 + n % 2) for n in range(20)]
    texts += [Scored({"mean": value}, ((False, {}),)) for value in (-1.0, 0.0, 1.0, 9.0)]
    texts += [Scored({"mean": -9.0}, ((True, {}),), unchecked=1)]  # may be true or not: in neither side
    result = gate(texts, "mean", 0.1)
    assert result["threshold"] == pytest.approx(0.19)
    assert (result["true_refused"], result["false_passed"]) == (0.1, 0.5)
    assert result["true_refused_by_sentences"] == {1: "1 of 10", 2: "1 of 10"}
    assert gate(texts, "mean", 0.1, threshold=1.0)["true_refused"] == 0.5
    assert gate(texts[:3], "mean", 0.1) == {}


def test_corrupted_texts_are_false_as_often_as_asked():
    rows = samples("moods", "train", 60)

    def said(share):
        return [s for one in corrupted("moods", rows, share) for s in statements(one.text, one.truth)]

    assert len(said(0.3)) == 300
    assert 0.2 < sum(not s.true for s in said(0.3)) / 300 < 0.4
    assert all(s.true for s in said(0.0))


def test_a_statement_made_twice_is_scored_where_it_stands(judge):
    one, other = corrupted("moods", samples("moods", "train", 2), 0.0)
    ground, wrong = one.truth["ground"], "dark" if one.truth["ground"] != "dark" else "pale"
    text = f"The ground is {wrong}. The ground is {ground}. The ground is {wrong}."
    (first, *_) = score(judge, [replace(one, text=text), other], swaps=1)
    assert [true for true, _ in first.statements] == [False, True, False]
    values = [scores["sentence"] for _, scores in first.statements]
    assert len(set(values)) == 3


def test_rollouts_with_false_statements_score_below_true_ones(tmp_path, judge):
    """The scores know nothing of the cues; a coin would get 0.5."""
    moods = write_drawn(tmp_path / "moods", "moods", train=12, test=1)
    log = RowLog(tmp_path / "rollouts", 0, attempt="0")
    for i, row in enumerate(moods.rows("train", columns=["id", "source_id"])):
        truth = truth_of(row["source_id"])
        colour = "blue" if truth["colour"] != "blue" else "red"
        said = colour if i % 2 else truth["colour"]
        cot = f"The ground is {truth['ground']}. Their colour is {said}."
        log.append([{"id": row["id"], "step": i, "group": 0, "reward": 0.5, "cot": cot}] * 2)
    told = rolled_out([tmp_path / "rollouts"], moods, 0, 100)
    assert len(told) == 12 and len(rolled_out([tmp_path / "rollouts"], moods, 6, 4)) == 4
    scored = score(judge, told, swaps=2, reconstructed=moods.spec)
    result = rank_truth(scored)
    assert {"similarity", "blind", "both", "lift"} < set(result["auroc_texts"])
    assert all(s.text["both"] == min(s.text["similarity"], s.text["blind"]) for s in scored)
    assert len({s.text["similarity"] - s.text["lift"] for s in scored}) > 1  # the empty view's similarity
    assert (result["statements"], result["false_statements"]) == (24, 6)
    assert set(result["auroc_statements"]) == {"sentence", "token mean", "lowest token", "surprise"}
    assert min(result["auroc_statements"].values()) > 0.6
    assert result["auroc_statements"]["sentence"] > 0.8
    assert result["auroc_texts"]["worst sentence"] > 0.8
