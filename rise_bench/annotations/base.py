"""Annotations and ground truth; `annotation_kind` has the interface of their kinds.

Numbers are kept as they were stated (a distribution need not sum to 1, a box may leave the image); scoring
judges them. The numbers of some kinds mean something only together with a `Frame`. Ground truth is in pixels
of the original image; a model reads and writes the unit that its family was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

SimilarityVariant = Literal[
    "paper", "literal", "upstream", "jsd", "floor", "f1", "graded", "ordered", "full", "penalty"
]

#: Closed outline: points (x, y), of which the last is joined to the first.
Outline = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """The numbers that stand for the full image, e.g. 1000 x 1000 or the size in pixels."""

    width: float
    height: float


class Annotation:
    """An annotation of any kind; `kind` is the name under which `KINDS` has its kind."""

    __slots__ = ()
    kind: ClassVar[str]


@dataclass(frozen=True, slots=True)
class Gold:
    """Ground truth of a sample.

    Attributes:
        id: Stable id of the sample.
        annotation: The annotation, in pixels of the original image.
        width_px: Width of the original image.
        height_px: Height of the original image.
        category: Class that is asked for (COCO-Sub); empty where there is only one.
        question: Question about this image (LISA); empty where the benchmark asks the same of all.
    """

    id: str
    annotation: Annotation
    width_px: int
    height_px: int
    category: str = ""
    question: str = ""

    @property
    def kind(self) -> str:
        """Name of the kind of annotation."""
        return self.annotation.kind

    @property
    def frame_px(self) -> Frame:
        """Frame of the original image, in pixels."""
        return Frame(self.width_px, self.height_px)
