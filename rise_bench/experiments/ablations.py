"""Ablations as methods: those of the paper (Tables 3 to 6) and of this project.

Rows of the tables that are methods already are not repeated: the paper's own choice in each is `rise`, "SFT
High" of Table 4 is `rise_sft`, "RFT" is `visual_rft`.
"""

from pathlib import Path
from typing import Literal

from rise_bench.cot.dataset import TAU
from rise_bench.experiments.cell import Cell, Method, Section
from rise_bench.experiments.commands import collect, drawn_cots, sweep_base, train, true_cots, verify
from rise_bench.experiments.job_folder import Job
from rise_bench.experiments.reason_rft_methods import reason_rft
from rise_bench.experiments.rise_methods import (
    RECONSTRUCTIONS,
    RISE_COT,
    grounded,
    rise_cot,
    rise_r1,
    then_r1,
    viewed,
)


def _r1(
    title: str,
    run: str,
    *settings: str,
    tau: float | None = TAU,
    rft: bool = True,
    teacher_counts: bool = True,
    tuned_as: str = "",
    sft_steps_share: float = 1.0,
    grpo_tuned_as: str = "",
) -> Method:
    """Return RISE-R1 with other settings on the chains of thought of RISE."""
    sections: tuple[Section, ...] = ("sft", "grpo") if rft else ("sft",)
    given = settings if rft else (*settings, "phases=sft")
    return Method(
        title,
        lambda cell: then_r1(cell, rise_cot(cell), cell.cots, *given, run=run),
        phases=(RISE_COT, *((run, section) for section in sections)),
        cots=lambda cell: cell.cots,
        tau=tau,
        teacher_counts=teacher_counts,
        tuned_as=tuned_as,
        sft_steps_share=sft_steps_share,
        grpo_tuned_as=grpo_tuned_as,
    )


def _rescored(cell: Cell) -> list[Job]:
    """RISE whose chains of thought are scored by new reconstructions, as those of the other views are."""
    training = rise_cot(cell)[0]
    options = ("--reconstructions", str(RECONSTRUCTIONS))
    before = [training, collect(cell, training, folder="rescored", options=options)]
    return then_r1(cell, before, cell.run("rise_cot") / "rescored", run="rise_r1_rescored")


def _reward(title: str, name: str, *settings: str) -> Method:
    """Return RISE with another reward in RISE-CoT."""
    cot, run = f"rise_cot_{name}", f"rise_r1_{name}"
    return Method(
        title,
        lambda cell: then_r1(cell, rise_cot(cell, f"_{name}", *settings), cell.run(cot) / "cots", run=run),
        phases=((cot, "grpo"), (run, "sft"), (run, "grpo")),
        cots=lambda cell: cell.run(cot) / "cots",
        tau=TAU,
    )


def _base_cots(title: str, run: str, cots: str, samples: int) -> Method:
    """Return RISE-R1 on the base model's chains of thought for the training samples of RISE."""

    def trainings(cell: Cell) -> list[Job]:
        before = rise_cot(cell)
        swept = sweep_base(cell, before[-1], run=cots, only_high_of=cell.cots, samples=samples)
        return then_r1(cell, [*before, swept], cell.run(cots), "data.cot_subset=all", run=run)

    return Method(
        title,
        trainings,
        phases=(RISE_COT, (run, "sft"), (run, "grpo")),
        cots=lambda cell: cell.run(cots),
    )


def _foreign(title: str, run: str, *settings: str, tau: float | None = TAU) -> Method:
    """Return RISE-R1 on chains of thought of a writer that errs in one of ten statements."""

    def cots(cell: Cell) -> Path:
        return cell.run("foreign_cots_verified")

    def trainings(cell: Cell) -> list[Job]:
        written = drawn_cots(cell, "foreign_cots", false_share=0.1)
        scored = verify(cell, written, cell.run("foreign_cots"), RECONSTRUCTIONS)
        return then_r1(cell, [written, scored], cots(cell), *settings, run=run)

    return Method(
        title,
        trainings,
        phases=((run, "sft"), (run, "grpo")),
        cots=cots,
        tau=tau,
    )


