"""One phase of training, from its first step or its last checkpoint to its final model.

Traps that are dealt with here: `resume_from_checkpoint` alone keeps the base weights of Qwen2-VL
(transformers#43701), so the checkpoint is passed as the model too; and a checkpoint counts only once every
process has written its part, which the mark of `CheckpointMark` says.
"""

from __future__ import annotations

import logging
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list, release_memory
from transformers import ProgressCallback
from transformers.integrations.deepspeed import unset_hf_deepspeed_config
from transformers.utils.logging import disable_progress_bar, enable_progress_bar, is_progress_bar_enabled

from rise_bench.catalog.stages import Phase
from rise_bench.cot.row_log import next_attempt
from rise_bench.models.adapters import is_adapter
from rise_bench.models.families import supported_model
from rise_bench.models.local import keep_end_tokens_only
from rise_bench.models.model_files import DEEPSPEED_STATE, TRAINER_STATE
from rise_bench.trainers.phases.cpu_logprob_patch import trained_positions_only
from rise_bench.trainers.phases.lora import save_final
from rise_bench.trainers.phases.resuming import EpochOfData
from rise_bench.trainers.rollouts.unreadable import UnreadableGuard, refuse_unreadable
from rise_bench.trainers.runs.agreement import decided_by_rank_0, wait_until_all_see
from rise_bench.trainers.runs.callbacks import CheckpointMark, MetricsLog, StepBar
from rise_bench.trainers.runs.console import say
from rise_bench.trainers.runs.launch import launched_with_deepspeed
from rise_bench.trainers.runs.run_folder import MARK, RunFolder, is_main_process, step_of
from rise_bench.trainers.settings.config import TrainConfig

#: What a checkpoint holds beside the model, its config and its processor.
NOT_OF_THE_MODEL = (*TRAINER_STATE, *DEEPSPEED_STATE, MARK)


def run_phase(
    config: TrainConfig, run: RunFolder, phase: Phase, start: str | Path, build: Callable[[str, str], Any]
) -> Path:
    """Train a phase to its end, from its last checkpoint if any; return the folder of its model.

    Args:
        config: Resolved config.
        run: The run folder.
        phase: Name of the phase.
        start: Initial checkpoint of the phase.
        build: Makes the TRL trainer of a checkpoint, `start` or the one to resume from, and of `start`.
    """
    launched = launched_with_deepspeed()
    final, checkpoint = _left_before(config, run, phase)
    if final is not None:
        say(f"{phase}: finished before, its model is {final}")
        return final
    steps = (config.sft if phase == "sft" else config.grpo).steps
    origin = _origin(config, start)
    if checkpoint is not None and step_of(checkpoint) >= steps:  # killed before its final model was in place
        refuse_unreadable(config, run, phase)
        final = run.save_final(phase, _saving(config, origin, partial(_copy_model, checkpoint)))
        PartialState().wait_for_everyone()
        return final
    if checkpoint is not None:
        say(f"{phase}: goes on from step {step_of(checkpoint)} of {steps} ({checkpoint})")
    # an adapter is loaded from a checkpoint on resuming, onto the model that the phase started from
    source = origin if config.model.lora.rank else str(checkpoint or origin)
    trainer = build(source, origin)
    keep_end_tokens_only(trainer.model)
    run.remove_incomplete_checkpoints(phase)
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(EpochOfData())
    trainer.add_callback(StepBar())
    trainer.add_callback(MetricsLog(run, phase))
    trainer.add_callback(CheckpointMark(run, phase, config.run.save_total_limit))
    guard = UnreadableGuard(config)
    trainer.add_callback(guard)
    with trained_positions_only(), _quiet():
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    refuse_unreadable(config, run, phase, stopped_at=guard.stopped_at)
    final = run.save_final(phase, _saving(config, origin, partial(_save, trainer)))
    trainer.accelerator.wait_for_everyone()
    trainer.accelerator.free_memory()
    AcceleratorState._reset_state()  # the next phase brings its own DeepSpeed plugin
    if not launched:  # set by accelerate in this phase, from our settings, which the next one passes again
        os.environ.pop("ACCELERATE_USE_DEEPSPEED", None)
    unset_hf_deepspeed_config()  # else the next model to be loaded, for sampling, would be sharded too
    del trainer
    release_memory()
    return final


def _origin(config: TrainConfig, start: str | Path) -> str:
    """Return the folder of the initial checkpoint of a phase; with LoRA, it may be an adapter of the run."""
    first = str(start) == config.model.name
    if config.model.lora.rank and not first and is_adapter(Path(start)):
        return str(start)
    return str(supported_model(str(start), config.model.revision if first else "").folder)


def _saving(config: TrainConfig, origin: str, save: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return what writes the final model of a phase; `save` writes the trained weights."""
    return partial(save_final if config.model.lora.rank else _save_whole, config, origin, save)


def _save_whole(_: TrainConfig, origin: str, save: Callable[[str], Any], folder: str) -> None:
    """Save a model with the generation settings of the first one: training drops them for itself alone."""
    save(folder)
    if is_main_process():
        settings = Path(origin) / "generation_config.json"
        if settings.is_file():
            shutil.copyfile(settings, Path(folder) / settings.name)


def start_of(config: TrainConfig, run: RunFolder, phase: Phase) -> str:
    """Return the initial checkpoint of a phase, the same in all processes, see `RunFolder.start_of`."""
    use_cpu = config.compute.use_cpu
    start = decided_by_rank_0(lambda: run.start_of(config, phase), use_cpu=use_cpu)
    if start != config.model.name:
        wait_until_all_see(Path(start))
    return start


def _left_before(config: TrainConfig, run: RunFolder, phase: Phase) -> tuple[Path | None, Path | None]:
    """Return the finished model of a phase and its last checkpoint, the same in all processes."""
    steps = (config.sft if phase == "sft" else config.grpo).steps

    def look() -> tuple[Path | None, Path | None]:
        run.refuse_to_resume(config, [phase])
        run.refuse_other_state(config, phase, steps)
        final = run.final_dir(phase)
        return (final if final.exists() else None), run.last_checkpoint(phase)

    final, checkpoint = decided_by_rank_0(look, use_cpu=config.compute.use_cpu)
    if (left := final or checkpoint) is not None:
        wait_until_all_see(left)
    return final, checkpoint


def attempt_name(rollouts: Path) -> str:
    """Name of this start of the program for the rollout logs in a folder; all ranks take it from rank 0."""
    return str(broadcast_object_list([next_attempt(rollouts) if is_main_process() else ""])[0])


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide output of transformers beside the steps: checkpoint bars, deprecations, missing keys.

    On resuming, the list of missing keys (transformers#43701) reads as if the weights were lost; they come
    from the checkpoint.
    """

    def other(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(("There were missing keys", "There were unexpected keys"))

    logger, bars = logging.getLogger("transformers.trainer"), is_progress_bar_enabled()
    logger.addFilter(other)
    disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            yield
    finally:
        logger.removeFilter(other)
        if bars:
            enable_progress_bar()


def _copy_model(checkpoint: Path, folder: str) -> None:
    """Copy a last checkpoint without its optimiser: resumed, transformers would train one step too many."""
    if is_main_process():
        shutil.copytree(checkpoint, folder, ignore=shutil.ignore_patterns(*NOT_OF_THE_MODEL))


def _save(trainer: Any, folder: str) -> None:
    trainer.save_model(folder)
    trainer.accelerator.wait_for_everyone()
