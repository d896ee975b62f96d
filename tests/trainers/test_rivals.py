"""Visual-RFT, Reason-RFT and Metis-RISE run end to end on a tiny model, each phase on what it should see."""

from rise_bench.rollout_log import read_rollouts
from rise_bench.trainers import visual_rft
from rise_bench.trainers.run_folder import RunFolder


def test_visual_rft_logs_every_response_and_its_verdict(smoke, toy):
    config = smoke("visual_rft")
    run = RunFolder.create(config)
    assert visual_rft.train(config, run) == run.final_dir("grpo")
    rows = [located.row for located in read_rollouts([run.rollouts_dir])]
    assert len(rows) == 2 * 4  # steps x rollouts
    assert {row["step"] for row in rows} == {0, 1}
    assert {row["id"] for row in rows} <= {gold.id for gold in toy.golds}
    assert all(0 < row["response_tokens"] <= 24 and row["reward"] == 0 for row in rows)
    for row in run.metrics():
        if "loss" in row:
            assert {"reward", "format_ok", "similarity", "frac_reward_zero_std"} <= set(row)
