"""How long is left: guessed from the steps, then scaled by what jobs of the same kind really took."""

from pathlib import Path

import pytest

from rise_bench.experiments.job_folder import Job, JobFolder
from rise_bench.experiments.study.cost import guessed_seconds, remaining_seconds


def sft(name: str, steps: int) -> Job:
    return Job(
        name, name, ("train", "sft", "--recipe", "world/sft", f"sft.steps={steps}", "run.save_steps=20")
    )


def test_more_steps_take_longer_and_saving_is_no_step() -> None:
    per_step = (guessed_seconds(sft("a", 110)) - guessed_seconds(sft("a", 10))) / 100
    assert 0 < per_step < 2
    assert guessed_seconds(sft("a", 10)) < 20


@pytest.mark.parametrize("shots", ["16-shot", "full"])
def test_more_chains_of_thought_take_longer(shots: str) -> None:
    def collecting(*samples: str) -> Job:
        return Job(f"moods/{shots}/seed-0/c", "c", ("collect", "--benchmark", "moods", *samples))

    some, many = collecting("--samples", "8"), collecting("--samples", "56")
    assert guessed_seconds(collecting()) == guessed_seconds(some) == guessed_seconds(many) / 7


def test_done_jobs_scale_the_rest(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    jobs = [sft("a", 40), sft("b", 40), Job("c", "c", ("eval", "--tasks", "rise_moods"))]
    guess = sum(map(guessed_seconds, jobs))
    assert remaining_seconds(jobs, folder, 1) == pytest.approx(guess)
    assert remaining_seconds(jobs, folder, 2) == pytest.approx(guess / 2)
    folder.write(jobs[0], 3 * guessed_seconds(jobs[0]), done=True)
    left = guessed_seconds(jobs[1]) + guessed_seconds(jobs[2])
    assert remaining_seconds(jobs, folder, 1) == pytest.approx(3 * left, rel=0.01)
    folder.write(jobs[2], 1.0, done=True)
    assert remaining_seconds(jobs, folder, 1) == pytest.approx(3 * guessed_seconds(jobs[1]), rel=0.01)
