"""The share of round numbers in answered boxes, as the study quotes it."""

import json
import sys
from pathlib import Path

import pytest

from rise_bench.experiments import box_numbers


def test_numbers_of_answers_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = ["<think>10</think><answer>[[300, 158, 210, 20]]</answer>", "<answer>[[1, 2", "nothing 30"]
    lines = [json.dumps({"id": str(number), "response": text}) for number, text in enumerate(texts)]
    (folder := tmp_path / "rise" / "final").mkdir(parents=True)
    (folder / "20261130_samples_rise_scenes.jsonl").write_text("\n".join(lines))
    monkeypatch.setattr(sys, "argv", ["box_numbers", str(tmp_path / "rise")])
    box_numbers.main()
    of_file, of_all = capsys.readouterr().out.splitlines()
    assert of_file.endswith("0.500 of 6 numbers end in 0; 0.50 boxes per answer") and of_all.startswith(
        "all: 0.5"
    )
