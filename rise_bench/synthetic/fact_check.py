"""Check of statements in chains of thought against their pictures, for texts about rows of a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.synthetic.rows import truth_of
from rise_bench.synthetic.statements import Statement, statements


@dataclass(frozen=True, slots=True)
class Counted:
    """Number of texts, of checkable statements in them, and of false statements."""

    texts: int
    statements: int
    false: int

    @property
    def rate(self) -> float:
        """Share of the statements that is false; 0 if nothing is stated."""
        return self.false / self.statements if self.statements else 0.0

    @property
    def per_text(self) -> float:
        """Statements a text; 0 if there is no text."""
        return self.statements / self.texts if self.texts else 0.0

    @property
    def false_per_text(self) -> float:
        """False statements a text; 0 if there is no text."""
        return self.false / self.texts if self.texts else 0.0


def has_facts(dataset: BenchmarkDataset) -> bool:
    """Whether the pictures of a dataset were drawn, so that statements about them can be checked."""
    return "world_version" in dataset.manifest.options


def check_texts(
    texts: Iterable[tuple[str, str]], dataset: BenchmarkDataset, split: str
) -> list[tuple[Statement, ...]]:
    """Return the true and false statements of each text about a picture.

    Args:
        texts: Pairs of sample id and text; ids may repeat.
        dataset: A drawn benchmark (moods, scenes, kinds).
        split: Split of the samples.

    Raises:
        DataError: The dataset was not drawn, or by another version.
        KeyError: A sample is not in the split.
    """
    rows = dataset.rows(split, columns=["id", "source_id"])
    source_ids: Mapping[str, str] = {row["id"]: row["source_id"] for row in rows}
    return [statements(text, truth_of(source_ids[uid])) for uid, text in texts]


def count_statements(texts: Iterable[tuple[str, str]], dataset: BenchmarkDataset, split: str) -> Counted:
    """Count the statements of texts about drawn pictures; see `check_texts`."""
    checked = check_texts(texts, dataset, split)
    statements_of_all = list(chain.from_iterable(checked))
    false = sum(not statement.true for statement in statements_of_all)
    return Counted(len(checked), len(statements_of_all), false)
