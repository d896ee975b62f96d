"""`rise-bench eval` of the families with tiles and of an adapter, through the real lmms-eval."""

from pathlib import Path

import pytest

from rise_bench.catalog.families import FAMILIES
from rise_bench.models.tiny import make_tiny_model

from ..support.tiny_models import write_adapter
from .conftest import Run


@pytest.mark.slow
@pytest.mark.parametrize("name", ["idefics3", "internvl", "adapter"])
def test_a_model_is_evaluated(run: Run, tmp_path: Path, name: str) -> None:
    family = FAMILIES["qwen2_vl" if name == "adapter" else name]
    folder = make_tiny_model(tmp_path / "model", family.name)
    if name == "adapter":
        write_adapter(tmp_path / "adapter", folder)
        folder = tmp_path / "adapter"
    done = run(
        *("rise_bench", "eval", "--tasks", "rise_moods", "--model", family.lmms_model, "--limit", "2"),
        *("--model_args", f"pretrained={folder},device=cpu,device_map=cpu"),
        *("--gen_kwargs", "max_new_tokens=8", "--output_path", tmp_path / "out"),
        XDG_CACHE_HOME=str(tmp_path / "cache"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (samples,) = (tmp_path / "out").rglob("*_samples_rise_moods.jsonl")
    assert len(samples.read_text().splitlines()) == 2
    assert ("merged with its base model" in done.stdout + done.stderr) == (name == "adapter")
