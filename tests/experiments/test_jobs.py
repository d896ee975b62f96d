"""Jobs: each done once, in an order that their needs allow; none outlives its starter."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rise_bench.cli.job_bars import JobBars
from rise_bench.errors import ConfigError, PrerequisiteError
from rise_bench.experiments import child_process
from rise_bench.experiments.cell import Cell
from rise_bench.experiments.child_process import ChildProcess
from rise_bench.experiments.demo import Demo, demo_jobs
from rise_bench.experiments.job_folder import Job, JobFolder
from rise_bench.experiments.jobs import Progress, _Running, _stop, run_jobs
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


def test_the_same_folder_by_another_name_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = JobFolder(tmp_path / "jobs")
    relative = (
        "eval",
        "--out",
        "study/a",
        "run.output_dir=study/b",
        "pretrained=study/c,max_pixels=1",
        "--json",
    )
    absolute = [text.replace("study/", f"{tmp_path}/study/") for text in relative]
    folder.write(Job("a", "first", relative), 1.0, done=True)
    assert folder.is_done(Job("a", "first", tuple(absolute)))
    for other in ("study/d", "/study/c", "c"):
        changed = tuple(text.replace("study/c", other) for text in relative)
        with pytest.raises(ConfigError, match="of another command"):
            folder.is_done(Job("a", "first", changed))


def test_a_folder_can_be_gone_on_with_from_another_one_and_be_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, moved = tmp_path / "here", tmp_path / "moved"
    (here / "study").mkdir(parents=True)
    monkeypatch.chdir(here)
    job = Job("a", "first", ("eval", "--out", "study/a"))
    JobFolder(Path("study/jobs")).write(job, 1.0, done=True)
    (here / "study" / "x.jsonl").touch()
    monkeypatch.chdir(here / "study")
    folder, same = JobFolder(Path("jobs")), Job("a", "first", ("eval", "--out", f"{here}/study/a"))
    assert folder.is_done(same)
    assert folder.printed_path("a", "study/x.jsonl") == here / "study" / "x.jsonl"
    with pytest.raises(ConfigError, match="of another command"):
        folder.is_done(Job("a", "first", ("eval", "--out", "study/b")))
    here.rename(moved)
    monkeypatch.chdir(moved)
    folder = JobFolder(Path("study/jobs"))
    assert folder.is_done(job) and folder.printed_path("a", "study/x.jsonl") == moved / "study" / "x.jsonl"


@pytest.mark.parametrize("out", ["demo", "../demo", "sub/../demo", "ABSOLUTE"])
@pytest.mark.parametrize("moves", [False, True])
def test_a_whole_demo_goes_on_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, moves: bool
) -> None:
    first, then = tmp_path / "first" / "sub", tmp_path / "then"
    (first / "sub").mkdir(parents=True)
    monkeypatch.chdir(first)
    plan = Demo(Path(out.replace("ABSOLUTE", f"{first}/demo")))
    folder = JobFolder(plan.out / "jobs")
    for job in demo_jobs(plan):
        folder.write(job, 1.0, done=True)
        if job.arguments[0] == "eval":
            samples = plan.out / f"{job.name}.jsonl"
            samples.touch()
            folder.output(job.name).write_text(json.dumps({"rise_moods": {"samples_file": str(samples)}}))
    place = plan.out.resolve()
    if moves:
        place = place.rename(tmp_path / "moved")
    then.mkdir()
    monkeypatch.chdir(then)
    for name in (place, Path("..") / place.relative_to(tmp_path)):
        jobs = demo_jobs(replace(plan, out=name))
        assert jobs and all(JobFolder(name / "jobs").is_done(job) for job in jobs)
    with pytest.raises(ConfigError, match="of another command"):
        for job in demo_jobs(replace(plan, out=place, seed=1)):
            JobFolder(place / "jobs").is_done(job)


def test_a_bar_ends_with_a_failed_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = JobFolder(tmp_path / "jobs")
    jobs = [Job("bad", "check", ("check", str(tmp_path / "absent"))), Job("a", "first", VERSION)]
    with JobBars(2, folder) as bars:
        run_jobs(jobs, folder, progress=bars.show, failed=lambda *_: None)
        assert bars.unfinished == {}
    assert "check: failed" in capsys.readouterr().err


def test_a_job_that_cannot_be_started_fails_alone(tmp_path: Path) -> None:
    """Of a cluster that refuses one more job; those that run are not cancelled."""

    def launch(job: Job, folder: JobFolder, before_s: float) -> Any:
        if job.name == "refused":
            raise PrerequisiteError("no room")
        return ChildProcess(
            job.arguments, {}, output=folder.output(job.name), log=folder.log(job.name), before_s=before_s
        )

    folder, failed = JobFolder(tmp_path / "jobs"), dict[str, str]()
    jobs = [Job("runs", "first", VERSION), Job("refused", "second", VERSION)]
    told = failed.__setitem__
    run_jobs(jobs, folder, failed=lambda job, why: told(job.name, why), launcher=launch)
    assert failed == {"refused": "no room"} and folder.is_done(jobs[0])
    with pytest.raises(PrerequisiteError, match="no room"):
        run_jobs(jobs, folder, launcher=launch)


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


@pytest.mark.parametrize("lost", ["", "output", "end of the output", "samples"])
def test_an_evaluation_without_its_samples_is_done_again(tmp_path: Path, lost: str) -> None:
    folder, samples = JobFolder(tmp_path / "jobs"), tmp_path / "samples.jsonl"
    job = Job("eval_a", "eval", ("eval", "--output_path", "results", "--json"))
    folder.write(job, 1.0, done=True)
    text = json.dumps({"rise_moods": {"samples_file": str(samples)}})
    folder.output(job.name).write_text(text[:20] if lost == "end of the output" else text)
    samples.touch()
    if lost in ("output", "samples"):
        (samples if lost == "samples" else folder.output(job.name)).unlink()
    folder.kept_by_launcher(job.name).mkdir()
    assert folder.is_done(job) == (not lost)
    started: list[str] = []

    def launch(job: Job, folder: JobFolder, before_s: float) -> Any:
        started.append(job.name)
        return SimpleNamespace(poll=lambda: 0, seconds=before_s + 1, kill=lambda: None)

    run_jobs([job], folder, launcher=launch)
    assert started == ([job.name] if lost else [])
    assert folder.kept_by_launcher(job.name).exists() == (not lost), "it would be taken for the result"


@pytest.mark.parametrize(("code", "failed"), [(0, []), (2, ["a"]), (-9, ["a"]), (None, [])])
def test_a_record_says_whether_the_job_failed(tmp_path: Path, code: int | None, failed: list[str]) -> None:
    """A job that is tried again has not failed until it ends."""
    folder, job = JobFolder(tmp_path / "jobs"), Job("a", "first", VERSION)
    known: list[list[str]] = []

    def launch(job: Job, folder: JobFolder, before_s: float) -> Any:
        known.append(folder.failed())
        return SimpleNamespace(poll=lambda: code, seconds=before_s + 1, kill=lambda: None)

    def stop(_: Progress) -> None:
        if code is None:
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt) if code is None else nullcontext():
            run_jobs([job], folder, launcher=launch, progress=stop, failed=lambda *_: None)
        assert folder.failed() == failed
    assert not any(known)


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
