"""Aggregation of sample values into the numbers that lmms-eval prints, independent of the order.

lmms-eval concatenates the samples of its processes, so their order varies. Means use exact summation, other
metrics sort by sample id. A run with a failed request has no score: it shows "N/A" and the count.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import KINDS
from rise_bench.annotations.metric import SHARED, TIE_RATE, WIN_RATE, Metric
from rise_bench.evaluation.image_limits import check_frames

_NO_SCORE = "N/A"


def mean(items: Sequence[Any]) -> float | str:
    """Mean of numbers, or of the `score` of rows; "N/A" if a request failed."""
    values = [item.get("score") if isinstance(item, dict) else item for item in items]
    numbers = [value for value in values if value is not None]
    if not numbers or len(numbers) < len(values):
        return _NO_SCORE
    return math.fsum(numbers) / len(numbers)


def count(items: Sequence[float]) -> float:
    """Sum of zeros and ones."""
    return math.fsum(items)


def _pooled(kind: str, metric: Metric) -> Callable[..., float | str]:
    """Return the aggregation of a metric that is computed from all samples."""

    def aggregate(items: Sequence[dict[str, Any]], args: Any = None) -> float | str:
        """Compute the metric from rows of ground truth and stated annotation; "N/A" if a request failed.

        Args:
            items: Rows of `process_results`.
            args: Command line of lmms-eval, if any.

        Raises:
            ConfigError: Boxes are in pixels of the resized image, and `args` resize it further.
        """
        if not items or any(item.get("failed") for item in items):
            return _NO_SCORE
        rows = sorted(items, key=lambda item: str(item["id"]))
        if args is not None and rows[0]["box_unit"] == "resized_px":
            sizes = [(row["width"], row["height"]) for row in rows]
            check_frames(sizes, args.model, args.model_args, max_pixels=rows[0]["max_pixels"])
        read = functools.partial(KINDS[kind].from_json, classes=())
        golds = [
            Gold(row["id"], read(row["gold"]), row["width"], row["height"], row["category"]) for row in rows
        ]
        stated = [None if row["stated"] is None else read(row["stated"]) for row in rows]
        assert metric.pool is not None
        return metric.pool(golds, stated).value()

    return aggregate


def metric_list(kind: str) -> list[dict[str, Any]]:
    """Return the `metric_list` of a task with annotations of a kind; the first metric holds the rows."""
    left_out = () if KINDS[kind].references else (WIN_RATE, TIE_RATE)
    metrics = [*KINDS[kind].metrics, *(metric for metric in SHARED if metric not in left_out)]
    listed = [
        _listed(metric.name, _pooled(kind, metric) if metric.pool else mean, metric.higher_is_better)
        for metric in metrics
    ]
    return [*listed, _listed("failed_requests", count, higher_is_better=False)]


def _listed(name: str, aggregation: Callable[..., Any], higher_is_better: bool) -> dict[str, Any]:
    return {"metric": name, "aggregation": aggregation, "higher_is_better": higher_is_better}
