"""Metrics of values: accuracy, and mean absolute error for counts."""

from rise_bench.annotations.metric import Metric
from rise_bench.annotations.reason_rft_score import reason_rft_metric, value_score
from rise_bench.annotations.value.similarity import are_equal
from rise_bench.annotations.value.values import Value

#: Error of an answer that is unreadable or no number, and the largest error that counts.
LARGEST_ERROR = 10.0


def absolute_error(gold: Value, stated: Value) -> float:
    """Return |a - b|, at most `LARGEST_ERROR`: without a limit one absurd number would be the whole mean.

    A letter or a word is off by nothing or by the limit.
    """
    a, b = gold.number, stated.number
    if are_equal(gold, stated):
        return 0.0
    return LARGEST_ERROR if a is None or b is None else min(abs(a - b), LARGEST_ERROR)


METRICS = (
    Metric(
        "accuracy",
        "Accuracy",
        "Share of values that are right",
        ranks=True,
        sample=lambda gold, stated: float(are_equal(gold, stated)),
        labels=("wrong", "right"),
    ),
    Metric(
        "mae",
        "MAE",
        f"Mean absolute error, for counts; larger errors and unreadable answers count as {LARGEST_ERROR:g}",
        higher_is_better=False,
        best=0.0,
        worst=LARGEST_ERROR,
        scale=1.0,
        digits=2,
        sample=absolute_error,
    ),
    reason_rft_metric(value_score, lambda value: value.text),
)
