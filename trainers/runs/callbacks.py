"""Callbacks of the trainers: progress bar, log of metrics, mark of a complete checkpoint."""

from __future__ import annotations

from typing import Any

from accelerate import PartialState
from transformers import ProgressCallback, TrainerCallback

from rise_bench.catalog.stages import Phase
from rise_bench.trainers.runs.run_folder import RunFolder

#: Metrics shown beside the bar; metrics.jsonl has all of them.
SHOWN = ("reward", "similarity", "leak_numbers", "format_ok", "loss", "mean_token_accuracy")


class StepBar(ProgressCallback):
    """The progress bar of transformers, with the last metrics beside it in place of a printed line a step."""

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Show the metrics."""
        if self.training_bar is not None:
            logs = kwargs.get("logs") or {}
            self.training_bar.set_postfix({k: f"{logs[k]:.3g}" for k in SHOWN if k in logs})


class MetricsLog(TrainerCallback):
    """Copies every number that the trainer logs into metrics.jsonl."""

    def __init__(self, run: RunFolder, phase: Phase) -> None:
        self.run, self.phase = run, phase

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Append one line."""
        numbers = {k: v for k, v in (kwargs.get("logs") or {}).items() if isinstance(v, int | float)}
        self.run.log(self.phase, state.global_step, numbers)


class CheckpointMark(TrainerCallback):
    """Marks a checkpoint complete once every process has written its part, and deletes the oldest."""

    def __init__(self, run: RunFolder, phase: Phase, keep: int) -> None:
        self.run, self.phase, self.keep = run, phase, keep

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Wait for all, then mark."""
        PartialState().wait_for_everyone()
        self.run.complete_checkpoint(self.phase, state.global_step, keep=self.keep)
