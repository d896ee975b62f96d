"""Training jobs of Reason-RFT (arXiv 2503.20752) by teacher: SFT on its chains of thought, then GRPO."""

from rise_bench.experiments.cell import Cell, Method
from rise_bench.experiments.commands import drawn_cots, sweep_base, train
from rise_bench.experiments.job_folder import Job

#: The recipes of Reason-RFT's own benchmarks give SFT the first 1,600 rows and GRPO the rest.
_ALL_SAMPLES = ("data.cot_rows=0", "data.grpo_samples=all")

#: Their reward has a format of its own beside accuracy; the other methods are paid by eq. 9.
_SAME_REWARD = ("reward.format_bonus=0", "reward.format_term=true")


def reason_rft(
    title: str,
    run: str,
    *,
    best_of: int = 1,
    oracle: bool = False,
    share_of_steps: float = 1.0,
    tuned_as: str = "",
) -> Method:
    """Return Reason-RFT with a teacher; no sample is left out.

    Args:
        title: Name in tables.
        run: Name of its training.
        best_of: Chains of thought of the base model per sample; the best by reward is taken.
        oracle: The drawn world itself is the teacher, whose descriptions are true and complete.
        share_of_steps: See `Method`.
        tuned_as: See `Method`.
    """
    cots = "oracle_cots" if oracle else f"base_cots_of_{best_of}" if best_of > 1 else "base_cots"

    def trainings(cell: Cell) -> list[Job]:
        teacher = drawn_cots(cell) if oracle else sweep_base(cell, run=cots, samples=best_of)
        reward = _SAME_REWARD if _is_paid_otherwise(cell) else ()
        settings = (f"data.cots={cell.run(cots)}", *_ALL_SAMPLES, *reward)
        return [teacher, train(cell, "reason_rft", teacher, settings=settings, run=run)]

    return Method(
        title,
        trainings,
        phases=((run, "sft"), (run, "grpo")),
        cots=lambda cell: cell.run(cots),
        share_of_steps=share_of_steps,
        tuned_as=tuned_as,
    )


def reason_rft_verified(cell: Cell) -> list[Job]:
    """Teacher: the base model, where the closed loop verified it: a reward of at least tau."""
    before = sweep_base(cell)
    cots = f"data.cots={cell.run('base_cots')}"
    return [before, train(cell, "rise_r1", before, settings=(cots,), run="reason_rft_verified")]


def _is_paid_otherwise(cell: Cell) -> bool:
    if not cell.has_own_recipes:
        return False
    from rise_bench.trainers.settings.recipe_loader import load_config

    return load_config(f"{cell.place}/reason_rft").reward.format_bonus > 0
