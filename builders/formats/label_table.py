"""Classes of the pictures of a source, as probabilities, whatever its format."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from rise_bench.annotations.distribution.values import Distribution
from rise_bench.errors import DataError


@dataclass(frozen=True, slots=True)
class LabelRow:
    """Row: probabilities in the order of the table's classes; `split` is empty without that column."""

    file: str
    probs: tuple[float, ...]
    split: str
    question: str
    license: str
    where: str


@dataclass(frozen=True, slots=True)
class LabelTable:
    """Rows of a source, its classes, whether it holds labels, drops by reason, columns not used, notes."""

    kind: ClassVar[str] = "distribution"
    empty: ClassVar[int] = 0
    rows: Sequence[LabelRow]
    classes: tuple[str, ...]
    labelled: bool
    drops: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def files(self) -> list[tuple[str, str]]:
        """File and place of each picture."""
        return [(row.file, row.where) for row in self.rows]

    @property
    def splits(self) -> dict[str, str]:
        """File -> split, where the source names one."""
        return {row.file: row.split for row in self.rows if row.split}

    def with_splits(self, splits: Mapping[str, str]) -> "LabelTable":
        """Return the table with a split for each picture."""
        return replace(self, rows=[replace(row, split=splits[row.file]) for row in self.rows])

    @property
    def class_counts(self) -> dict[str, int]:
        """Class -> pictures in which it is the most probable."""
        tops = Counter(Distribution(self.classes, row.probs).top for row in self.rows)
        return {name: tops[name] for name in self.classes}


def one_hot(label: str, classes: tuple[str, ...], where: str) -> tuple[float, ...]:
    """Return the probabilities of a label.

    Raises:
        DataError: If there is no such class.
    """
    if label not in classes:
        raise DataError(f"{where}: unknown class {label!r}; expected one of {', '.join(classes)}")
    return tuple(float(name == label) for name in classes)
