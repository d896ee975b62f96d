import json

import pytest

from rise_bench.cot.row_log import RowLog
from rise_bench.errors import DataError
from rise_bench.experiments.false_statements import count_any, rank_truth, rank_truth_by_rewards
from rise_bench.synthetic.rows import truth_of

from ..support.drawn_data import write_drawn


@pytest.fixture(scope="module")
def moods(tmp_path_factory):
    return write_drawn(tmp_path_factory.mktemp("moods") / "moods", "moods", train=4, test=4)


def said(row, *, lie=False):
    """Two statements about a picture, one of them false if asked for."""
    truth = truth_of(row["source_id"])
    ground = next(g for g in ("pale", "dark") if g != truth["ground"]) if lie else truth["ground"]
    return f"The ground is {ground}. Their colour is {truth['colour']}."


def test_rollouts_are_counted_by_range_of_steps(moods, tmp_path):
    row = next(moods.rows("train", columns=["id", "source_id"]))
    log = RowLog(tmp_path / "rollouts", 0, attempt="0")
    at = {"id": row["id"], "group": 0, "reward": 0.5}
    log.append(at | {"step": step, "cot": said(row, lie=True)} for step in (0, 1))  # sampled again below
    log = RowLog(tmp_path / "rollouts", 1, attempt="1")
    log.append(at | {"step": step, "cot": said(row, lie=step >= 3)} for step in range(5))
    stages = dict(count_any(tmp_path / "rollouts", moods, every=3))
    assert {name: (c.texts, c.statements, c.false) for name, c in stages.items()} == {
        "rollouts, steps 0 to 2": (3, 6, 0),
        "rollouts, steps 3 to 5": (2, 4, 2),
    }
    later = stages["rollouts, steps 3 to 5"]
    assert (later.rate, later.false_per_text) == (0.5, 1.0)


def test_responses_of_an_evaluation_are_counted_by_their_thoughts(moods, tmp_path):
    rows = list(moods.rows("test", columns=["id", "source_id"]))
    lines = [
        {"id": row["id"], "response": f"<think>{said(row, lie=i == 0)}</think><answer>{{}}</answer>"}
        for i, row in enumerate(rows)
    ]
    (tmp_path / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    ((name, counted),) = count_any(tmp_path / "samples.jsonl", moods)
    assert (name, counted.texts, counted.statements, counted.false) == ("responses, test", 4, 8, 1)


def test_groundedness_in_a_log_is_ranked_against_the_truth(moods):
    row = next(moods.rows("train", columns=["id", "source_id"]))
    rows = [
        {
            "id": row["id"],
            "cot": said(row, lie=lie),
            "groundedness": mean,
            "groundedness_worst_sentence": worst,
        }
        for lie, mean, worst in ((False, 1.0, 0.5), (False, 0.2, -0.5), (True, 0.9, -1.0), (True, 0.1, 0.1))
    ]
    ranked = rank_truth([*rows, {"id": row["id"], "cot": "not judged"}], moods, threshold=0.15)
    assert ranked == {
        "texts": 4.0,
        "false_texts": 2.0,
        "auroc groundedness": 0.75,
        "auroc groundedness_worst_sentence": 0.75,
        "true texts stopped at 0.15": 0.0,
        "false texts stopped at 0.15": 0.5,
    }
    old = rank_truth(rows, moods, column="groundedness_worst_sentence")
    assert (old["true texts stopped at 0"], old["false texts stopped at 0"]) == (0.5, 0.5)
    assert rank_truth(rows[:2], moods) == {}


def test_rewards_are_ranked_against_the_truth(moods):
    row = next(moods.rows("train", columns=["id", "source_id"]))
    scored = ((False, 0.9, 0.8), (False, 0.4, None), (True, 0.5, 0.1), (True, 0.9, None))
    rows = [
        {"id": row["id"], "cot": said(row, lie=lie), "reward": reward, "reward_blind": blind, "lift": None}
        for lie, reward, blind in scored
    ]
    assert rank_truth_by_rewards([*rows, {"id": row["id"], "cot": "no statement"}], moods) == {
        "auroc reward": 0.375,
        "texts with reward": 4.0,
        "auroc reward_blind": 1.0,
        "texts with reward_blind": 2.0,
    }


def test_rewards_are_ranked_within_the_groups_that_grpo_compares(moods):
    """In no group has the true text the higher reward, and what is paid for it is always higher."""
    first, second = [row for row, _ in zip(moods.rows("train"), range(2), strict=False)]
    scored = (
        (first, 0, False, 0.2, 0.2),
        (first, 0, True, 0.3, 0.0),
        (second, 0, False, 0.7, 0.7),  # another prompt of the step
        (second, 0, True, 0.8, 0.0),
        (first, 1, False, 0.9, 0.9),  # the first prompt again
    )
    rows = [
        {"id": row["id"], "cot": said(row, lie=lie), "reward": reward, "paid": paid, "step": 0, "group": copy}
        for row, copy, lie, reward, paid in scored
    ]
    ranked = rank_truth_by_rewards(rows, moods)
    assert ranked["auroc reward"] == 0.5
    assert ranked["auroc reward within groups"] == 0.0
    assert ranked["pairs with reward"] == 2.0
    assert ranked["auroc paid within groups"] == 1.0


def test_the_reward_of_a_blind_run_is_no_reward_with_the_picture(moods):
    row = next(moods.rows("train", columns=["id", "source_id"]))
    rows = [
        {"id": row["id"], "cot": said(row, lie=lie), "reward": 0.5, "reward_blind": 0.5, "view": "blind"}
        for lie in (False, True)
    ]
    assert set(rank_truth_by_rewards(rows, moods)) == {"auroc reward_blind", "texts with reward_blind"}


def test_a_folder_without_rollouts_is_an_error(moods, tmp_path):
    with pytest.raises(DataError, match="no rollouts"):
        list(count_any(tmp_path, moods))
