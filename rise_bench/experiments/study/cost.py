"""Duration of jobs: an estimate, scaled by the time of finished jobs."""

from collections.abc import Sequence

from rise_bench.experiments.job_folder import Job, JobFolder

#: Seconds to start, and of a step of each phase, with two jobs on two free CPU cores.
_START = 10.0
_A_STEP = {"rise_cot": {"grpo": 2.0}, "": {"sft": 0.35, "grpo": 0.95}}

#: Seconds of other commands, of collecting with this many samples or fewer; at full shots it samples most.
_WHOLE = {"eval": 20.0, "collect": 20.0, "verify": 20.0}
_SAMPLES = 8
_COLLECT_FULL = 70.0


def guessed_seconds(job: Job) -> float:
    """Return the estimated seconds of a job on a small machine."""
    command = job.arguments[0]
    if command != "train":
        is_full = command == "collect" and "/full/" in job.name
        whole = _COLLECT_FULL if is_full else _WHOLE.get(command, _START)
        given = "--samples" in job.arguments
        samples = int(job.arguments[job.arguments.index("--samples") + 1]) if given else _SAMPLES
        return whole * max(1, samples / _SAMPLES)
    a_step = _A_STEP.get(job.arguments[1], _A_STEP[""])
    steps = dict(text.split(".steps=") for text in job.arguments if ".steps=" in text)
    return _START + sum(a_step[section] * int(count) for section, count in steps.items() if section in a_step)


def remaining_seconds(jobs: Sequence[Job], folder: JobFolder, at_once: int) -> float:
    """Return the estimated seconds of the remaining jobs, scaled by finished jobs of the same command."""
    done = {job.name for job in jobs if folder.is_done(job)}
    guess: dict[str, float] = {"": 0.0}
    took: dict[str, float] = {"": 0.0}
    for job in jobs:
        if job.name in done:
            for kind in ("", kind_of_job(job)):
                guess[kind] = guess.get(kind, 0.0) + guessed_seconds(job)
                took[kind] = took.get(kind, 0.0) + folder.seconds(job.name)
    whole = took[""] / guess[""] if guess[""] else 1.0
    ratio = {kind: took[kind] / guess[kind] for kind in guess if kind}
    left = (job for job in jobs if job.name not in done)
    return sum(guessed_seconds(job) * ratio.get(kind_of_job(job), whole) for job in left) / at_once


def kind_of_job(job: Job) -> str:
    """Return the command of a job, of a training with its stage."""
    return " ".join(job.arguments[:2]) if job.arguments[0] == "train" else job.arguments[0]
