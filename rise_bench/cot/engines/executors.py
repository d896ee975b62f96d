"""Executors of datatrove: processes of this machine, an array job of Slurm, tasks of Ray."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import Any

import dill
from datatrove.executor import LocalPipelineExecutor, SlurmPipelineExecutor
from datatrove.pipeline.base import PipelineStep

from rise_bench.errors import ConfigError, PrerequisiteError, of_os_error

_LAUNCH = "datatrove.tools.launch_pickled_pipeline"
_POLL_S, _SLURM_POLL_S = 0.2, 2.0
#: Options of sbatch that datatrove sets itself.
_OWN = {"array", "output", "error", "export", "dependency", "nodes", "requeue"}
_ENDED = "Invalid job id"


@dataclass(frozen=True, slots=True)
class Ranks:
    """Ranks to run.

    Attributes:
        steps: Steps of each rank.
        folder: Folder for the logs and markers of datatrove.
        tasks: Number of all ranks.
        open: Ranks with something to do; the others have their marker.
        sbatch: Options of `sbatch`.
    """

    steps: Sequence[PipelineStep]
    folder: Path
    tasks: int
    open: Sequence[int]
    sbatch: Mapping[str, str]


def run_local(ranks: Ranks) -> Iterator[None]:
    """Run each rank in a process of its own, which ends when this process ends.

    datatrove's own pool would wait forever for a rank that is killed.
    """
    if ranks.sbatch:
        raise ConfigError("--sbatch is for --executor slurm; leave it out, or name that executor")
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for rank in ranks.open:
            executor = LocalPipelineExecutor(
                list(ranks.steps), ranks.tasks, 1, str(ranks.folder), local_tasks=1, local_rank_offset=rank
            )
            processes.append(_started(executor, ranks.folder / f"rank{rank:05d}"))
        while any(process.poll() is None for process in processes):
            time.sleep(_POLL_S)
            yield
    finally:
        for process in processes:
            with suppress(ProcessLookupError):  # a rank that was killed leaves a child behind
                os.killpg(process.pid, SIGKILL)
            process.wait()
            if process.stdin:
                process.stdin.close()


def _started(executor: LocalPipelineExecutor, path: Path) -> subprocess.Popen[bytes]:
    pickled = path.with_suffix(".pik")
    try:
        pickled.write_bytes(dill.dumps(executor))
        with path.with_suffix(".out").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "rise_bench.processes.tethered", _LAUNCH, str(pickled)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
    except OSError as error:
        raise of_os_error(error, path) from error


class _Slurm(SlurmPipelineExecutor):
    """Executor that starts this Python, takes any partition, and leaves no job behind for statistics."""

    def launch_merge_stats(self) -> None:
        """Do nothing: the job would wait forever if a rank fails."""

    def get_sbatch_args(self, max_array: int = 1) -> dict[str, Any]:
        """Return the options, without those of datatrove for which the cluster's default is taken."""
        args = super().get_sbatch_args(max_array)
        if {"mem", "mem-per-gpu"} & args.keys():  # sbatch takes one of them
            args.pop("mem-per-cpu", None)
        return {name: value for name, value in args.items() if value or name not in ("partition", "time")}

    def get_launch_file_contents(self, sbatch_args: dict[str, Any], run_script: str) -> str:
        """Return the script of the job."""
        python = f"{shlex.quote(sys.executable)} -m {_LAUNCH}"
        return str(
            super().get_launch_file_contents(
                sbatch_args, run_script.replace("launch_pickled_pipeline", python, 1)
            )
        )


def run_slurm(ranks: Ranks) -> Iterator[None]:
    """Submit the ranks as an array job, and wait for its end; an interruption leaves the job running."""
    if taken := sorted(_OWN & ranks.sbatch.keys()):
        raise ConfigError(f"--sbatch {taken[0]} is set by the engine; leave it out")
    if "SLURM_ARRAY_TASK_ID" in os.environ:
        raise ConfigError(
            "--executor slurm submits jobs, and this is a task of an array job; start it outside"
        )
    options = {"time": "", "partition": ""} | dict(ranks.sbatch)
    cpus = options.pop("cpus-per-task", "1")
    if not cpus.isdecimal() or not int(cpus):
        raise ConfigError(f"--sbatch cpus-per-task={cpus}: write a whole number of at least 1")
    executor = _Slurm(
        list(ranks.steps),
        ranks.tasks,
        options.pop("time"),
        options.pop("partition"),
        cpus_per_task=int(cpus),
        job_name=options.pop("job-name", "rise-bench"),
        qos=options.pop("qos", ""),
        sbatch_args=options,
        logging_dir=str(ranks.folder),
    )
    try:
        executor.run()
    except FileNotFoundError as error:
        raise PrerequisiteError(
            f"{error.filename} is not there: start the command where sbatch is"
        ) from error
    except subprocess.CalledProcessError as error:
        raise ConfigError(
            f"sbatch refused the job (see above); look at --sbatch: {dict(ranks.sbatch)}"
        ) from error
    while _in_queue(str(executor.job_id)):
        yield
        time.sleep(_SLURM_POLL_S)


def _in_queue(job: str) -> bool:
    """Whether a job is pending or running; also while the controller does not answer."""
    command = ["squeue", "--noheader", f"--jobs={job}", "--format=%i"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    return bool(shown.stdout.strip()) or (shown.returncode != 0 and _ENDED not in shown.stderr)


def run_ray(ranks: Ranks) -> Iterator[None]:
    """Run the ranks as tasks of the Ray cluster of the environment, or of this machine without one."""
    if ranks.sbatch:
        raise ConfigError("--sbatch is for --executor slurm; leave it out, or name that executor")
    from datatrove.executor import RayPipelineExecutor

    RayPipelineExecutor(list(ranks.steps), ranks.tasks, logging_dir=str(ranks.folder)).run()
    yield from ()


#: Each starts the ranks, and yields from time to time until all have ended.
EXECUTORS: dict[str, Callable[[Ranks], Iterator[None]]] = {
    "local": run_local,
    "slurm": run_slurm,
    "ray": run_ray,
}
