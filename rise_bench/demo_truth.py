"""What the chains of thought of the demo's report say of their drawn pictures, and how it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rise_bench.dataset import BenchmarkDataset
from rise_bench.parsing import read_response
from rise_bench.registry import load_component
from rise_bench.report_samples import Badge


class Said:
    """The statements of rows' chains of thought, each true or false of its picture."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], dataset: BenchmarkDataset, split: str) -> None:
        """Check the rows (`id`, and `cot` or `response`) of a split."""
        self._spec = dataset.spec
        pairs = [(row["id"], self._thought(row)) for row in rows]
        checked = load_component("builders", "world.truth").check_texts(pairs, dataset, split)
        self._statements = dict(zip(pairs, checked, strict=True))

    def false(self, row: Mapping[str, Any]) -> list[str]:
        """Return what a row's chain of thought says that does not hold."""
        said = self._statements[row["id"], self._thought(row)]
        return [statement.text for statement in said if not statement.true]

    def badges(self, row: Mapping[str, Any]) -> list[Badge]:
        """Say how much of a row's chain of thought is false and, where it was judged, how grounded it is."""
        said = self._statements[row["id"], self._thought(row)]
        badges: list[Badge] = []
        if wrong := self.false(row):
            badges.append(("bad", f"{len(wrong)} of {len(said)} statements false: {'; '.join(wrong)}"))
        elif said:
            badges.append(("good", f"all {len(said)} statements true"))
        if row.get("groundedness") is not None:
            worst = row["groundedness_worst_sentence"]
            badges.append(("", f"groundedness {row['groundedness']:+.2f}, worst sentence {worst:+.2f}"))
        return badges

    def _thought(self, row: Mapping[str, Any]) -> str:
        if "cot" in row:
            return str(row["cot"])
        return read_response(row["response"], self._spec.kind, self._spec.classes).think
