"""Budgets: the optimiser steps of each phase of a method.

All steps of a method's model count, including those of RISE-CoT if a rival uses its chains of thought.
RISE-CoT has a third of the budget, the policy the rest; in an ablation closer to the paper the policy has the
full budget, and RISE-CoT's third is additional. The paper counts otherwise: each phase has all the steps, so
that a method with more phases trains longer ("Implementation Details").
"""

from collections.abc import Mapping

from rise_bench.errors import ConfigError
from rise_bench.experiments.cell import Method
from rise_bench.experiments.study.settings import COT_TRAINING, Setting, policy_sections

#: Optimiser steps between checkpoints.
_SAVE_STEPS = 20

#: (training job, section) -> steps.
Steps = dict[tuple[str, str], int]


def cot_steps(total: int) -> int:
    """Return the steps of RISE-CoT in a budget."""
    return round(total / 3)


def allot(method: Method, setting: Setting, total: int, policy: int | None = None) -> Steps:
    """Return the steps of each phase of a method.

    Args:
        method: The method.
        setting: Split of the policy's steps.
        total: Steps of RISE-CoT and policy together.
        policy: Steps of the policy; the rest of `total` if None.

    Raises:
        ConfigError: A phase would have no step, or the method has more than the budget.
    """
    if not has_equal_steps(method):
        raise ConfigError(
            f"{method.title}: with equal steps every method has as many; leave it out, or give --budget paper"
        )
    cot = {phase: cot_steps(total) for phase in method.phases if phase[0].startswith(COT_TRAINING)}
    counted = sum(cot.values()) if method.teacher_counts else 0
    left = round(total * method.share_of_steps) - counted if policy is None else policy
    sections = policy_sections(method)
    alone = len(sections) == 1
    sft = round(left * setting.sft_share) if not alone else left if sections == ("sft",) else 0
    steps: Steps = {}
    for phase in method.phases:
        steps[phase] = cot[phase] if phase in cot else sft if phase[1] == "sft" else left - sft
    if any(count < 1 for count in steps.values()):
        raise ConfigError(f"{method.title}: a budget of {total} steps leaves {steps}; give at least 12 steps")
    return steps


def has_equal_steps(method: Method) -> bool:
    """Whether a method can be given as many steps in all as the others."""
    return method.share_of_steps <= 1 and method.sft_steps_share == 1


def allot_each(method: Method, steps: int) -> Steps:
    """Return the steps of each phase of a method as the paper counts: the same for every phase."""
    shares = {"sft": method.share_of_steps * method.sft_steps_share, "grpo": method.share_of_steps}
    return {phase: max(1, round(steps * shares[phase[1]])) for phase in method.phases}


def overrides(setting: Setting, steps: Mapping[tuple[str, str], int]) -> dict[str, tuple[str, ...]]:
    """Return the settings of each training job of a method: steps and learning rates."""
    rates = {"sft": setting.sft_learning_rate, "grpo": setting.grpo_learning_rate}
    given: dict[str, tuple[str, ...]] = {}
    for (job, section), count in steps.items():
        rate = None if job.startswith(COT_TRAINING) else rates[section]
        lines = (f"{section}.steps={count}", *((f"{section}.learning_rate={rate}",) if rate else ()))
        given[job] = (*given.get(job, (f"run.save_steps={_SAVE_STEPS}", "run.save_total_limit=1")), *lines)
    return given