def _true(
    title: str,
    run: str,
    *settings: str,
    verified: bool = False,
    taken_after: Section | None = None,
    grpo_tuned_as: str = "",
) -> Method:
    """Return RISE with an eighth of the SFT on rollouts of RISE-CoT that say nothing false."""

    def cots(cell: Cell) -> Path:
        return cell.run("true_cots_verified" if verified else "true_cots")

    def trainings(cell: Cell) -> list[Job]:
        training = rise_cot(cell)[0]
        before = [training, true_cots(cell, training)]
        if verified:
            before.append(verify(cell, before[-1], cell.run("true_cots"), RECONSTRUCTIONS))
        return then_r1(cell, before, cots(cell), *settings, run=run)

    return Method(
        title,
        trainings,
        phases=(RISE_COT, (run, "sft"), (run, "grpo")),
        cots=cots,
        taken_after=taken_after,
        tau=TAU if verified else None,
        sft_steps_share=1 / 8,
        grpo_tuned_as=grpo_tuned_as,
    )


def _alone(
    title: str, stage: Literal["sft", "visual_rft"], run: str, *settings: str, share_of_steps: float = 1.0
) -> Method:
    """Return SFT or Visual-RFT with other settings or steps."""
    return Method(
        title,
        lambda cell: [train(cell, stage, settings=settings, run=run)],
        "answer_only" if stage == "sft" else "think_answer",
        phases=((run, "sft" if stage == "sft" else "grpo"),),
        share_of_steps=share_of_steps,
        tuned_as=stage,
    )


def _metis_options(cell: Cell) -> list[Job]:
    """Metis-RISE with clipping from above at 0.28, without uniform groups and truncated responses.

    A batch serves two steps: with one, policies are equal when the ratio is taken, and nothing is clipped.
    """
    before = rise_cot(cell)
    clipping = ("grpo.epsilon_high=0.28", "grpo.num_iterations=2")
    left_out = ("grpo.drop_uniform_groups=true", "grpo.mask_truncated=true")
    settings = (f"data.expert_cots={cell.cots}", *clipping, *left_out)
    return [*before, train(cell, "metis_rise", before[-1], settings=settings, run="metis_options")]


