"""Jobs: rise-bench commands with dependencies, run concurrently, each once.

A finished job leaves a record and is skipped later; a killed job is started again and continues. Standard
output and the log of each job are kept.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from rise_bench.errors import ConfigError, PrerequisiteError
from rise_bench.experiments.child_process import ChildProcess
from rise_bench.files.atomic import atomic_write_text
from rise_bench.files.json_text import json_text
from rise_bench.files.locks import locked_folder

_POLL_SECONDS = 0.3
_NOTE_SECONDS = 5.0
_TAIL_BYTES = 20_000
_LAST_LINES = 12

_Done = TypeVar("_Done")

#: Progress bar in the log of a command, e.g. "12/60 [".
_BAR = re.compile(rb"(\d+)/(\d+) \[")

#: Value of an argument that may be a path: after its start, "=" or ",".
_PATH = re.compile(r"(?:^|(?<=[=,]))(?!-)[^=,:]*/[^=,:]*")


@dataclass(frozen=True, slots=True)
class Job:
    """Command of rise-bench.

    Attributes:
        name: Unique name, and path of its record and logs in the folder of jobs.
        label: Displayed description.
        arguments: Arguments of `rise-bench`.
        needs: Names of the jobs with its inputs.
        environment: Additional variables.
    """

    name: str
    label: str
    arguments: tuple[str, ...]
    needs: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a job.

    Attributes:
        job: The job.
        done: Finished steps of its progress bar.
        total: Steps of that bar; 0 without a bar.
        finished: Whether it ended, now or in an earlier start.
        failed: Whether it failed, where others go on.
    """

    job: Job
    done: int = 0
    total: int = 0
    finished: bool = False
    failed: bool = False


class Started(Protocol):
    """A job that was started."""

    @property
    def seconds(self) -> float:
        """Seconds of all starts of the job."""

    def poll(self) -> int | None:
        """Return the exit code; None before its end."""

    def kill(self) -> None:
        """End it with all that it started."""


class Launcher(Protocol):
    """Starts a job."""

    def __call__(self, job: Job, folder: "JobFolder", before_s: float) -> Started:
        """Start a job.

        Args:
            job: The job.
            folder: Folder with its output and log.
            before_s: Seconds of its earlier starts.
        """


@dataclass(slots=True)
class _Running:
    job: Job
    process: Started
    noted: float = 0.0

    @property
    def seconds(self) -> float:
        """Seconds of all starts of the job."""
        return self.process.seconds


class JobFolder:
    """Records and logs of jobs."""

    def __init__(self, path: Path) -> None:
        """Use the folder `path`, which is made when needed."""
        self.path = path

    def output(self, name: str) -> Path:
        """Return the file with the output of a job."""
        return self.path / f"{name}.out"

    def log(self, name: str) -> Path:
        """Return the file with a job's log."""
        return self.path / f"{name}.log"

    def kept_by_launcher(self, name: str) -> Path:
        """Return the folder of a launcher whose jobs outlive it."""
        return self.path / f"{name}.submitit"

    def printed_path(self, name: str, printed: str) -> Path:
        """Return a path that a job printed: it may be relative to the folder where the job was started."""
        return Path(self._placed(self._record(name) or {}, printed))

    def seconds(self, name: str) -> float:
        """Return the seconds of all starts of a job."""
        record = self._record(name)
        return float(record["seconds"]) if record else 0.0

    def done_seconds(self, name: str) -> float | None:
        """Return the seconds of a finished job; None for others."""
        record = self._record(name)
        return float(record["seconds"]) if record and record["done"] else None

    def is_known(self, name: str) -> bool:
        """Whether a job was started, and its record not removed since."""
        return self._record(name) is not None

    def all_seconds(self) -> dict[str, float]:
        """Return the seconds of all finished jobs by name."""
        names = (path.relative_to(self.path).with_suffix("") for path in self.path.rglob("*.json"))
        took = {str(name): self.done_seconds(str(name)) for name in sorted(names)}
        return {name: seconds for name, seconds in took.items() if seconds is not None}

    def is_done(self, job: Job) -> bool:
        """Whether the same job finished already.

        Raises:
            ConfigError: The folder holds a job of this name with other arguments.
        """
        record = self._record(job.name)
        if record is None:
            return False
        if not self._is_same(record, job.arguments):
            raise ConfigError(
                f"{self.path / job.name}.json is of another command: rise-bench "
                f"{' '.join(map(str, record['arguments']))}. Choose another --out, or remove this one."
            )
        return bool(record["done"])

    def write(self, job: Job, seconds: float, *, done: bool) -> None:
        """Write a job's record."""
        record = {"arguments": list(job.arguments), "seconds": round(seconds, 1), "done": done}
        record |= {"started_in": str(Path.cwd()), "jobs": os.path.normpath(self.path.absolute())}
        atomic_write_text(self.path / f"{job.name}.json", json_text(record) + "\n")

    def _is_same(self, record: Mapping[str, Any], arguments: Sequence[str]) -> bool:
        """Whether arguments are those of a record, wherever it was written and is now."""
        before, now = record["arguments"], list(arguments)
        return len(before) == len(now) and all(
            old == new or _PATH.sub(lambda match: self._placed(record, match[0]), old) == _absolute(new)
            for old, new in zip(before, now, strict=True)
        )

    def _placed(self, record: Mapping[str, Any], path: str) -> str:
        """Return a path of a record: it may be relative, and the folder above the jobs may have moved."""
        placed = Path(os.path.normpath(Path.cwd() / record.get("started_in", "") / path))
        now = os.path.normpath(self.path.absolute())
        before = Path(record.get("jobs", now)).parent
        if placed.is_relative_to(before):
            placed = Path(now).parent / placed.relative_to(before)
        return str(placed)

    def _record(self, name: str) -> dict[str, Any] | None:
        path = self.path / f"{name}.json"
        if not path.is_file():
            return None
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return record


