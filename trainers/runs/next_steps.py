"""Commands to run after a training run: its report, the chains of thought or the evaluation of its model."""

from __future__ import annotations

import shlex
from pathlib import Path

from rise_bench.annotations.answer_format import DEFAULT_FORMAT
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.evaluation.lmms_command import CUSTOM_TASK, CUSTOM_VARIABLE, task_of
from rise_bench.models.families import family_of
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.config import TrainConfig


def next_steps(config: TrainConfig, benchmark: BenchmarkDataset, run: RunFolder, final: Path) -> list[str]:
    """Return the next command lines after a run, the most useful last."""
    folder = shlex.quote(str(run.path))
    then = (
        f"rise-bench collect {folder}"
        if config.declared_stage.is_closed_loop
        else evaluation(config, benchmark, final)
    )
    return [f"rise-bench report {folder}", then]


def evaluation(config: TrainConfig, benchmark: BenchmarkDataset, model: Path) -> str:
    """The command that scores a trained model in the form that it was taught, at the size of its pictures."""
    family = family_of(str(model))
    task, where = task_of(benchmark.spec.name)
    if "/" in config.data.benchmark or Path(config.data.benchmark).is_dir():
        root = benchmark.root.absolute()
        if root.name == benchmark.spec.name:
            where["RISE_BENCH_DATA"] = str(root.parent)
        else:  # a corrected copy, or a commit in the cache of the Hub: nothing is found under its name
            task, where = CUSTOM_TASK, {CUSTOM_VARIABLE: str(root)}
    style = config.declared_stage.style(config.reward.response_form)
    place = ",device=cpu,device_map=cpu" if config.compute.use_cpu else ""
    arguments = f"pretrained={model}{place},max_pixels={config.model.max_pixels}"
    command = [
        *(f"{variable}={shlex.quote(value)}" for variable, value in where.items()),
        *("rise-bench", "eval", "--tasks", task, "--model", family.lmms_model),
        *("--model_args", shlex.quote(arguments)),
        *(("--style", style) if style != DEFAULT_FORMAT.style else ()),
    ]
    return " ".join(command)
