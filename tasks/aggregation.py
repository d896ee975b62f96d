"""Sample values of a whole run -> the numbers that lmms-eval prints, whatever the order of the samples.

lmms-eval concatenates the samples of its processes, so the same run comes in different orders. Means use
exact summation and AP sorts by our ids. A run with a failed request has no score: it shows "N/A" and the
count.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from rise_bench.annotations.base import Gold
from rise_bench.annotations.boxes.metrics import ap50 as average_precision_50
from rise_bench.annotations.boxes.metrics import match_samples
from rise_bench.annotations.boxes.values import Boxes
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


def ap50(items: Sequence[dict[str, Any]], args: Any = None) -> float | str:
    """AP at IoU 0.5 over rows of truth and stated boxes in pixels; "N/A" if a request failed.

    Args:
        items: Rows as `process_results` writes them.
        args: Command line of lmms-eval, if there is one: boxes in pixels of the resized image mean nothing if
            the processor was told to resize further.

    Raises:
        ConfigError: In that case.
    """
    if not items or any(item.get("failed") for item in items):
        return _NO_SCORE
    rows = sorted(items, key=lambda item: str(item["id"]))
    if args is not None and rows[0]["box_unit"] == "resized_px":
        sizes = [(row["width"], row["height"]) for row in rows]
        check_frames(sizes, args.model, args.model_args, max_pixels=rows[0]["max_pixels"])
    golds = [
        Gold(row["id"], _boxes(row["gold"]), row["width"], row["height"], row["category"]) for row in rows
    ]
    stated = [None if row["stated"] is None else _boxes(row["stated"]) for row in rows]
    return average_precision_50(match_samples(golds, stated))


def _boxes(xywh: Sequence[Sequence[float]]) -> Boxes:
    return Boxes(tuple((x, y, w, h) for x, y, w, h in xywh))


def _metric(name: str, aggregation: Callable[..., Any], *, higher_is_better: bool = True) -> dict[str, Any]:
    return {"metric": name, "aggregation": aggregation, "higher_is_better": higher_is_better}


_SHARED = [
    *(_metric(name, mean) for name in ("similarity", "parse_rate", "format_rate")),
    _metric("failed_requests", count, higher_is_better=False),
]

#: `metric_list` of a task with distributions; the first metric holds the rows.
DISTRIBUTION_METRICS = [
    _metric("jsd", mean, higher_is_better=False),
    *(_metric(name, mean) for name in ("accuracy", "win_rate", "tie_rate")),
    *_SHARED,
]

#: `metric_list` of a task with boxes; the first metric holds the rows.
BOX_METRICS = [_metric("ap50", ap50), _metric("precision_iou", mean), *_SHARED]