def _absolute(argument: str) -> str:
    """Return an argument with absolute paths, so that a folder is the same by another name."""
    return _PATH.sub(lambda match: os.path.normpath(Path.cwd() / match[0]), argument)


def _child(job: Job, folder: JobFolder, before_s: float) -> ChildProcess:
    output, log = folder.output(job.name), folder.log(job.name)
    return ChildProcess(job.arguments, job.environment, output=output, log=log, before_s=before_s)


def run_jobs(
    jobs: Sequence[Job],
    folder: JobFolder,
    *,
    at_once: int = 2,
    progress: Callable[[Progress], None] = lambda _: None,
    failed: Callable[[Job, str], None] | None = None,
    launcher: Launcher | None = None,
) -> None:
    """Run the remaining jobs; of the jobs that can start, the first does.

    Args:
        jobs: All jobs in order of their needs.
        folder: Folder of records and logs.
        at_once: Number of concurrent jobs.
        progress: Called with each job's progress, about three times per second, and when it ends.
        failed: Called with each failed job and the reason; jobs that need it are skipped, others continue.
        launcher: Starts the jobs; as child processes by default.

    Raises:
        PrerequisiteError: A job failed, and `failed` is None; the message has the end of its log. Other jobs
            are stopped.
        ConfigError: The folder holds other jobs of the same names, or another process uses it.
    """
    with locked_folder(folder.path, folder.path):
        _run(jobs, folder, at_once, progress, failed, launcher or _child)


def _run(
    jobs: Sequence[Job],
    folder: JobFolder,
    at_once: int,
    progress: Callable[[Progress], None],
    failed: Callable[[Job, str], None] | None,
    launcher: Launcher,
) -> None:
    done = {job.name for job in jobs if folder.is_done(job)}
    for job in jobs:
        if job.name in done:
            progress(Progress(job, finished=True))
    waiting = [job for job in jobs if job.name not in done]
    running: list[_Running] = []
    try:
        while waiting or running:
            ready = [job for job in waiting if set(job.needs) <= done]
            if not ready and not running:
                return  # what is left needs a job that failed
            for job in ready[: at_once - len(running)]:
                waiting.remove(job)
                started = _unless_failed(failed, job, partial(_start, job, folder, launcher))
                running += [started] if started else []
                if not started:
                    progress(Progress(job, failed=True))
            time.sleep(_POLL_SECONDS)
            for child in list(running):
                progress(_progress(child.job, folder))
                ended = _unless_failed(failed, child.job, partial(_has_ended, child, folder))
                if ended is not False:
                    running.remove(child)
                if ended:
                    done.add(child.job.name)
                if ended is not False:
                    progress(Progress(child.job, finished=bool(ended), failed=not ended))
    finally:
        for child in running:
            _stop(child, folder)


def _unless_failed(
    failed: Callable[[Job, str], None] | None, job: Job, act: Callable[[], _Done]
) -> _Done | None:
    """Return the result of an act; None if the job failed, which is told unless nobody listens."""
    try:
        return act()
    except PrerequisiteError as error:
        if failed is None:
            raise
        failed(job, str(error))
        return None


def _start(job: Job, folder: JobFolder, launcher: Launcher) -> _Running:
    folder.log(job.name).parent.mkdir(parents=True, exist_ok=True)
    if not folder.is_known(job.name):  # its record was removed: what an earlier start left is not its result
        shutil.rmtree(folder.kept_by_launcher(job.name), ignore_errors=True)
    before = folder.seconds(job.name)
    folder.write(job, before, done=False)
    return _Running(job, launcher(job, folder, before))


def _has_ended(child: _Running, folder: JobFolder) -> bool:
    """Keep the record of a running job; whether it ended well."""
    code = child.process.poll()
    if code is not None or child.seconds - child.noted > _NOTE_SECONDS:
        child.noted = child.seconds
        folder.write(child.job, child.noted, done=code == 0)
    if not code:
        return code == 0
    lines = _tail(folder.log(child.job.name)).decode(errors="replace").splitlines()[-_LAST_LINES:]
    raise PrerequisiteError(
        f"{child.job.label} failed (exit code {code}): rise-bench {' '.join(child.job.arguments)}\n"
        + "\n".join(f"    {line}" for line in lines)
        + f"\nAll of its log: {folder.log(child.job.name)}. Fix the cause and start the same command again."
    )


def _stop(child: _Running, folder: JobFolder) -> None:
    code = child.process.poll()
    if not code:  # a job that has just ended well is done
        folder.write(child.job, child.seconds, done=code == 0)
    child.process.kill()


def _progress(job: Job, folder: JobFolder) -> Progress:
    bars = _BAR.findall(_tail(folder.log(job.name)))
    return Progress(job, int(bars[-1][0]), int(bars[-1][1])) if bars else Progress(job)


def _tail(path: Path) -> bytes:
    if not path.exists():
        return b""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return file.read()
