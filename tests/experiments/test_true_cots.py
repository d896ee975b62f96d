"""The choice of rollouts that say nothing false."""

import json

import pytest
from typer.testing import CliRunner

from rise_bench.cli import app
from rise_bench.cot.dataset import open_cots
from rise_bench.errors import DataError
from rise_bench.experiments.drawn_cots import Writing, write_text
from rise_bench.experiments.true_cots import write_true_cots
from rise_bench.synthetic.fact_check import count_statements
from rise_bench.synthetic.rows import row_of

from ..support.drawn_data import write_drawn


def test_the_best_true_rollout_of_each_sample_is_chosen(tmp_path) -> None:
    kinds = write_drawn(tmp_path / "kinds", "kinds", train=3, test=1)
    truths = {row["id"]: row_of(row["source_id"]).described for row in kinds.rows("train")}
    first, second, third = truths

    def said(uid: str, reward: float, step: int, *, statements: int = 1, false: float = 0.0) -> dict:
        text = write_text(truths[uid], Writing(false, statements, step), uid)
        return {"id": uid, "step": step, "group": 0, "attempt": "", "reward": reward, "cot": text}

    rollouts = [
        said(first, 0.8, 1, statements=2),
        said(first, 0.9, 2, statements=3),
        said(first, 0.9, 3, statements=4),
        said(first, 1.0, 4, statements=3, false=1.0),
        said(first, 0.8, 5, statements=5),
        said(second, 1.0, 1) | {"cot": "It is what it is."},
        said(second, 0.7, 2),
        said(third, 0.75, 1),
    ]
    log = tmp_path / "run" / "rollouts" / "rank-0.jsonl"
    log.parent.mkdir(parents=True)
    log.write_text("".join(f"{json.dumps(row)}\n" for row in rollouts))
    arguments = ["drawn-cots", "--benchmark", str(kinds.root), "--of-run", str(tmp_path / "run")]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "cots")], catch_exceptions=False)
    assert result.exit_code == 0 and "2 chains of thought" in result.output
    cots = open_cots(tmp_path / "cots")
    assert cots.texts() == {first: rollouts[2]["cot"], third: rollouts[7]["cot"]}
    assert cots.manifest.drops == {"without a chain of thought": (second,)}
    assert count_statements(cots.texts().items(), kinds, "train").false == 0
    with pytest.raises(DataError, match=r"none of 2 rollouts .* Name a RISE-CoT run"):
        write_true_cots(kinds, tmp_path / "run", tmp_path / "none", tau=0.95)
    log.write_text(json.dumps(rollouts[0] | {"id": "absent"}) + "\n")
    with pytest.raises(DataError, match=r"'absent'\. Name the benchmark"):
        write_true_cots(kinds, tmp_path / "run", tmp_path / "none")
