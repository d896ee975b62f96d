"""`rise-bench demo`: all of RISE, with a table and a report, without a download.

Draw a benchmark; train RISE-CoT on the base model that ships, collect the verified chains of thought, train
RISE-R1, SFT and Visual-RFT; score all by lmms-eval. The recipes are `world/…`, the commands those of a real
model. Finished jobs are skipped, so the same command continues after a crash.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rise_bench.catalog.extras import require_extra
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.experiments.cell import Cell
from rise_bench.experiments.comparison import Row, compare
from rise_bench.experiments.dataset import draw
from rise_bench.experiments.demo_report import write_page
from rise_bench.experiments.job_folder import Job, JobFolder
from rise_bench.experiments.jobs import Progress, run_jobs
from rise_bench.experiments.methods import find_method, method_jobs
from rise_bench.experiments.study.budget import allot
from rise_bench.experiments.study.settings import Setting
from rise_bench.files.atomic import atomic_write_text
from rise_bench.files.json_text import json_text
from rise_bench.reports.run_report import write_report

METHODS = ("rise", "visual_rft", "sft", "base")
"""Methods of the demo; the longest chain of jobs first."""

#: Optimiser steps of each method in the recipes, and RISE's split of its policy's steps.
STEPS = 120
_SETTING = Setting(sft_share=2 / 3)


@dataclass(frozen=True, slots=True)
class Demo:
    """Settings of the demo.

    Attributes:
        out: Folder for everything.
        benchmark: A drawn benchmark: moods, scenes or kinds.
        shots: Training rows of each class: 4-shot, 16-shot, or full for all.
        train: Training rows.
        test: Test rows.
        seed: Seed of the pictures and of training.
        at_once: Number of concurrent jobs.
        steps: Optimiser steps of each method.
    """

    out: Path
    benchmark: str = "moods"
    shots: str = "16-shot"
    train: int = 700
    test: int = 200
    seed: int = 0
    at_once: int = 2
    steps: int = STEPS

    @property
    def cell(self) -> Cell:
        """Cell of its methods, with their steps if they differ from the recipes."""
        overrides: dict[str, tuple[str, ...]] = {}
        for method in METHODS if self.steps != STEPS else ():
            for (job, section), count in allot(find_method(method), _SETTING, self.steps).items():
                overrides[job] = (*overrides.get(job, ()), f"{section}.steps={count}")
        return Cell(self.out / "data" / self.benchmark, self.shots, self.seed, self.out, overrides=overrides)

    @property
    def jobs(self) -> JobFolder:
        """Records and logs."""
        return JobFolder(self.out / "jobs")

    @property
    def page(self) -> Path:
        """The report."""
        return self.out / "report.html"

    @property
    def scores(self) -> Path:
        """File with the table."""
        return self.out / "scores.json"


def demo_jobs(demo: Demo) -> list[Job]:
    """Return the jobs of the demo in order of their needs."""
    return method_jobs(demo.cell, list(METHODS))


def draw_dataset(demo: Demo, progress: Callable[[int, int], None]) -> BenchmarkDataset:
    """Draw the benchmark, or open a finished one."""
    return draw(demo.cell.data, train=demo.train, test=demo.test, seed=demo.seed, progress=progress)


def run_demo(demo: Demo, dataset: BenchmarkDataset, progress: Callable[[Progress], None]) -> list[Row]:
    """Run the remaining jobs, write table and report, and return the table.

    Args:
        demo: Settings.
        dataset: Drawn benchmark.
        progress: Called with each job's progress.

    Raises:
        PrerequisiteError: An extra is missing, or a job failed.
        ConfigError: The folder holds another demo.
    """
    require_extra("train")
    require_extra("eval")
    run_jobs(demo_jobs(demo), demo.jobs, at_once=demo.at_once, progress=progress)
    rows = compare(demo.cell, dataset, METHODS, demo.jobs)
    for run in sorted((demo.out / "runs").glob("*/config.yaml")):
        write_report(run.parent)
    write_page(demo.page, demo.cell, dataset, rows, demo.jobs, next_commands(demo))
    atomic_write_text(demo.scores, json_text([row.to_json() for row in rows]) + "\n")
    return rows


def next_commands(demo: Demo) -> dict[str, str]:
    """Return the next three commands by title, with names and paths to fill in."""
    return {
        "your data": "rise-bench init IMAGES --labels labels.csv",
        "your GPU": "rise-bench train rise_cot --recipe emotion6/rise_cot data.benchmark=mine "
        "compute.accelerate=none model.attn_implementation=sdpa",
        "submit": f"rise-bench submit {demo.cell.results('rise')} --model ORG/NAME@COMMIT "
        f"--shots {demo.shots} --data {demo.cell.data} --out submission",
    }


def next_steps(demo: Demo) -> str:
    """Return the next commands as text."""
    lines = (f"  {title + ':':<11} {command}" for title, command in next_commands(demo).items())
    return "\n".join(("Next:", *lines))
