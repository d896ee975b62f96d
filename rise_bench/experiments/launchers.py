"""Jobs started by submitit, on this machine or on Slurm, instead of as child processes.

Such a job does not end with its starter: the next start of the same command attaches to it, running or ended.
What a job leaves in `NAME.submitit` is its id, seconds and exit code, beside submitit's own files.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rise_bench.catalog.extras import require_extra
from rise_bench.errors import ConfigError, PrerequisiteError
from rise_bench.experiments.job_folder import Job, JobFolder
from rise_bench.experiments.launched_command import CANCEL, CODE, SECONDS, LaunchedCommand
from rise_bench.files.atomic import atomic_write_text
from rise_bench.models.devices import torch_install

#: Seconds between questions to the cluster, for all jobs at once.
_ASK_S = 3.0

#: A job that the cluster no longer lists is lost if it leaves no exit code within these seconds.
_PATIENCE_S = 10.0

#: Minutes after which submitit stops a job (on this machine a year); it is then queued again, this many
#: times. A training goes on at its last checkpoint and an evaluation begins anew: give more than they take.
_TIMEOUT_MIN, _TIMES = {"local": 525_600, "slurm": 60}, 100

#: Reasons of Slurm for which a queued job never starts.
_NEVER = {"PartitionTimeLimit", "PartitionNodeLimit", "BadConstraints", "InvalidAccount", "InvalidQOS"}

#: Parameters of submitit that have one name for all executors; others are Slurm's.
_GENERIC = {"timeout_min", "mem_gb", "nodes", "cpus_per_task", "gpus_per_node", "tasks_per_node"}

_ID, _TAIL_BYTES = "id", 3000

Cluster = Literal["local", "slurm"]


class SubmititLauncher:
    """Starts jobs by submitit; called as a `Launcher`."""

    def __init__(self, cluster: Cluster, resources: Mapping[str, Any] | None = None) -> None:
        """Prepare an executor.

        Args:
            cluster: This machine, or Slurm.
            resources: Parameters of submitit, e.g. gpus_per_node, timeout_min, partition.

        Raises:
            PrerequisiteError: submitit is not installed, or Slurm is not there.
            ConfigError: submitit does not know a parameter.
        """
        require_extra("scale")
        self._cluster: Cluster = cluster
        self._jobs: _Listed = _Local() if cluster == "local" else _Slurm()
        given = {"timeout_min": _TIMEOUT_MIN[cluster], **(resources or {})}
        # submitit numbers the GPUs of this machine from 0, whichever of them are lent
        lent = os.environ.get("CUDA_VISIBLE_DEVICES") if cluster == "local" else None
        if cluster == "local" and "gpus_per_node" not in given:
            given["gpus_per_node"] = len(torch_install().gpus)
        if lent is not None:
            lent = ",".join(lent.split(",")[: given["gpus_per_node"]])
        self._visible = {} if lent is None else {"CUDA_VISIBLE_DEVICES": lent}
        self._resources = {
            name if name in _GENERIC or name.startswith("slurm_") else f"slurm_{name}": value
            for name, value in given.items()
        }

    def check(self) -> None:
        """Raise an error if there is no such executor, or it does not know a parameter."""
        with tempfile.TemporaryDirectory() as folder:
            self._executor(Path(folder), "check")

    def __call__(self, job: Job, folder: JobFolder, before_s: float) -> "Submitted":
        """Submit a job, or attach to the one that an earlier start submitted."""
        place = folder.kept_by_launcher(job.name)
        with contextlib.suppress(FileNotFoundError):
            number = (place / _ID).read_text(encoding="ascii")
            earlier = Submitted(place, number, self._jobs, folder.log(job.name), before_s)
            if earlier.code == 0 or (earlier.code is None and self._jobs.lists(earlier.job_id, place)):
                return earlier
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        folder.output(job.name).write_bytes(b"")
        command = LaunchedCommand(
            job.arguments,
            self._visible | dict(job.environment),
            folder.output(job.name).absolute(),
            folder.log(job.name).absolute(),
            place.absolute(),
            before_s,
        )
        submitted = self._submit(command, place, job)
        atomic_write_text(place / _ID, str(submitted.job_id))
        return Submitted(place, str(submitted.job_id), self._jobs, folder.log(job.name), before_s)

    def _submit(self, command: LaunchedCommand, place: Path, job: Job) -> Any:
        from submitit.core.utils import FailedJobError

        try:
            return self._executor(place, job.name.replace("/", ".")).submit(command)
        except FailedJobError as error:
            raise PrerequisiteError(
                f"{job.label} was not submitted: {str(error).strip()}. Correct --resource, or wait for "
                "room, and start the same command again."
            ) from error

    def _executor(self, place: Path, name: str) -> Any:
        import submitit

        try:
            times = {f"{self._cluster}_max_num_timeout": _TIMES}
            executor = submitit.AutoExecutor(place.absolute(), cluster=self._cluster, **times)
        except RuntimeError as error:
            raise PrerequisiteError(
                f"no Slurm here ({error}). Start this where sbatch and srun are, or take --launcher local."
            ) from error
        try:
            executor.update_parameters(name=name, **self._resources)
        except (NameError, ValueError, TypeError, AssertionError) as error:
            raise ConfigError(
                f"submitit refuses --resource: {str(error).strip()}. Name those it has."
            ) from error
        return executor


@dataclass(slots=True)
class Submitted:
    """A submitted job.

    Attributes:
        place: Folder of its files.
        job_id: Its id on the cluster.
        cluster: Jobs that run there.
        log: Log of the job, to which a lost job's last words are added.
        before_s: Seconds of earlier starts.
        last_seen: Time at which the cluster listed it last, or of its submission.
    """

    place: Path
    job_id: str
    cluster: "_Listed"
    log: Path
    before_s: float = 0.0
    last_seen: float = 0.0

    @property
    def seconds(self) -> float:
        """Seconds of all starts of the job, without those in the queue."""
        try:
            return float((self.place / SECONDS).read_text(encoding="ascii"))
        except (OSError, ValueError):
            return self.before_s

    @property
    def code(self) -> int | None:
        """Exit code that it left; None before."""
        try:
            return int((self.place / CODE).read_text(encoding="ascii"))
        except FileNotFoundError:
            return None

    def poll(self) -> int | None:
        """Return the exit code, or None while it is queued or runs; 1 if it is gone without one."""
        if (code := self.code) is not None:
            return code
        if reason := self.cluster.hopeless(self.job_id):
            self.kill()
            with self.log.open("a", encoding="utf-8") as log:
                log.write(f"\nSlurm would never start the job: {reason}. Give another --resource.\n")
            return 1
        now = time.monotonic()
        if self.cluster.lists(self.job_id, self.place) or not self.last_seen:
            self.last_seen = now
        if now - self.last_seen < _PATIENCE_S:
            return None
        with self.log.open("ab") as log:
            log.write(
                f"\n{self.cluster.name} lost the job {self.job_id}; the last words of submitit:\n".encode()
            )
            for text in sorted(self.place.glob("*_log.err")):
                log.write(text.read_bytes()[-_TAIL_BYTES:])
        return 1

    def kill(self) -> None:
        """Cancel the job; the next start submits it again."""
        if self.code is None:
            (self.place / CANCEL).touch()
            (self.place / _ID).unlink(missing_ok=True)
            self.cluster.cancel(self.job_id)


class _Listed:
    """Jobs of a cluster."""

    name = ""

    def lists(self, job_id: str, place: Path) -> bool:
        """Whether the job is queued or runs, as far as is known."""
        raise NotImplementedError

    def hopeless(self, job_id: str) -> str:  # noqa: ARG002
        """Return the reason for which a queued job never starts, or ""."""
        return ""

    def cancel(self, job_id: str) -> None:
        """End the job, which is asked to stop already."""


class _Local(_Listed):
    name = "this machine"

    def lists(self, job_id: str, place: Path) -> bool:
        """Whether the process of submitit runs; ids are those of processes, which the system uses again."""
        with contextlib.suppress(ChildProcessError):
            os.waitpid(int(job_id), os.WNOHANG)
        try:
            command = Path(f"/proc/{int(job_id)}/cmdline").read_bytes()
        except FileNotFoundError:
            if Path("/proc/self/cmdline").exists():
                return False
            return _exists(int(job_id))
        return os.fsencode(place.absolute()) in command


class _Slurm(_Listed):
    name = "Slurm"

    def __init__(self) -> None:
        self._asked, self._known = float("-inf"), dict[str, str]()

    def lists(self, job_id: str, place: Path) -> bool:  # noqa: ARG002
        """Whether squeue lists the job; True while it does not answer."""
        if time.monotonic() - self._asked > _ASK_S:
            command = ["squeue", "--noheader", "--me", "--format=%A %r"]
            asked = time.monotonic()
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
            except (OSError, subprocess.SubprocessError):
                return True
            self._asked = asked
            self._known = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
        return job_id in self._known

    def hopeless(self, job_id: str) -> str:
        """Return the reason of squeue for which a queued job never starts, or ""."""
        reason = self._known.get(job_id, "").strip()
        return reason if reason in _NEVER else ""

    def cancel(self, job_id: str) -> None:
        """Ask Slurm to end the job."""
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(["scancel", job_id], capture_output=True, check=False, timeout=60)
        self._asked = float("-inf")


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
