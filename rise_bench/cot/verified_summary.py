"""Means and shares of the rows of a CoT dataset."""

from pathlib import Path
from statistics import fmean
from typing import Any

from rise_bench.cot.dataset import GROUNDED, SELECTED, VIEWS, open_cots

_MEANS = ("reward", SELECTED, "similarity", "prior_score", *VIEWS, *GROUNDED)
_SHARES = ("leak_numbers", "leak_strict", "format_ok")


def summarize(folder: Path) -> dict[str, Any]:
    """Summarise a CoT dataset.

    Returns:
        `rows`; `high`, the rows with a reward of at least tau; means of the numbers, None for a column
        without any; and the shares of rows that leak by either rule, and that have the right format.
    """
    cots = open_cots(folder)
    rows = list(cots.rows(columns=[*_MEANS, *_SHARES]))
    summary: dict[str, Any] = {
        "rows": len(rows),
        "high": sum(row["reward"] >= cots.manifest.tau for row in rows),
    }
    for name in _MEANS:
        values = [row[name] for row in rows if row.get(name) is not None]
        summary[name] = fmean(values) if values else None
    return summary | {f"share_{name}": fmean(row[name] for row in rows) for name in _SHARES}
