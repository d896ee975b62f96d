"""A GRPO run whose answers cannot be read earns nothing and learns nothing: it stops, or its user is warned.

The share of readable answers is a metric that TRL averages over all processes, so that all of them stop at
the same step. Checkpoints are kept.
"""

from __future__ import annotations

from typing import Any

from accelerate.utils import broadcast_object_list
from transformers import TrainerCallback

from rise_bench.catalog.stages import Phase
from rise_bench.errors import ConfigError
from rise_bench.reports.run_report import read_metrics
from rise_bench.trainers.checks.first_rollouts import READABLE
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.config import TrainConfig
from rise_bench.trainers.settings.setting_checks import prompts_per_step

_REMEDY = (
    "Look at the texts in {rollouts}. If they are cut off, raise the completion length (grpo.max_*_length), "
    "else start from a model that knows the form, e.g. by an SFT phase, either in another run.output_dir; or "
    "go on all the same by run.on_unreadable=warn."
)


class UnreadableGuard(TrainerCallback):
    """Stops training after `run.unreadable_groups` groups in a row without an answer that can be read."""

    def __init__(self, config: TrainConfig) -> None:
        self._config, self._step, self._groups, self.stopped_at = config, 0, 0.0, 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Count from here."""
        self._step = state.global_step

    def on_log(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        """Count the groups of the steps since the last log, and stop."""
        readable = (parts.get("logs") or {}).get(READABLE)
        if readable is None:
            return
        batches = (state.global_step - self._step) / self._config.grpo.num_iterations
        groups = prompts_per_step(self._config, "grpo", args.world_size) * batches
        self._step, self._groups = state.global_step, 0.0 if readable else self._groups + groups
        enough = self._groups >= self._config.run.unreadable_groups
        if enough and self._config.run.on_unreadable == "stop" and state.global_step < state.max_steps:
            self.stopped_at, control.should_training_stop = state.global_step, True
            # so that `warn` goes on from here; rollouts that serve several steps are in no checkpoint
            control.should_save |= self._config.grpo.num_iterations == 1


def refuse_unreadable(config: TrainConfig, run: RunFolder, phase: Phase, *, stopped_at: int = 0) -> None:
    """Refuse a phase that was stopped, or had no readable answer in its logged steps.

    Args:
        config: Resolved config.
        run: The run folder.
        phase: The phase; SFT has no answers.
        stopped_at: Step at which the guard stopped it; 0 if it did not.

    Raises:
        ConfigError: It is refused, and `run.on_unreadable` is `stop`.
    """
    if config.run.on_unreadable == "warn":
        return
    remedy = _REMEDY.format(rollouts=run.rollouts_dir)
    if stopped_at:
        raise ConfigError(
            f"{phase}: stopped after step {stopped_at}: no answer of the last {config.run.unreadable_groups} "
            f"groups or more could be read, so that nothing is learned. {remedy}"
        )
    shares = [row[READABLE] for row in read_metrics(run.path) if row["phase"] == phase and READABLE in row]
    if broadcast_object_list([bool(shares) and not any(shares)])[0]:
        raise ConfigError(f"{phase}: no answer of its {len(shares)} logged steps could be read. {remedy}")
