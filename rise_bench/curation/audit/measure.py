"""Measures of how well scores find planted errors."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rise_bench.scoring.bootstrap import Interval, draw, interval

#: Shares of the rows, the most suspicious first, whose precision is measured.
TOP = (0.01, 0.05, 0.10)

#: Name of the score that knows nothing: its figures are what a random order gives on average.
RANDOM = "random"

#: Figures of a score, and how tables call them.
FIGURES = {"auroc": "AUROC", "average_precision": "AP"} | {
    f"precision_at_{share:.0%}": f"P@{share:.0%}" for share in TOP
}


@dataclass(frozen=True, slots=True)
class Measured:
    """Result of a score on planted errors.

    Attributes:
        rows: Rows that have the score.
        wrong: Wrong labels among them.
        figures: Name of a figure of `FIGURES` -> value with its 95 % interval (bootstrap over rows).
        by_error: AUROC of each kind of error against the right labels.
    """

    rows: int
    wrong: int
    figures: Mapping[str, Interval]
    by_error: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def figures_of(suspicion: NDArray[np.float64], wrong: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the figures of `FIGURES`; equal scores count as if they were in random order.

    Args:
        suspicion: Score of each row, high if suspicious.
        wrong: Whether its label is wrong; at least one is and one is not.

    >>> figures = figures_of(np.array([3.0, 2, 1, 0]), np.array([True, False, True, False]))
    >>> [round(float(figure), 3) for figure in figures]
    [0.75, 0.833, 1.0, 1.0, 1.0]
    """
    order = np.argsort(-suspicion, kind="stable")
    values, hits = suspicion[order], wrong[order].astype(float)
    ends = np.flatnonzero(np.append(np.diff(values) != 0, True)) + 1  # ends of runs of equal scores
    starts = np.concatenate(([0], ends[:-1]))
    hits_so_far = np.concatenate(([0.0], np.cumsum(hits)[ends - 1]))
    in_run, sizes = np.diff(hits_so_far), ends - starts
    total = hits_so_far[-1]
    right_after = (len(hits) - total) - (ends - hits_so_far[1:])
    auroc = (in_run * (right_after + (sizes - in_run) / 2)).sum() / (total * (len(hits) - total))
    precision = (in_run / total * hits_so_far[1:] / ends).sum()
    expected = np.concatenate(([0.0], np.cumsum(np.repeat(in_run / sizes, sizes))))
    tops = [max(1, round(share * len(hits))) for share in TOP]
    return np.array([auroc, precision, *(expected[top] / top for top in tops)])


def measure(
    suspicion: Sequence[float | None],
    errors: Sequence[str],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Measured | None:
    """Measure a score.

    Args:
        suspicion: Score of each row, high if suspicious; None for a row that lacks it.
        errors: Name of each row's planted error; empty for a right label.
        resamples: Bootstrap resamples.
        seed: Seed of the bootstrap.

    Returns:
        The figures; None if the rows that have the score are all right or all wrong.
    """
    pairs = [(value, error) for value, error in zip(suspicion, errors, strict=True) if value is not None]
    values, names = (
        np.array([value for value, _ in pairs], dtype=float),
        np.array([name for _, name in pairs]),
    )
    wrong = names != ""
    if not wrong.any() or wrong.all():
        return None
    picked = (picks for picks in draw(len(values), resamples, seed) if 0 < wrong[picks].sum() < len(picks))
    drawn = np.array([figures_of(values[picks], wrong[picks]) for picks in picked]).reshape(-1, len(FIGURES))
    figures = {
        name: interval(float(value), drawn[:, i])
        for i, (name, value) in enumerate(zip(FIGURES, figures_of(values, wrong), strict=True))
    }
    by_error = {}
    for name in sorted(set(names) - {""}):
        kept = (names == name) | ~wrong
        by_error[str(name)] = float(figures_of(values[kept], wrong[kept])[0])
    return Measured(len(values), int(wrong.sum()), figures, by_error)
