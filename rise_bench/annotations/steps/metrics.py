"""Metrics of steps: matched calls, with and without their order, and samples with every call right."""

from rise_bench.annotations.metric import Metric
from rise_bench.annotations.reason_rft_score import reason_rft_metric, steps_score
from rise_bench.annotations.steps.similarity import steps_similarity
from rise_bench.annotations.steps.values import Steps


def step_score(gold: Steps, stated: Steps) -> float:
    """Return the matched weight of calls over the larger number of calls."""
    return steps_similarity(gold, stated, "paper")


METRICS = (
    Metric(
        "step_score",
        "Steps",
        "Matched calls over the larger number of calls; a call that is right in part counts in part",
        ranks=True,
        sample=step_score,
    ),
    Metric(
        "ordered_step_score",
        "Steps in order",
        "The same, of calls in the right order",
        sample=lambda gold, stated: steps_similarity(gold, stated, "ordered"),
    ),
    Metric(
        "exact_steps",
        "All steps",
        "Share of samples with exactly the right calls, in any order",
        ranks=True,
        sample=lambda gold, stated: float(step_score(gold, stated) == 1.0),
        labels=("wrong", "right"),
    ),
    reason_rft_metric(steps_score, lambda steps: ", ".join(map(str, steps.calls))),
)