ABLATIONS: dict[str, Method] = {
    "r1_base_cots": _base_cots("RISE-R1 on CoTs of the base model", "r1_base_cots", "base_cots_high", 1),
    "r1_base_best": _base_cots(
        "RISE-R1 on the best of 8 of the base model", "r1_base_best", "base_cots_best", 8
    ),
    "rise_before_rft": Method(
        "RISE before its RFT",
        rise_r1,
        phases=(RISE_COT, ("rise_r1", "sft"), ("rise_r1", "grpo")),
        taken_after="sft",
        cots=lambda cell: cell.cots,
        tau=TAU,
    ),
    "base_answer_only": Method("base model, answers only", lambda _: [], "answer_only"),
    "rise_uncounted": _r1("RISE, its RISE-CoT not counted", "rise_r1_uncounted", teacher_counts=False),
    "sft_all": _r1("SFT on all CoTs", "sft_all", "data.cot_subset=all", tau=None, rft=False),
    "sft_all_rft": _r1("SFT on all CoTs + RFT", "sft_all_rft", "data.cot_subset=all", tau=None),
    "similarity_only": _reward(
        "reward: similarity only", "similarity_only", "reward.leak_term=false", "reward.format_term=false"
    ),
    "no_leak_term": _reward("reward: no leak term", "no_leak_term", "reward.leak_term=false"),
    "no_format_term": _reward("reward: no format term", "no_format_term", "reward.format_term=false"),
    "tau_65": _r1("tau 0.65", "rise_r1_tau_65", "data.tau=0.65", tau=0.65),
    "tau_85": _r1("tau 0.85", "rise_r1_tau_85", "data.tau=0.85", tau=0.85),
    "grounded_reward": grounded(
        "grounded: reward only", "rise_r1_grounded_reward", reward="gate", select=False
    ),
    "grounded_multiply": grounded(
        "grounded: reward only, multiplied", "rise_r1_multiplied", reward="multiply", select=False
    ),
    "grounded_select": grounded("grounded: selection only", "rise_r1_grounded_select", select=True),
    "rise_rescored": Method(
        "RISE, rewards by new reconstructions",
        _rescored,
        phases=(RISE_COT, ("rise_r1_rescored", "sft"), ("rise_r1_rescored", "grpo")),
        cots=lambda cell: cell.run("rise_cot") / "rescored",
        tau=TAU,
    ),
    "rise_both": viewed("RISE, with and without the picture", "rise_r1_both", "both"),
    "blind_as_rise": viewed("RISE blind, settings of RISE", "rise_r1_blind_as_rise", "blind"),
    "grounded_as_rise": grounded(
        "RISE grounded, settings of RISE", "rise_r1_grounded_as_rise", reward="gate", select=True
    ),
    "grounded_own_answers": grounded(
        "RISE grounded that imitates the answers of its teacher",
        "rise_r1_grounded_own",
        "data.cot_answers=reconstruction",
        reward="gate",
        select=True,
    ),
    "rise_as_grounded": _r1(
        "RISE, settings of RISE grounded", "rise_r1_as_grounded", tuned_as="rise_grounded"
    ),
    "sft_early": _alone("SFT, a quarter of the steps", "sft", "sft_early", share_of_steps=0.25),
    "sft_long": _alone("SFT, three times the steps", "sft", "sft_long", share_of_steps=3.0),
    "visual_rft_long": _alone(
        "Visual-RFT, three times the steps", "visual_rft", "visual_rft_long", share_of_steps=3.0
    ),
    "reason_rft_best_long": reason_rft(
        "Reason-RFT, best of 8, half more steps",
        "reason_rft_best_long",
        best_of=8,
        share_of_steps=1.5,
        tuned_as="reason_rft_best",
    ),
    # about as many as RISE-CoT samples of each of 112 pictures in 200 steps
    "reason_rft_best_56": reason_rft(
        "Reason-RFT, best of 56", "reason_rft_best_56", best_of=56, tuned_as="reason_rft_best"
    ),
    "rise_own_answers": _r1(
        "RISE that imitates the answers of its teacher", "rise_r1_own", "data.cot_answers=reconstruction"
    ),
    "rise_reasons_alone": _r1("RISE that imitates reasons alone", "rise_r1_reasons", "data.cot_answers=none"),
    "short_reasons_alone": _r1(
        "RISE with an eighth of the SFT, on reasons alone",
        "rise_r1_short_reasons",
        "data.cot_answers=none",
        sft_steps_share=1 / 8,
    ),
    "short_gentle": _r1(
        "RISE gentle: little SFT, rate of Visual-RFT",
        "rise_r1_gentle",
        "data.cot_answers=none",
        sft_steps_share=1 / 8,
        grpo_tuned_as="visual_rft",
    ),
    "rise_short_sft": _r1("RISE with an eighth of the SFT", "rise_r1_short", sft_steps_share=1 / 8),
    "short_own_answers": _r1(
        "RISE with an eighth of the SFT, on the answers of its teacher",
        "rise_r1_short_own",
        "data.cot_answers=reconstruction",
        sft_steps_share=1 / 8,
    ),
    "true_reasons_alone": _true(
        "RISE with little SFT, on true reasons",
        "rise_r1_true_reasons",
        "data.cot_subset=all",
        "data.cot_answers=none",
    ),
    "true_before_rft": _true(
        "RISE on true reasons, before its RFT",
        "rise_r1_true_reasons",
        "data.cot_subset=all",
        "data.cot_answers=none",
        taken_after="sft",
    ),
    "true_gentle": _true(
        "RISE gentle on true reasons",
        "rise_r1_true_gentle",
        "data.cot_subset=all",
        "data.cot_answers=none",
        grpo_tuned_as="visual_rft",
    ),
    "true_own_answers": _true(
        "RISE with little SFT, on true reasons with answers",
        "rise_r1_true_own",
        "data.cot_answers=reconstruction",
        verified=True,
    ),
    "rft_literal": _r1("RFT paid by S as printed", "rise_r1_literal", "reward.variant=literal"),
    "rft_upstream": _r1("RFT paid by the authors' code", "rise_r1_upstream", "reward.variant=upstream"),
    "rft_jsd": _r1("RFT paid by the JSD for the KLD", "rise_r1_jsd", "reward.variant=jsd"),
    "rft_floor": _r1("RFT paid with 1e-2 for the 1e-10", "rise_r1_floor", "reward.variant=floor"),
    "visual_rft_floor": _alone(
        "Visual-RFT with 1e-2 for the 1e-10", "visual_rft", "visual_rft_floor", "reward.variant=floor"
    ),
    "rise_foreign": _foreign("RISE-R1 on another writer's verified CoTs", "rise_foreign"),
    "rise_foreign_all": _foreign(
        "RISE-R1 on all of another writer's CoTs", "rise_foreign_all", "data.cot_subset=all", tau=None
    ),
    "metis_options": Method(
        "Metis-RISE with its reported options",
        _metis_options,
        phases=(RISE_COT, ("metis_options", "grpo"), ("metis_options", "sft")),
        tuned_as="metis_rise",
    ),
    "rft_f1": _r1("RFT paid by S that charges extra boxes", "rise_r1_f1", "reward.variant=f1"),
}
"""Every ablation by name; docs/study_method.md has a table of them."""
