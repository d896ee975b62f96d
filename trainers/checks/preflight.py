"""Checks for whatever would waste a run, made before anything is written, the cheapest first.

Settings, environment, run folder and data are looked at before torch is imported; then the model's
config.json, every prompt, and by the model's shape alone memory, disk and hours. No weights are read.
Whether the rollouts can teach anything is seen when the first are sampled (`first_rollouts`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rise_bench.annotations.kinds import KINDS
from rise_bench.catalog.stages import Phase
from rise_bench.errors import ConfigError, RiseError
from rise_bench.models.families import check_pictures, is_too_thin, supported_model
from rise_bench.reports.run_report import read_metrics
from rise_bench.trainers.checks.sampled_pictures import check_sampled_pictures
from rise_bench.trainers.data.training_data import (
    TrainingData,
    cots_sha256,
    open_training_data,
    reconstructions,
    training_cots,
)
from rise_bench.trainers.runs.launch import check_environment, is_launch_known, launch_command
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.config import TrainConfig
from rise_bench.trainers.settings.setting_checks import PAPER_PROMPTS_PER_STEP, PHASE_CHECKS, prompts_per_step


@dataclass(slots=True)
class Preflight:
    """Result of the checks.

    Attributes:
        findings: Problems that would waste the run, each with its fix; empty if it may start.
        warnings: Problems that may waste it.
        facts: Lines for the user.
        needs: Facts in numbers: `phases` by name, `disk_bytes`, `disk_free_bytes`.
        command: Command that starts the processes of the run; None if this process trains.
    """

    findings: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    needs: dict[str, Any] = field(default_factory=dict)
    command: list[str] | None = None

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Make a finding of an error inside the block."""
        try:
            yield
        except (RiseError, OSError) as error:
            if str(error) not in self.findings:
                self.findings.append(str(error))

    def warn(self, text: str) -> None:
        """Keep a warning, once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def refuse(self) -> None:
        """Raise `ConfigError` with the findings, if any."""
        if len(self.findings) == 1:
            raise ConfigError(self.findings[0])
        if self.findings:
            listed = "\n".join(f"{i}. {text}" for i, text in enumerate(self.findings, 1))
            number = len(self.findings)
            raise ConfigError(f"pre-flight found {number} problems, nothing was written:\n{listed}")


def inspect(config: TrainConfig, arguments: list[str] | None = None) -> Preflight:
    """Check all needs of a run; `arguments` follow `rise-bench` in the command that starts the processes."""
    seen, processes = Preflight(), 1
    with seen.collecting():
        processes = check_environment()
    with seen.collecting():
        seen.command = launch_command(config, arguments or [])
        if seen.command:
            processes = int(seen.command[seen.command.index("--num_processes") + 1])
    for phase in config.active_phases:
        for check in PHASE_CHECKS:
            with seen.collecting():
                check(config, phase, processes)
    run = RunFolder.of(config)
    for refuse in (run.refuse_other_config, run.refuse_to_resume, run.refuse_other_order):
        with seen.collecting():
            refuse(config)
    with seen.collecting():
        run.refuse_other_processes(config, processes)
    with seen.collecting():
        run.start_of(config, config.active_phases[0])
    data = _data(config, run, seen)
    _measure(config, run, data, seen, processes)
    return seen


def _data(config: TrainConfig, run: RunFolder, seen: Preflight) -> TrainingData | None:
    data: TrainingData | None = None
    with seen.collecting():
        data = open_training_data(config.data)
        run.refuse_other_benchmark(data.sha256)
        if not data.golds:
            raise ConfigError(
                f"{config.data.benchmark} has no training sample at data.shots={config.data.shots}. "
                "Choose other data.shots, or build it with training samples."
            )
    if data:
        with seen.collecting():
            check_pictures(data.golds)
        with seen.collecting():
            _check_similarity(config, data)
    with seen.collecting():
        run.refuse_other_cots(config, cots_sha256(config))
        cots = training_cots(config, data)
        if data and cots is not None:
            usable = sum(gold.id in cots for gold in data.golds)
            if config.data.cot_answers == "reconstruction":
                reconstructions(config, data)
            seen.facts.append(f"sft: {usable} of {len(data.golds)} samples have a chain of thought to use")
    return data


def _check_similarity(config: TrainConfig, data: TrainingData) -> None:
    """Raise if the kind of annotation lacks the variant of the similarity; it would be scored as `paper`."""
    chosen, variants = config.reward.variant, KINDS[data.spec.kind].variants
    if chosen not in variants:
        raise ConfigError(
            f"reward.variant={chosen}: the similarity of {data.spec.kind} does not have it. "
            f"Choose one of {', '.join(variants)}."
        )


def _measure(
    config: TrainConfig, run: RunFolder, data: TrainingData | None, seen: Preflight, processes: int
) -> None:
    """The model, prompts, memory, disk and hours; imports torch and transformers if there is a model."""
    _take_own_gpu(config)
    processor = model = None
    with seen.collecting():
        supported_model(config.model.name, config.model.revision, weights=False)
        if not config.run.preflight:
            return
        from rise_bench.trainers.checks.memory import shape_of
        from rise_bench.trainers.checks.prompt_length import longest_prompt
        from rise_bench.trainers.phases.trl_arguments import load_processor

        processor = load_processor(config.model)
        model = shape_of(config.model)
    phases = seen.needs.setdefault("phases", {})
    tokens = limit = config.data.max_prompt_length
    golds = [gold for gold in data.golds if not is_too_thin(gold)] if data else []
    if processor is not None and data and golds:
        with seen.collecting():
            tokens = longest_prompt(config, processor, data.spec, golds, seen.warn)
            seen.facts.append(f"longest prompt: {tokens} tokens, limit {limit}")
        with seen.collecting():
            check_sampled_pictures(config, run, processor, golds)
    for phase in config.active_phases if model is not None else ():
        with seen.collecting():
            phases[phase] = _needs(config, run, phase, model, processes, tokens, seen)
    if phases:
        with seen.collecting():
            _check_disk(config, run.path, phases, seen)


def _take_own_gpu(config: TrainConfig) -> None:
    """Let each process of a launcher measure on its own GPU, and not all on the first."""
    if config.compute.use_cpu or "LOCAL_RANK" not in os.environ or not config.run.preflight:
        return
    import torch

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())


def _needs(
    config: TrainConfig,
    run: RunFolder,
    phase: Phase,
    model: Any,
    processes: int,
    tokens: int,
    seen: Preflight,
) -> dict[str, Any]:
    """Return the needs of a phase as facts and in numbers; raise if its states alone do not fit."""
    from rise_bench.trainers.checks.duration import guessed_hours, measured_hours
    from rise_bench.trainers.checks.memory import checkpoint_bytes, device_bytes, estimate, final_bytes

    prompts = prompts_per_step(config, phase, processes)
    steps = (config.sft if phase == "sft" else config.grpo).steps
    need, total = estimate(config, phase, model, processes=processes), device_bytes(config.compute.use_cpu)
    measured = measured_hours(steps, [row for row in read_metrics(run.path) if row["phase"] == phase])
    hours = guessed_hours(config, phase, model, prompt_tokens=tokens) if measured is None else measured
    seen.facts += [
        f"{phase}: {prompts:g} prompts a step on {processes} process(es) (paper: {PAPER_PROMPTS_PER_STEP})",
        f"{phase}: memory, estimated: {need}" + (f" of {total / 2**30:.0f} GiB" if total else ""),
        f"{phase}: {steps} steps, {spoken_hours(hours)} "
        + ("by a rough guess" if measured is None else "left, at the pace of the steps done"),
    ]
    if total is not None and need.states > total and is_launch_known(config):
        raise ConfigError(
            f"weights, gradients and optimiser state need about {need.states / 2**30:.0f} GiB per GPU, "
            f"there are {total / 2**30:.0f}. "
            "Set compute.accelerate=zero3 on more GPUs, or choose a smaller model."
        )
    if total is not None and need.total > total:
        batch = "grpo.rollouts_per_device" if phase == "grpo" else "sft.rows_per_device"
        seen.warn(
            f"this run may not fit: about {need}, the GPU has {total / 2**30:.0f} GiB. Lower {batch} (and "
            f"raise {phase}.gradient_accumulation_steps to keep the batch), model.max_pixels or the "
            "completion lengths."
        )
    return {
        "prompts_per_step": prompts,
        "steps": steps,
        "memory_bytes": need.total,
        "device_bytes": total,
        "checkpoint_bytes": checkpoint_bytes(config, model),
        "model_bytes": final_bytes(config, model),
        "hours": hours,
        "hours_measured": measured is not None,
    }


def _check_disk(
    config: TrainConfig, folder: Path, phases: Mapping[Phase, Mapping[str, Any]], seen: Preflight
) -> None:
    """Report the disk space of checkpoints and models; raise if not even one checkpoint fits.

    A phase leaves its checkpoints beside its model. A new one is written before the oldest is deleted.
    """
    every, keep = config.run.save_steps, config.run.save_total_limit
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    free, size = shutil.disk_usage(existing).free, max(need["checkpoint_bytes"] for need in phases.values())
    needed = left = 0
    for need in phases.values():
        written = -(-need["steps"] // every)
        needed = max(needed, left + need["checkpoint_bytes"] * min(written, keep + 1 if keep else written))
        left += need["checkpoint_bytes"] * min(written, keep or written) + need["model_bytes"]
    needed = max(needed, left)
    seen.needs |= {"disk_bytes": needed, "disk_free_bytes": free}
    seen.facts.append(
        f"a checkpoint is about {spoken_bytes(size)}, written every {every} step(s); a crash loses as many "
        f"at most; disk: about {spoken_bytes(needed)} of {spoken_bytes(free)} free"
    )
    text = (
        f"checkpoints and models take up to about {spoken_bytes(needed)}, and {existing} has "
        f"{spoken_bytes(free)} left. Choose a run.output_dir on another disk, or "
        + ("lower run.save_total_limit." if keep else "set run.save_total_limit=2.")
    )
    if size > free:
        raise ConfigError(text)
    if needed > free:
        seen.warn(text)


def spoken_bytes(size: float) -> str:
    """Return a size as text.

    >>> spoken_bytes(3 * 2**20), spoken_bytes(1.5 * 2**30)
    ('3 MiB', '1.5 GiB')
    """
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def spoken_hours(hours: float) -> str:
    """Return a time as text.

    >>> spoken_hours(0.005), spoken_hours(0.5), spoken_hours(30)
    ('18 s', '30 min', '30 h')
    """
    if hours < 1 / 60:
        return f"{hours * 3600:.0f} s"
    return f"{hours * 60:.0f} min" if hours < 1 else f"{hours:.2g} h"
