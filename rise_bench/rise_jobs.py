"""The training jobs of RISE, whole and with one thing changed: RISE-CoT, collecting, RISE-R1."""

from pathlib import Path

from rise_bench.cells import Cell, Section, collect, train
from rise_bench.jobs import Job

#: Threshold of the paper for chains of thought to train on.
TAU = 0.75

#: The phase of RISE-CoT.
RISE_COT: tuple[str, Section] = ("rise_cot", "grpo")


def rise_cot(cell: Cell, name: str = "", *settings: str) -> list[Job]:
    """Return the jobs that make the chains of thought.

    Args:
        cell: Where.
        name: Put behind the names of the jobs, where `settings` change them.
        settings: Settings after the recipe's.
    """
    run = f"rise_cot{name}"
    training = train(cell, "rise_cot", settings=settings, run=run)
    return [training, collect(cell, training, run)]


def rise_r1(cell: Cell) -> list[Job]:
    """Return all jobs of RISE."""
    return then_r1(cell, rise_cot(cell), cell.cots)


def rise_sft(cell: Cell) -> list[Job]:
    """Return the jobs of RISE without its last phase, whose steps the SFT phase has then."""
    return then_r1(cell, rise_cot(cell), cell.cots, "phases=sft", run="rise_sft")


def then_r1(cell: Cell, before: list[Job], cots: Path, *settings: str, run: str = "rise_r1") -> list[Job]:
    """Return some jobs and RISE-R1 on the chains of thought that they make."""
    given = (f"data.cots={cots}", *settings)
    return [*before, train(cell, "rise_r1", before[-1], settings=given, run=run)]
