"""The folder of one training run: what ran, with which code, and what came out.

    RUN/config.yaml          the resolved config
    RUN/run.json             versions, git state, prompt hashes, start model, one entry for each start
    RUN/metrics.jsonl        one line for each logged step: phase, step, time, metrics
    RUN/rollouts/            rank000.jsonl, …: every rollout, written by the rank that sampled it
    RUN/<phase>/checkpoint-N resumable checkpoints
    RUN/<phase>/final        the trained model, renamed into place when complete

Everything is append-only or renamed into place, so that `kill -9` leaves a folder that the next start goes
on from. A resumed run logs the steps after its checkpoint again; the last line of a (phase, step) wins.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import yaml

from rise_bench.catalog.stages import Phase
from rise_bench.cot.launcher import place_among_processes
from rise_bench.errors import ConfigError
from rise_bench.errors.redaction import redacted
from rise_bench.files.atomic import atomic_write_text
from rise_bench.trainers.runs.launch import launched_with_deepspeed
from rise_bench.trainers.runs.provenance import git_state, versions
from rise_bench.trainers.settings.config import RunConfig, TrainConfig
from rise_bench.trainers.settings.recipe_loader import dump_config, load_recorded
from rise_bench.trainers.settings.setting_checks import DEEPSPEED

#: File in a checkpoint that is whole, with the number of processes that wrote it.
MARK = "complete"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run on disk; every rank opens it, rank 0 writes (rollouts excepted)."""

    path: Path

    @classmethod
    def of(cls, config: TrainConfig) -> RunFolder:
        """The run folder of `config`, whether it exists or not."""
        return cls(Path(config.run.output_dir or default_output_dir(config)).expanduser())

    @classmethod
    def create(
        cls,
        config: TrainConfig,
        *,
        prompt_hashes: Mapping[str, str] | None = None,
        benchmark_sha256: str = "",
        cots_sha256: str = "",
    ) -> RunFolder:
        """Open the run folder of `config`, new or to be resumed.

        Args:
            config: Resolved config; `run.output_dir` is the folder.
            prompt_hashes: Hash of each prompt template of the run, by name.
            benchmark_sha256: Identity of the benchmark's content; empty skips the comparison.
            cots_sha256: The same of the chains of thought; empty if no phase depends on any.

        Raises:
            ConfigError: The folder holds a run with other settings, of which the message names the first
                difference, or a run on other data.
        """
        run = cls.of(config)
        run.refuse_other_config(config)
        run.refuse_other_processes(config, place_among_processes()[1])
        run.refuse_other_benchmark(benchmark_sha256)
        run.refuse_other_cots(config, cots_sha256)
        run.path.mkdir(parents=True, exist_ok=True)
        if is_main_process():
            atomic_write_text(run.path / "config.yaml", dump_config(config))
            run._record_start(config, prompt_hashes or {}, benchmark_sha256, cots_sha256)
        return run

    @property
    def rollouts_dir(self) -> Path:
        """Folder of the per-rank rollout logs."""
        return self.path / "rollouts"

    def phase_dir(self, phase: Phase) -> Path:
        """Output folder of one phase (the trainer's `output_dir`)."""
        return self.path / phase

    def final_dir(self, phase: Phase) -> Path:
        """The trained model of a phase; exists only when the phase is complete."""
        return self.path / phase / "final"

    def last_checkpoint(self, phase: Phase) -> Path | None:
        """The newest complete checkpoint of a phase, or None; one without its mark is passed over."""
        return max(self._checkpoints(phase, complete=True), key=step_of, default=None)

    def complete_checkpoint(self, phase: Phase, step: int, *, keep: int) -> None:
        """Mark a checkpoint of all processes, then delete all but the newest `keep` (rank 0 only).

        The mark is written last and deleted first, so that a marked checkpoint is always complete. 0 keeps
        all.
        """
        if not is_main_process():
            return
        mark = self.phase_dir(phase) / f"checkpoint-{step}" / MARK
        mark.write_text(f"{place_among_processes()[1]}\n", encoding="utf-8")
        for folder in sorted(self._checkpoints(phase, complete=True), key=step_of)[: -keep or 0]:
            (folder / MARK).unlink()
            shutil.rmtree(folder)

    def remove_incomplete_checkpoints(self, phase: Phase) -> None:
        """Delete the checkpoints that a kill left incomplete (rank 0 only)."""
        if is_main_process():
            for folder in self._checkpoints(phase, complete=False):
                shutil.rmtree(folder)

    def _checkpoints(self, phase: Phase, *, complete: bool) -> list[Path]:
        folders = self.phase_dir(phase).glob("checkpoint-*")
        return [f for f in folders if (f / MARK).exists() == complete]

    def save_final(self, phase: Phase, save: Callable[[str], Any]) -> Path:
        """Let every rank run `save(folder)`, then rename the folder to `final_dir(phase)` on rank 0."""
        partial = self.phase_dir(phase) / "final.partial"
        if is_main_process() and partial.exists():
            shutil.rmtree(partial)
        save(str(partial))
        if is_main_process():
            shutil.rmtree(self.final_dir(phase), ignore_errors=True)
            partial.rename(self.final_dir(phase))
        return self.final_dir(phase)

    def kept(self) -> str:
        """One line on which model is kept, and how to resume."""
        kept = [c for phase in get_args(Phase) if (c := self.last_checkpoint(phase))]
        kept += [f for phase in get_args(Phase) if (f := self.final_dir(phase)).exists()]
        if not kept:
            return "no checkpoint is written yet; the same command starts again"
        return f"{max(kept, key=lambda f: f.stat().st_mtime)} is kept; the same command goes on from there"

    def discard_if_nothing_was_trained(self) -> None:
        """Delete a folder with nothing but settings (rank 0 only), so that they may be corrected."""
        logs = (self.rollouts_dir, self.path / "metrics.jsonl")
        if is_main_process() and not self.has_begun() and not any(path.exists() for path in logs):
            shutil.rmtree(self.path, ignore_errors=True)

    def has_begun(self) -> bool:
        """Whether there is something to go on from: a checkpoint, a model, or samples to train on."""
        left = [*self.path.glob("trajectories*")]
        for phase in get_args(Phase):
            left += [self.final_dir(phase), *self._checkpoints(phase, complete=True)]
        return any(path.exists() for path in left)

    def start_model(self) -> dict[str, str]:
        """Return the recorded commit or hash of the weights of the model that the run started from."""
        recorded: dict[str, str] = self._record().get("start_model") or {}
        return recorded

    def record_start_model(self, identity: Mapping[str, str]) -> None:
        """Write the commit or the hash of the weights of the start model into run.json."""
        self._write_record(self._record() | {"start_model": dict(identity)})

    def log(self, phase: Phase, step: int, metrics: Mapping[str, Any]) -> None:
        """Append one line to metrics.jsonl (rank 0 only)."""
        if is_main_process():
            line = json.dumps({"phase": phase, "step": step, "time": round(time.time(), 3), **metrics})
            with (self.path / "metrics.jsonl").open("a+b") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    line = line if file.read(1) == b"\n" else f"\n{line}"  # end a line that a kill truncated
                file.write(f"{line}\n".encode())

    def refuse_other_config(self, config: TrainConfig) -> None:
        """Raise `ConfigError` for a file, or a folder with a run of other settings."""
        if self.path.exists() and not self.path.is_dir():
            raise ConfigError(f"{self.path} is a file. Choose another run.output_dir.")
        path = self.path / "config.yaml"
        if not path.exists():
            return
        before = _compared(load_recorded(path))  # a setting that it lacks has its default
        for section, values in _compared(config).items():
            if before.get(section) == values:
                continue
            raise ConfigError(
                f"{self.path} holds a run with other settings: "
                f"{_difference(section, before.get(section), values)}. "
                "Choose another run.output_dir, or delete the folder."
            )

    def refuse_other_benchmark(self, sha256: str) -> None:
        """Raise `ConfigError` for a benchmark with other content than the run's, if known."""
        before = self._record().get("benchmark_sha256")
        if before and sha256 and before != sha256:
            raise ConfigError(
                f"{self.path} was trained on other content of its benchmark (sha256 {before[:12]}, now "
                f"{sha256[:12]}). Build that again, or train in another run.output_dir."
            )

    def refuse_other_cots(self, config: TrainConfig, sha256: str) -> None:
        """Raise `ConfigError` if phases that depend on chains of thought are to go on with other ones."""
        before = self._record().get("cots_sha256")
        begun = any(self.last_checkpoint(p) or self.final_dir(p).exists() for p in config.cot_phases)
        if begun and self._reads_cots(config) and before and sha256 and before != sha256:
            raise ConfigError(
                f"{self.path} has trained on other chains of thought (sha256 {before[:12]}, now "
                f"{sha256[:12]}). Restore them, or train in another run.output_dir."
            )

    def _reads_cots(self, config: TrainConfig) -> bool:
        """Whether a phase that is left depends on chains of thought."""
        left = {phase for phase in config.active_phases if not self.final_dir(phase).exists()}
        return not left.isdisjoint(config.cot_phases)

    def refuse_other_processes(self, config: TrainConfig, processes: int) -> None:
        """Raise `ConfigError` if a checkpoint is to be gone on with by another number of processes.

        The batch would be another, and samples would be repeated or left out.
        """
        for phase in config.active_phases:
            checkpoint = self.last_checkpoint(phase)
            if checkpoint is None or self.final_dir(phase).exists():
                continue
            # a mark of an earlier version is empty
            mark = (checkpoint / MARK).read_text(encoding="utf-8").strip()
            before = int(mark) if mark.isdecimal() else self._record().get("world_size", processes)
            if before != processes:
                raise ConfigError(
                    f"{checkpoint} was written by {before} processes, there are {processes} now. Start it on "
                    "as many GPUs as before, or choose another run.output_dir."
                )

    def refuse_other_order(self, config: TrainConfig) -> None:
        """Raise `ConfigError` for a phase that was trained without one before it that is asked for now."""
        open_phases: list[Phase] = []
        for phase in config.active_phases:
            left = self.last_checkpoint(phase) or self.final_dir(phase)
            if open_phases and left.exists():
                raise ConfigError(
                    f"{left} was trained without {open_phases[0]}, which comes before it. Choose another "
                    f"run.output_dir, or go on with phases={phase}."
                )
            if not self.final_dir(phase).exists():
                open_phases.append(phase)

    def refuse_other_state(self, config: TrainConfig, phase: Phase, steps: int) -> None:
        """Raise `ConfigError` for a checkpoint to go on from without the optimiser's state of this launch."""
        checkpoint = self.last_checkpoint(phase)
        if checkpoint is None or step_of(checkpoint) >= steps or self.final_dir(phase).exists():
            return
        sharded, whole = any(checkpoint.glob("global_step*")), (checkpoint / "optimizer.pt").exists()
        if not (sharded or whole):
            raise ConfigError(
                f"{checkpoint} has no state of the optimiser (run.save_only_model). Choose another "
                "run.output_dir, or delete the folder."
            )
        if sharded != (config.compute.accelerate in DEEPSPEED or launched_with_deepspeed()):
            written = "by DeepSpeed" if sharded else "without DeepSpeed"
            raise ConfigError(
                f"{checkpoint} was written {written}, and compute.accelerate is {config.compute.accelerate} "
                "now. Set it as before, or choose another run.output_dir."
            )

    def refuse_to_resume(self, config: TrainConfig, phases: Sequence[Phase] | None = None) -> None:
        """Raise `ConfigError` for phases with checkpoints or models if `run.resume` is `never`.

        Args:
            config: Resolved config.
            phases: The phases; all that are active if None.
        """
        asked = config.active_phases if phases is None else phases
        for phase in asked if config.run.resume == "never" else ():
            left = self.last_checkpoint(phase) or self.final_dir(phase)
            if left.exists():
                raise ConfigError(
                    f"run.resume = never, but {left} exists. "
                    "Choose another run.output_dir or run.resume=auto."
                )

    def start_of(self, config: TrainConfig, phase: Phase) -> str:
        """Return the initial checkpoint of a phase: that of the phase before it, else the base model."""
        phases = config.declared_stage.phases
        for before in phases[: phases.index(phase)]:
            if self.final_dir(before).exists():
                return str(self.final_dir(before))
            if self.last_checkpoint(before) is not None:
                raise ConfigError(
                    f"{self.phase_dir(before)} is not finished. Run phases={before} to its end first, or "
                    "choose another run.output_dir to start from the base model."
                )
        return config.model.name

    def versions(self) -> dict[str, str]:
        """Return the packages that trained the run; those of now if it does not say."""
        recorded: dict[str, str] = self._record().get("versions") or versions()
        return recorded

    def _record(self) -> dict[str, Any]:
        path = self.path / "run.json"
        recorded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return recorded

    def _record_start(
        self, config: TrainConfig, prompt_hashes: Mapping[str, str], benchmark_sha256: str, cots_sha256: str
    ) -> None:
        """Append a start to run.json; what made the models stays as it was if there is nothing to train."""
        record = self._record()
        code = {"versions": versions(), "git": git_state(), "world_size": place_among_processes()[1]}
        start = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "command": redacted(sys.argv)}
        record["starts"] = [*record.get("starts", []), start | code]
        if "versions" not in record or not all(self.final_dir(p).exists() for p in config.active_phases):
            record |= code | {"prompt_hashes": dict(prompt_hashes), "benchmark_sha256": benchmark_sha256}
        if self._reads_cots(config):
            record["cots_sha256"] = cots_sha256
        self._write_record(record)

    def _write_record(self, record: Mapping[str, Any]) -> None:
        atomic_write_text(self.path / "run.json", json.dumps(record, indent=2) + "\n")


def default_output_dir(config: TrainConfig) -> Path:
    """`runs/<benchmark>-<shots>-<stage>` under the working directory."""
    return Path("runs") / f"{Path(config.data.benchmark).name}-{config.data.shots}-{config.stage}"


def is_main_process() -> bool:
    """Whether this process is rank 0 (or the only one)."""
    return place_among_processes()[0] == 0


def step_of(checkpoint: Path) -> int:
    """Optimiser step after which a checkpoint was written."""
    return int(checkpoint.name.rsplit("-", 1)[-1])


def _compared(config: TrainConfig) -> dict[str, Any]:
    """The settings that a run keeps to; of `compute`, precision alone: the rest says where it is computed."""
    settings: dict[str, Any] = yaml.safe_load(dump_config(replace(config, run=RunConfig(), phases=())))
    return settings | {"run": {}, "compute": {"bf16": settings["compute"]["bf16"]}}


def _difference(section: str, before: Any, after: Any) -> str:
    if isinstance(before, dict) and isinstance(after, dict):
        key = next(k for k in after if before.get(k) != after[k])
        return f"{section}.{key} was {before.get(key)!r}, now {after[key]!r}"
    return f"{section} was {before!r}, now {after!r}"
