"""Cells of a comparison (a benchmark, a number of shots, a seed), and methods as `rise-bench` commands.

All methods of a cell share the jobs that make chains of thought; jobs that train and score a policy may have
a tag, so that several settings can be compared.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rise_bench.annotations.answer_format import DEFAULT_FORMAT, Style
from rise_bench.annotations.boxes.values import BoxUnit
from rise_bench.catalog.benchmarks import BENCHMARKS
from rise_bench.catalog.families import FAMILIES
from rise_bench.experiments.job_folder import Job
from rise_bench.experiments.scale import SCALES, Scale, ScaleName
from rise_bench.models.base_model import BASE_MODEL

#: Prefixes of jobs with chains of thought that all methods of a cell share.
_SHARED = ("rise_cot", "collect", "base_cots", "oracle_cots", "foreign_cots")


Section = Literal["sft", "grpo"]


@dataclass(frozen=True, slots=True)
class Setup:
    """Scale of a comparison, and kind of the model that all methods start from.

    Attributes:
        family: Name of the model's family.
        scale: Scale of recipes and limits.
        settings: Settings (`key=value`) of every training job, after the recipe's.
        on_hub: Whether the model is loaded from the Hub.
    """

    family: str = "qwen2_vl"
    scale: ScaleName = "world"
    settings: tuple[str, ...] = ()
    on_hub: bool = False

    @property
    def limits(self) -> Scale:
        """Limits of the scale."""
        return SCALES[self.scale]

    @property
    def engine(self) -> str:
        """lmms-eval's `--model`."""
        return FAMILIES[self.family].lmms_model

    @property
    def other_box_unit(self) -> BoxUnit | None:
        """Unit of boxes of the model's family, where it is not the default."""
        unit = FAMILIES[self.family].box_unit
        return None if unit == DEFAULT_FORMAT.unit else unit


@dataclass(frozen=True, slots=True)
class Cell:
    """Benchmark, number of shots and seed of a comparison.

    Attributes:
        data: Folder of the built benchmark, named after it.
        shots: 4-shot, 16-shot or full.
        seed: Seed of training.
        out: Folder of runs and evaluations.
        prefix: Prefix of the names of jobs.
        tag: Suffix of the names of jobs that train and score a policy.
        base: Model that every method starts from; empty for the one that ships.
        overrides: Settings (`key=value`) by training job (rise_cot, rise_r1, sft, …), after the recipe's.
        setup: Scale, and kind of the model.
    """

    data: Path
    shots: str
    seed: int
    out: Path
    prefix: str = ""
    tag: str = ""
    base: str = ""
    overrides: dict[str, tuple[str, ...]] = field(default_factory=dict)
    setup: Setup = field(default_factory=Setup)

    @property
    def benchmark(self) -> str:
        """Name of the benchmark."""
        return self.data.name

    @property
    def has_own_recipes(self) -> bool:
        """Whether its recipes are the benchmark's, with values of their own; only at the paper's scale."""
        spec = BENCHMARKS.get(self.benchmark)
        return self.setup.scale == "paper" and spec is not None and bool(spec.source_url)

    @property
    def place(self) -> str:
        """Place of the recipes."""
        return self.benchmark if self.has_own_recipes else self.setup.scale

    @property
    def max_pixels(self) -> int:
        """Largest picture, that of the recipes."""
        if not self.has_own_recipes:
            return self.setup.limits.max_pixels
        from rise_bench.trainers.settings.recipe_loader import load_config

        return load_config(f"{self.place}/visual_rft").model.max_pixels

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
    def base_model(self) -> str:
        """Name or folder of the model that every method starts from."""
        return self.base or BASE_MODEL

    @property
    def cots(self) -> Path:
        """Folder of the CoT dataset of RISE-CoT."""
        return self.run("rise_cot") / "cots"


@dataclass(frozen=True, slots=True)
class Method:
    """Training method.

    Attributes:
        title: Name in tables.
        trainings: Returns its training jobs in order of their needs.
        style: Format of its answers.
        phases: Training jobs and sections of their settings, in order: all optimiser steps of the method.
        taken_after: Phase of the last job whose model it takes; None for the last one.
        cots: Returns the CoT dataset of its SFT phase; None without SFT on chains of thought.
        tau: Smallest reward of its chains of thought; None takes all.
        min_groundedness: Returns the smallest groundedness of its chains of thought, in nats; None takes all.
        min_reward_blind: Smallest blind reward of its chains of thought; None takes all.
        teacher_counts: Whether the steps of RISE-CoT are part of the budget.
        share_of_steps: Its share of the budget, or of each phase where each has all the steps; above 1 only
            there.
        sft_steps_share: Share of a phase's steps that its SFT gets; below 1 only where each has all.
        tuned_as: Method with its settings, if not itself or, for an ablation, RISE.
        grpo_tuned_as: Method with its rate of GRPO, if another.
    """

    title: str
    trainings: Callable[[Cell], list[Job]]
    style: Style = "think_answer"
    phases: tuple[tuple[str, Section], ...] = ()
    taken_after: Section | None = None
    cots: Callable[[Cell], Path] | None = None
    tau: float | None = None
    min_groundedness: Callable[[Cell], float] | None = None
    min_reward_blind: float | None = None
    teacher_counts: bool = True
    share_of_steps: float = 1.0
    sft_steps_share: float = 1.0
    tuned_as: str = ""
    grpo_tuned_as: str = ""

    def model(self, cell: Cell) -> Path | str:
        """Return folder or name of its model."""
        if not self.phases:
            return cell.base_model
        job, last = self.phases[-1]
        return cell.run(job) / (self.taken_after or last) / "final"
