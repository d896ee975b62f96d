"""Jobs of submitit, on this machine and on a real Slurm: the same records, and no job lost or doubled."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rise_bench.errors import ConfigError, PrerequisiteError
from rise_bench.experiments.job_folder import Job, JobFolder
from rise_bench.experiments.jobs import Progress, run_jobs
from rise_bench.experiments.launchers import SubmititLauncher

pytest.importorskip("submitit")

VERSION = ("--version",)


@pytest.fixture(params=["local", "slurm"])
def launcher(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SubmititLauncher:
    if request.param == "slurm":
        request.getfixturevalue("slurm").use(monkeypatch)
    return SubmititLauncher(request.param)


def drawing(out: Path, pictures: int = 400) -> Job:
    """A job of some seconds."""
    return Job("draw", "draw", ("build", "moods", "--train", str(pictures), "--test", "1", "--out", str(out)))


def submissions(folder: JobFolder, name: str) -> int:
    return len(list((folder.path / f"{name}.submitit").glob("*submitted.pkl")))


def started(folder: JobFolder, jobs: list[Job]) -> dict[str, int]:
    return {job.name: folder.output(job.name).stat().st_mtime_ns for job in jobs}


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 240
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_jobs_run_once_after_what_they_need_and_leave_the_records_of_any_job(
    launcher: SubmititLauncher, tmp_path: Path
) -> None:
    folder, told = JobFolder(tmp_path / "jobs"), list[Progress]()
    bad = Job("cell/bad", "check", ("check", str(tmp_path / "absent")))
    jobs = [Job("cell/a", "first", VERSION), Job("b", "second", VERSION, ("cell/a",)), bad]
    failed: list[str] = []
    run_jobs(jobs, folder, launcher=launcher, progress=told.append, failed=lambda _, why: failed.append(why))
    assert [p.job.name for p in told if p.finished] == ["cell/a", "b"]
    assert all(folder.output(name).read_text().startswith("rise-bench ") for name in ("cell/a", "b"))
    assert 0 < folder.seconds("b") < 200
    assert len(failed) == 1 and "check failed (exit code 1)" in failed[0] and "absent" in failed[0]
    before = started(folder, jobs)
    (tmp_path / "absent").mkdir()
    run_jobs(jobs, folder, launcher=launcher, failed=lambda _, why: failed.append(why))
    again = started(folder, jobs)
    assert [name for name in before if before[name] != again[name]] == ["cell/bad"]  # is tried again


def test_a_job_whose_record_is_removed_runs_anew(tmp_path: Path) -> None:
    folder, launcher = JobFolder(tmp_path / "jobs"), SubmititLauncher("local")
    run_jobs([Job("a", "first", VERSION)], folder, launcher=launcher)
    (folder.path / "a.json").unlink()
    run_jobs([Job("a", "first", ("build", "--help"))], folder, launcher=launcher)
    assert "build" in folder.output("a").read_text()


def test_a_job_outlives_its_starter_and_the_next_one_finds_it(
    launcher: SubmititLauncher, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Twice `kill -9` of the starter: one submission, one result, and all of its seconds."""
    folder, job = JobFolder(tmp_path / "jobs"), drawing(tmp_path / "moods")
    which = request.node.callspec.params["launcher"]
    for _ in range(2):
        command = [sys.executable, "-c", STARTER, which, str(folder.path), *job.arguments]
        with subprocess.Popen(command) as starter:
            wait_until(lambda: (folder.path / "draw.submitit" / "seconds").exists())
            os.kill(starter.pid, signal.SIGKILL)
    assert not folder.is_done(job)
    run_jobs([job], folder, launcher=launcher)
    assert folder.is_done(job) and submissions(folder, "draw") == 1
    assert "moods" in folder.output("draw").read_text()
    assert folder.seconds("draw") >= 1


#: Submits a job and waits for it; killed meanwhile.
STARTER = """
import sys
from pathlib import Path
from rise_bench.experiments.job_folder import Job, JobFolder
from rise_bench.experiments.jobs import run_jobs
from rise_bench.experiments.launchers import SubmititLauncher
job = Job("draw", "draw", tuple(sys.argv[3:]))
run_jobs([job], JobFolder(Path(sys.argv[2])), launcher=SubmititLauncher(sys.argv[1]))
"""


def test_jobs_are_cancelled_with_an_interrupted_starter(launcher: SubmititLauncher, tmp_path: Path) -> None:
    folder, job = JobFolder(tmp_path / "jobs"), drawing(tmp_path / "moods", 50_000)

    def interrupt(_: Progress) -> None:
        if (folder.path / "draw.submitit" / "seconds").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_jobs([job], folder, launcher=launcher, progress=interrupt)
    clock = folder.path / "draw.submitit" / "seconds"
    wait_until(lambda: not _is_locked(folder.path / "draw.lock"))
    assert clock.exists() and not (folder.path / "draw.submitit" / "code").exists()
    assert not folder.is_done(job) and not (tmp_path / "moods").exists()


def _is_locked(path: Path) -> bool:
    from filelock import lock_descriptor

    handle = os.open(path, os.O_RDONLY)
    try:
        return not lock_descriptor(handle, blocking=False)
    finally:
        os.close(handle)


def test_a_job_that_the_cluster_loses_is_told_from_one_that_runs(
    slurm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slurm.use(monkeypatch)
    monkeypatch.setattr("rise_bench.experiments.launchers._PATIENCE_S", 1.0)
    folder, job = JobFolder(tmp_path / "jobs"), drawing(tmp_path / "moods", 50_000)

    def cancel(_: Progress) -> None:
        if (folder.path / "draw.submitit" / "seconds").exists():
            subprocess.run(["scancel", "--me"], check=True)

    with pytest.raises(PrerequisiteError, match=r"(?s)draw failed.*Slurm lost the job \d+"):
        run_jobs([job], folder, launcher=SubmititLauncher("slurm"), progress=cancel)


def test_a_job_that_slurm_would_never_start_is_told_from_one_that_waits(
    slurm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slurm.use(monkeypatch)
    launcher = SubmititLauncher("slurm", {"timeout_min": 100_000})
    with pytest.raises(PrerequisiteError, match=r"(?s)draw failed.*never start the job: PartitionTimeLimit"):
        run_jobs([drawing(tmp_path / "moods")], JobFolder(tmp_path / "jobs"), launcher=launcher)


def test_a_job_that_slurm_refuses_says_so(slurm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    slurm.use(monkeypatch)
    launcher, folder = SubmititLauncher("slurm", {"partition": "absent"}), JobFolder(tmp_path / "jobs")
    failed: list[str] = []
    run_jobs([Job("a", "draw", VERSION)], folder, launcher=launcher, failed=lambda _, why: failed.append(why))
    assert len(failed) == 1 and "draw was not submitted" in failed[0] and "Correct --resource" in failed[0]


def test_an_unknown_resource_is_refused_before_anything_starts() -> None:
    with pytest.raises(ConfigError, match="submitit refuses --resource: .*gpus_pr_node"):
        SubmititLauncher("local", {"slurm_gpus_pr_node": 8}).check()


def test_without_slurm_the_launcher_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PrerequisiteError, match="no Slurm here .*--launcher local"):
        SubmititLauncher("slurm").check()
