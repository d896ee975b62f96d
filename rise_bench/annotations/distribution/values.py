"""Probability distributions over classes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rise_bench.annotations.base import Annotation


@dataclass(frozen=True, slots=True)
class Distribution(Annotation):
    """Numbers stated for each class, in the order of `classes`; raw, so they need not sum to 1."""

    kind: ClassVar[str] = "distribution"
    classes: tuple[str, ...]
    probs: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.classes) != len(self.probs):
            raise ValueError(f"{len(self.classes)} classes but {len(self.probs)} numbers")

    @property
    def top(self) -> str:
        """Most probable class, the first of equals."""
        return self.classes[self.probs.index(max(self.probs))]


def round_to_one(probs: Sequence[float], digits: int) -> list[float]:
    """Round so that the rounded numbers sum to the rounded total (largest remainder)."""
    step = 10**digits
    scaled = [p * step for p in probs]
    units = [math.floor(s) for s in scaled]
    missing = round(sum(scaled)) - sum(units)
    by_remainder = sorted(range(len(units)), key=lambda i: (units[i] - scaled[i], i))
    for i in by_remainder[:missing]:
        units[i] += 1
    return [u / step for u in units]
