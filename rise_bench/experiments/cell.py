"""Cells, in which methods are compared, and the `rise-bench` commands of which they consist.

A cell is one benchmark, one number of shots, one seed. Jobs that make chains of thought are one for the whole
cell; the jobs that train and score a policy may carry a tag, so that several settings can be compared.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rise_bench.annotations.answer_format import Style
from rise_bench.experiments.jobs import Job

#: How the names of jobs begin whose chains of thought all methods of a cell share.
_SHARED = ("rise_cot", "collect", "base_cots")


Section = Literal["sft", "grpo"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One benchmark, one number of shots, one seed: where its methods are compared.

    Attributes:
        data: Folder of the built benchmark; its name is the benchmark's.
        shots: 4-shot, 16-shot or full.
        seed: Seed of training.
        out: Folder of runs and evaluations.
        prefix: Put before the names of the jobs.
        tag: Put behind the names of the jobs that train and score a policy.
        overrides: Settings (`key=value`) by training job (rise_cot, rise_r1, sft, …), after the recipe's.
    """

    data: Path
    shots: str
    seed: int
    out: Path
    prefix: str = ""
    tag: str = ""
    overrides: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def benchmark(self) -> str:
        """Name of the benchmark."""
        return self.data.name

    def tagged(self, job: str) -> str:
        """Return the name of a job within the cell."""
        return job if job.startswith(_SHARED) else f"{job}{self.tag}"

    def run(self, job: str) -> Path:
        """Return the run folder of a training job."""
        return self.out / "runs" / self.tagged(job)

    def results(self, method: str) -> Path:
        """Return the folder of a method's evaluation."""
        return self.out / "eval" / self.tagged(method)

    def evaluation(self, method: str) -> str:
        """Return the full name of the job that scores a method."""
        return f"{self.prefix}{self.tagged(f'eval_{method}')}"

    @property
    def cots(self) -> Path:
        """The CoT dataset of RISE-CoT."""
        return self.run("rise_cot") / "cots"


@dataclass(frozen=True, slots=True)
class Method:
    """A way to train.

    Attributes:
        title: How tables call it.
        trainings: Makes its training jobs, those that are needed first.
        model: Where its model is, given the cell, or its name.
        style: Form in which it is asked.
        phases: Training jobs and sections of their settings, in order: every optimiser step of the method.
        cots: Where the CoT dataset is on which its SFT phase trains; None if there is none.
        tau: Smallest reward of a chain of thought that it trains on; None if it takes all.
        min_groundedness: Smallest groundedness of its least grounded sentence, in nats per token; None if it
            is not asked for.
        teacher_counts: Whether the steps of RISE-CoT are part of the budget.
        share_of_steps: Share of the budget that it uses.
        tuned_as: Method whose settings it has, if they are not its own or, of an ablation, those of RISE.
    """

    title: str
    trainings: Callable[[Cell], list[Job]]
    model: Callable[[Cell], Path | str]
    style: Style = "think_answer"
    phases: tuple[tuple[str, Section], ...] = ()
    cots: Callable[[Cell], Path] | None = None
    tau: float | None = None
    min_groundedness: float | None = None
    teacher_counts: bool = True
    share_of_steps: float = 1.0
    tuned_as: str = ""
