"""Jobs: each done once, in an order that their needs allow; none outlives its starter."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rise_bench.errors import ConfigError, PrerequisiteError
from rise_bench.experiments import child_process
from rise_bench.experiments.cell import Cell
from rise_bench.experiments.jobs import Job, JobFolder, Progress, _Running, _stop, run_jobs
from rise_bench.experiments.methods import METHODS, method_jobs
from rise_bench.processes.warm import Warm

from ..support.commands import is_running

VERSION = ("--version",)
SLOW = ("build", "moods", "--train", "20000", "--test", "1", "--out")


def started(folder: JobFolder) -> dict[str, int]:
    return {log.stem: log.stat().st_mtime_ns for log in folder.path.glob("*.out")}


def test_jobs_run_once_and_after_what_they_need(tmp_path: Path) -> None:
    folder, told = JobFolder(tmp_path / "jobs"), list[Progress]()
    jobs = [Job("a", "first", VERSION), Job("b", "second", VERSION, ("a",)), Job("c", "third", VERSION)]
    run_jobs(jobs, folder, progress=told.append)
    assert [p.job.name for p in told if p.finished][-1] == "b"  # a and c side by side, b after a
    assert all(folder.output(job.name).read_text().startswith("rise-bench ") for job in jobs)
    assert folder.seconds("a") > 0
    before = started(folder)
    run_jobs(jobs, folder)
    assert started(folder) == before
    with pytest.raises(ConfigError, match="is of another command: rise-bench --version"):
        run_jobs([Job("a", "first", ("--help",))], folder)


@pytest.mark.parametrize(("code", "done"), [(0, True), (None, False)])
def test_a_job_that_ended_well_as_it_was_stopped_is_done(
    tmp_path: Path, code: int | None, done: bool
) -> None:
    folder, job = JobFolder(tmp_path / "jobs"), Job("a", "first", VERSION)
    folder.path.mkdir()
    killed: list[bool] = []
    process = SimpleNamespace(poll=lambda: code, seconds=3.0, kill=lambda: killed.append(True))
    _stop(_Running(job, process), folder)
    assert (folder.is_done(job), folder.seconds("a"), killed) == (done, 3.0, [True])


def test_a_failed_job_says_why_and_stops_the_others(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "jobs")
    slow = Job("slow", "slow", (*SLOW, str(tmp_path / "moods")))
    bad = Job("bad", "check", ("check", str(tmp_path / "absent")))
    never = Job("never", "never", VERSION, ("bad",))
    with pytest.raises(PrerequisiteError, match=r"(?s)check failed .*absent.*start the same command again"):
        run_jobs([slow, bad, never], folder)
    assert not folder.is_done(slow) and not folder.log("never").exists()
    assert not (tmp_path / "moods").exists()


def test_where_it_is_asked_a_failed_job_stops_only_what_needs_it(tmp_path: Path) -> None:
    """A grid of trainings must not end at the first that cannot be done; a rerun tries that one again."""
    folder, failed = JobFolder(tmp_path / "jobs"), list[tuple[str, str]]()
    bad = Job("bad", "check", ("check", str(tmp_path / "absent")))
    jobs = [bad, Job("never", "never", VERSION, ("bad",)), Job("last", "last", VERSION)]
    for _ in range(2):
        run_jobs(jobs, folder, at_once=1, failed=lambda job, reason: failed.append((job.name, reason)))
    assert [name for name, _ in failed] == ["bad", "bad"]
    assert "check failed" in failed[0][1]
    assert [folder.is_done(job) for job in jobs] == [False, False, True]
    assert not folder.log("never").exists()


def test_two_starters_do_not_run_the_same_jobs_and_a_job_is_no_process_of_a_launcher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under torchrun or srun a job would take itself for a part of what it is to do, and do that part."""
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("SLURM_PROCID", "1")
    folder, seen = JobFolder(tmp_path / "jobs"), list[dict[str, str]]()

    def started_with(*arguments: Any, environment: dict[str, str], **options: Any) -> Warm:
        seen.append(environment)
        return Warm(*arguments, environment=environment, **options)

    def second(_: Progress) -> None:
        with pytest.raises(ConfigError, match="another process is writing"):
            run_jobs([Job("b", "second", VERSION)], folder)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(child_process, "Warm", started_with)
        run_jobs([Job("slow", "slow", (*SLOW, str(tmp_path / "moods")))], folder, progress=second)
    assert "RANK" not in seen[0] and "SLURM_PROCID" not in seen[0] and "PATH" in seen[0]
    run_jobs([Job("b", "second", VERSION)], folder)  # free again


def test_a_job_ends_with_its_starter(tmp_path: Path) -> None:
    """`kill -9` of the starter: a job left behind would write into the folder of its own successor."""
    command = [sys.executable, "-c", STARTER, str(tmp_path / "jobs"), *SLOW, str(tmp_path / "moods")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        job = int(starter.stdout.readline())
        wait_until(lambda: (tmp_path / "jobs" / "slow.log").exists())
        os.kill(starter.pid, signal.SIGKILL)
    assert starter.returncode == -signal.SIGKILL
    wait_until(lambda: not is_running(job))
    assert json.loads((tmp_path / "jobs" / "slow.json").read_text())["done"] is False


#: Runs a job and prints its process. Nothing is preloaded, which would take longer than the test.
STARTER = """
import sys
from pathlib import Path
from rise_bench.experiments import child_process, jobs
from rise_bench.processes import warm
warm.PRELOADED.clear()
class Told(warm.Warm):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        print(self.pid, flush=True)
child_process.Warm = Told
jobs.run_jobs([jobs.Job("slow", "slow", tuple(sys.argv[2:]))], jobs.JobFolder(Path(sys.argv[1])))
"""


def wait_until(holds: object) -> None:
    deadline = time.monotonic() + 60
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_methods_share_the_chains_of_thought_and_name_only_jobs_that_exist(tmp_path: Path) -> None:
    cell = Cell(tmp_path / "data" / "moods", "16-shot", 0, tmp_path, overrides={"sft": ("sft.steps=3",)})
    jobs = method_jobs(cell, list(METHODS))
    names = [job.name for job in jobs]
    assert len(set(names)) == len(names) and names.count("rise_cot") == names.count("rise_r1") == 1
    for position, job in enumerate(jobs):
        assert set(job.needs) <= set(names[:position])
    assert next(job for job in jobs if job.name == "sft").arguments[-1] == "sft.steps=3"
    with pytest.raises(ConfigError, match="no method 'rize'; choose from rise, "):
        method_jobs(cell, ["rize"])
