"""Training jobs of Reason-RFT (arXiv 2503.20752) by teacher: SFT on its chains of thought, then GRPO."""

from pathlib import Path

from rise_bench.experiments.cell import Cell
from rise_bench.experiments.commands import drawn_cots, sweep_base, train
from rise_bench.experiments.job_folder import Job

#: The recipes of Reason-RFT's own benchmarks give SFT the first 1,600 rows and GRPO the rest.
_ALL_SAMPLES = ("data.cot_rows=0", "data.grpo_samples=all")

#: Their reward has a format of its own beside accuracy; the other methods are paid by eq. 9.
_SAME_REWARD = ("reward.format_bonus=0", "reward.format_term=true")


def reason_rft(cell: Cell) -> list[Job]:
    """Teacher: the base model, whose one chain of thought per sample is taken as it is."""
    return _on(cell, sweep_base(cell), cell.run("base_cots"), "reason_rft")


def reason_rft_best(cell: Cell, run: str = "reason_rft_best") -> list[Job]:
    """Teacher: the base model, curated: the best of 8 chains of thought by reward, no sample left out."""
    before = sweep_base(cell, run="base_cots_of_8", samples=8)
    return _on(cell, before, cell.run("base_cots_of_8"), run)


def reason_rft_best_56(cell: Cell) -> list[Job]:
    """Teacher: the best of 56, about as many as RISE-CoT samples of each of 112 pictures in 200 steps."""
    before = sweep_base(cell, run="base_cots_of_56", samples=56)
    return _on(cell, before, cell.run("base_cots_of_56"), "reason_rft_best_56")


def reason_rft_oracle(cell: Cell) -> list[Job]:
    """Teacher: the drawn world itself, whose descriptions are true and complete."""
    return _on(cell, drawn_cots(cell), cell.run("oracle_cots"), "reason_rft_oracle")


def reason_rft_verified(cell: Cell) -> list[Job]:
    """Teacher: the base model, where the closed loop verified it: a reward of at least tau."""
    before = sweep_base(cell)
    cots = f"data.cots={cell.run('base_cots')}"
    return [before, train(cell, "rise_r1", before, settings=(cots,), run="reason_rft_verified")]


def _on(cell: Cell, teacher: Job, cots: Path, run: str) -> list[Job]:
    reward = _SAME_REWARD if _is_paid_otherwise(cell) else ()
    settings = (f"data.cots={cots}", *_ALL_SAMPLES, *reward)
    return [teacher, train(cell, "reason_rft", teacher, settings=settings, run=run)]


def _is_paid_otherwise(cell: Cell) -> bool:
    if not cell.has_own_recipes:
        return False
    from rise_bench.trainers.settings.recipe_loader import load_config

    return load_config(f"{cell.place}/reason_rft").reward.format_bonus > 0
