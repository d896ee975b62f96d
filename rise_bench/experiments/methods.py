"""RISE and its rivals as jobs of training and scoring by lmms-eval.

A method consists of `rise-bench` commands with the recipes of the drawn benchmarks; methods share jobs, such
as the chains of thought of RISE-CoT. Every model is prompted in its training format.
"""

from collections.abc import Sequence

from rise_bench.cot.dataset import TAU
from rise_bench.errors import ConfigError
from rise_bench.experiments.ablations import ABLATIONS
from rise_bench.experiments.cell import Cell, Method
from rise_bench.experiments.commands import evaluate, train
from rise_bench.experiments.job_folder import Job
from rise_bench.experiments.reason_rft_methods import reason_rft, reason_rft_verified
from rise_bench.experiments.rise_methods import RISE_COT, grounded, rise_cot, rise_r1, rise_sft, viewed


def find_method(name: str) -> Method:
    """Return a method or an ablation.

    Raises:
        ConfigError: It does not exist.
    """
    known = METHODS | ABLATIONS
    if name not in known:
        raise ConfigError(f"no method {name!r}; choose from {', '.join(known)}")
    return known[name]


def method_jobs(cell: Cell, methods: Sequence[str]) -> list[Job]:
    """Return the distinct jobs of methods in order of their needs."""
    jobs: dict[str, Job] = {}
    for name in methods:
        method = find_method(name)
        trainings = method.trainings(cell)
        jobs |= {job.name: job for job in trainings}
        evaluation = evaluate(cell, name, method, trainings[-1:])
        jobs[evaluation.name] = evaluation
    return list(jobs.values())


def _metis_rise(cell: Cell) -> list[Job]:
    before = rise_cot(cell)
    return [*before, train(cell, "metis_rise", before[-1], settings=(f"data.expert_cots={cell.cots}",))]


METHODS: dict[str, Method] = {
    "rise": Method(
        "RISE",
        rise_r1,
        phases=(RISE_COT, ("rise_r1", "sft"), ("rise_r1", "grpo")),
        cots=lambda cell: cell.cots,
        tau=TAU,
    ),
    "rise_grounded": grounded("RISE grounded", "rise_r1_grounded", reward="gate", select=True),
    "rise_blind": viewed("RISE blind", "rise_r1_blind", "blind"),
    "rise_sft": Method(
        "RISE without RFT",
        rise_sft,
        phases=(RISE_COT, ("rise_sft", "sft")),
        cots=lambda cell: cell.cots,
        tau=TAU,
    ),
    "visual_rft": Method(
        "Visual-RFT", lambda cell: [train(cell, "visual_rft")], phases=(("visual_rft", "grpo"),)
    ),
    "sft": Method("SFT", lambda cell: [train(cell, "sft")], "answer_only", phases=(("sft", "sft"),)),
    "reason_rft": reason_rft("Reason-RFT", "reason_rft"),
    "reason_rft_best": reason_rft("Reason-RFT, best of 8", "reason_rft_best", best_of=8),
    "reason_rft_oracle": reason_rft("Reason-RFT, oracle", "reason_rft_oracle", oracle=True),
    "reason_rft_verified": Method(
        "Reason-RFT verified",
        reason_rft_verified,
        phases=(("reason_rft_verified", "sft"), ("reason_rft_verified", "grpo")),
        cots=lambda cell: cell.run("base_cots"),
        tau=TAU,
    ),
    "metis_rise": Method(
        "Metis-RISE",
        _metis_rise,
        phases=(RISE_COT, ("metis_rise", "grpo"), ("metis_rise", "sft")),
    ),
    "base": Method("base model", lambda _: []),
}
"""Every method by name; the longest chain of jobs first, so that it starts first."""
