"""Programs of experiments (`python -m rise_bench.experiments.…`) on bad input."""

import runpy
import sys
from pathlib import Path

import pytest

from rise_bench import experiments


@pytest.mark.parametrize("name", ["study/__main__", "false_by_cue", "box_numbers"])
def test_bad_input_is_one_message_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "run_samples_moods.jsonl").write_text("no JSON\n")
    monkeypatch.setattr(sys, "argv", [name, str(tmp_path)])
    with pytest.raises(SystemExit, match=f"^error: {tmp_path}"):
        runpy.run_path(f"{experiments.__path__[0]}/{name}.py", run_name="__main__")
