"""`benchmarks/gpu.sh` as far as a CPU goes: every command of it runs, with the smallest model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rise_bench.cli import app
from rise_bench.trainers.settings.recipe_loader import load_config

from ..support.commands import run_command

pytest.importorskip("trl")

GPU_ONLY = {"step_flash_attention_2", "rise_cot_vllm", "step_flex_attention"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gpu")


@pytest.fixture(scope="module")
def parts(folder: Path, root: Path):
    """The parts of a machine without a GPU, and the module that has them."""
    import torch
    from typer.testing import CliRunner

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root / "benchmarks"))
        import gpu_parts
        from train_step_model import SHAPES, make_model

        model, _ = make_model(folder, SHAPES["tiny"], torch.float32)
    asked = ["build", "moods", "--train", "8", "--test", "2", "--out", str(folder / "moods")]
    assert CliRunner().invoke(app, asked).exit_code == 0
    return gpu_parts, {part.name: part for part in gpu_parts.parts(folder, model, "tiny", gpu=False)}


@pytest.mark.parametrize("name", ["step_sdpa", "tree_exactness_bf16", "rise_cot_bf16"])
def test_a_part_that_a_cpu_can_run_runs(parts, name: str) -> None:
    gpu_parts, named = parts
    part = named[name]
    arguments = part.command[2:] if part.command[1] == "-m" else part.command[1:]
    done = run_command(*arguments, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-3000:]
    result = gpu_parts.read_metrics(part.run) if part.run else gpu_parts.last_json(done.stdout)
    if name == "step_sdpa":
        assert {"ours", "grpo", "authors"} == result["seconds_per_step"].keys()
        assert min(result["seconds_per_step"].values()) > 0
        assert result["attention"] == "sdpa" and result["authors_over_ours"] > 0
    elif name == "tree_exactness_bf16":
        assert result["exact_enough"] and max(result["tree_over_rows"].values()) > 0
        assert 0 < result["relative_gradient_error"]["tree_bf16"] < 0.1
    else:
        assert result["steps"] == 2 and result["loss_is_finite"]
        assert all(0 <= reward <= 1 for reward in result["reward_first_last"])


def test_a_part_that_needs_a_gpu_says_so_and_its_settings_exist(parts) -> None:
    gpu_parts, named = parts
    for name, part in named.items():
        assert part.on_cpu == (name not in GPU_ONLY)
        if not part.on_cpu:
            said = gpu_parts.run(part, 500, gpu=False)
            assert said == {"not_run": "it needs a GPU, and there is none"}
    settings = [word for word in named["rise_cot_vllm"].command if "=" in word]
    assert load_config("world/rise_cot", settings).grpo.vllm == "colocate"


def test_a_part_that_fails_or_takes_too_long_is_named_and_no_part_starts_too_late(parts) -> None:
    gpu_parts, _ = parts
    broken = gpu_parts.Part("broken", [sys.executable, "-c", "raise SystemExit('no such shape')"], 30)
    assert gpu_parts.run(broken, 100, gpu=False)["failed"] == "no such shape"
    endless = gpu_parts.Part("endless", [sys.executable, "-c", "import time; time.sleep(60)"], 0.2)
    assert gpu_parts.run(endless, 100, gpu=True) == {"failed": "not done in 0 s"}
    assert gpu_parts.run(endless, 10, gpu=True) == {"not_run": "no time left"}
    absent = gpu_parts.Part("absent", [], 30, needs="no_such_engine")
    assert gpu_parts.run(absent, 100, gpu=True) == {"not_run": "no_such_engine is not installed"}


@pytest.mark.slow
def test_the_script_prints_one_json_in_time(root: Path, tmp_path: Path) -> None:
    """With the time for none of its parts, which the tests above run one by one."""
    settings = {"SHAPE": "tiny", "PYTHON": sys.executable, "WORK": str(tmp_path), "SECONDS_IN_ALL": "10"}
    done = subprocess.run(
        ["bash", str(root / "benchmarks" / "gpu.sh")],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("{"), done.stdout + done.stderr[-3000:]
    printed = json.loads(done.stdout)
    assert done.returncode == 0 and printed["shape"] == "tiny" and printed["parts"].keys() > GPU_ONLY
    assert all("not_run" in part for part in printed["parts"].values())
