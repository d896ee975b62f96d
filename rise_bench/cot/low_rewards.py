"""Counts of the rows of a CoT dataset below tau by reason."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rise_bench.cot.dataset import open_cots
from rise_bench.scoring.rewards import cot_format_ok

_COLUMNS = ("cot", "reward", "leak_numbers", "leak_strict", "format_ok", "provenance")


def count_low(folder: Path) -> dict[str, int]:
    """Count the rows below tau by the first term of the reward that failed, the most frequent first."""
    cots = open_cots(folder)
    rows = cots.rows(columns=list(_COLUMNS))
    return dict(Counter(_reason(row) for row in rows if row["reward"] < cots.manifest.tau).most_common())


def low_text(counts: Mapping[str, int], tau: float) -> str:
    """Return the counts as a line of text; empty without rows below tau."""
    told = ", ".join(f"{number} with {reason}" for reason, number in counts.items())
    return f"rows below {tau:g}: {told}" if told else ""


def _reason(row: Mapping[str, Any]) -> str:
    rule = json.loads(row["provenance"]).get("reward_rule", {})
    if rule.get("format_term", True) and not cot_format_ok(row["cot"]):
        return "a reason of the wrong form (fewer than three words, tags or JSON)"
    if rule.get("leak_term", True) and row["leak_strict" if rule.get("leak") == "strict" else "leak_numbers"]:
        return "a reason that gives the annotation away"
    if rule.get("format_term", True) and not row["format_ok"]:
        return "a reconstruction that is unreadable or of the wrong form"
    return "a reconstruction that is not similar enough (or, of several, not on average)"
