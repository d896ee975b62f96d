"""False statements by cue, as the study quotes them."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from rise_bench.errors import ConfigError
from rise_bench.experiments import false_by_cue
from rise_bench.synthetic.fact_check import truth_of

from ..support.drawn_data import write_drawn


def test_statements_are_counted_by_cue_method_and_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match="has no evaluation of kinds/paper/16-shot"):
        false_by_cue.count_by_cue(tmp_path, "kinds", "paper", "16-shot")
    for seed in (0, 1):
        dataset = write_drawn(tmp_path / "data" / f"seed-{seed}" / "kinds", "kinds", train=20, test=4)
        texts = {}
        for row in dataset.rows("test", columns=["id", "source_id"]):
            truth = truth_of(row["source_id"])
            shape = (
                truth["shape"] if texts or seed else next(s for s in ("disc", "star") if s != truth["shape"])
            )
            texts[row["id"]] = f"The object is a {shape}. Its surface is {truth['texture']}."
        lines = [
            json.dumps({"id": uid, "response": f"<think>{text}</think><answer>{{}}</answer>"})
            for uid, text in texts.items()
        ]
        folder = tmp_path / "kinds" / "paper" / "16-shot" / f"seed-{seed}" / "eval" / "rise"
        folder.mkdir(parents=True)
        (folder / "1_samples_rise_kinds.jsonl").write_text("\n".join(lines))
    counts = false_by_cue.count_by_cue(tmp_path, "kinds", "paper", "16-shot")
    assert counts == {"rise": {"shape": [(4, 1), (4, 0)], "texture": [(4, 0), (4, 0)]}}
    monkeypatch.setattr(sys, "argv", ["false_by_cue", str(tmp_path), "--benchmark", "kinds"])
    false_by_cue.main()
    shape, texture = capsys.readouterr().out.splitlines()
    assert " ".join(shape.split()) == "rise shape 0.125 ± 0.177 false, 4 statements, 2 seeds"
    assert "0.000 ± 0.000 false" in texture
    base = tmp_path / "kinds" / "base" / "seed-0" / "eval" / "base"
    base.parent.mkdir(parents=True)
    shutil.copytree(folder, base)
    for budget in ("steps", "time"):
        with pytest.raises(ConfigError, match="has no evaluation of"):
            false_by_cue.count_by_cue(tmp_path, "kinds", budget, "16-shot")
    of_steps = tmp_path / "kinds" / "16-shot" / "seed-0" / "eval"
    for name in ("rise", "sft", "sft-time"):
        shutil.copytree(folder, of_steps / name)
    assert set(false_by_cue.count_by_cue(tmp_path, "kinds", "steps", "16-shot")) == {"base", "rise", "sft"}
    assert set(false_by_cue.count_by_cue(tmp_path, "kinds", "time", "16-shot")) == {
        "base",
        "rise",
        "sft-time",
    }
    monkeypatch.setattr(sys, "argv", ["false_by_cue", str(tmp_path / "absent")])
    with pytest.raises(ConfigError, match="has no evaluation of moods"):
        false_by_cue.main()
