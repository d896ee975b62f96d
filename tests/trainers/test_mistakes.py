import pytest

pytest.importorskip("transformers")

from rise_bench.builders.world.rows import truth_of
from rise_bench.rollout_log import RolloutLog
from rise_bench.trainers.base_model import mistakes
from rise_bench.trainers.base_model.mistakes import SCORES, read_rows, study

from ..drawn_data import write_drawn


def test_a_false_statement_scores_below_true_ones(tmp_path):
    moods = write_drawn(tmp_path / "moods", "moods", train=12, test=1)
    log = RolloutLog(tmp_path / "rollouts", 0, attempt="0")
    for i, row in enumerate(moods.rows("train", columns=["id", "source_id"])):
        truth = truth_of(row["source_id"])
        colour = "blue" if truth["colour"] != "blue" else "red"
        said = colour if i % 2 else truth["colour"]
        cot = f"The ground is {truth['ground']}. Their colour is {said}."
        log.append([{"id": row["id"], "step": i, "cot": cot}] * 2)
    rows = read_rows([tmp_path / "rollouts"], 0, 100)
    assert len(rows) == 12 and len(read_rows([tmp_path / "rollouts"], 6, 4)) == 4
    result = study(moods, rows, mistakes.base_model_folder(), swaps=2)
    assert (result["statements"], result["false"]) == (24, 6)
    assert set(result["auroc"]) == set(SCORES)
    assert min(result["auroc"].values()) > 0.8
