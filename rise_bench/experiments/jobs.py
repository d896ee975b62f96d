"""Jobs: rise-bench commands with dependencies, run concurrently, each once.

A finished job leaves a record and is skipped later; a killed job is started again and continues. Standard
output and the log of each job are kept.
"""

import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from rise_bench.errors import PrerequisiteError
from rise_bench.experiments.child_process import ChildProcess
from rise_bench.experiments.job_folder import Job, JobFolder
from rise_bench.files.locks import locked_folder

_POLL_SECONDS = 0.3
_NOTE_SECONDS = 5.0
_TAIL_BYTES = 20_000
_LAST_LINES = 12

_Done = TypeVar("_Done")

#: Progress bar in the log of a command, e.g. "12/60 [".
_BAR = re.compile(rb"(\d+)/(\d+) \[")


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

    def __call__(self, job: Job, folder: JobFolder, before_s: float) -> Started:
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
    if not folder.is_known(job.name) or folder.done_seconds(job.name) is not None:
        # its record was removed, or its result is gone: what an earlier start left is not its result
        shutil.rmtree(folder.kept_by_launcher(job.name), ignore_errors=True)
    before = folder.seconds(job.name)
    folder.write(job, before, done=False)
    return _Running(job, launcher(job, folder, before))


def _has_ended(child: _Running, folder: JobFolder) -> bool:
    """Keep the record of a running job; whether it ended well."""
    code = child.process.poll()
    if code is not None or child.seconds - child.noted > _NOTE_SECONDS:
        child.noted = child.seconds
        folder.write(child.job, child.noted, done=code == 0, exit_code=code)
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
