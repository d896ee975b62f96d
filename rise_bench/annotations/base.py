"""Value types: what an annotation is, and how it is written down.

Two kinds of annotation exist: a probability distribution over classes, and a list of boxes. Numbers are kept
as they were stated (a distribution need not sum to 1, a box may leave the image); judging them is the job of
`similarity` and `metrics`. A box is always `(x, y, w, h)` with `(x, y)` the top-left corner. The numbers of a
box mean something only together with a `Frame`: the pair of numbers that stands for the full image. Gold
boxes are in pixels of the original image; a model reads and writes the unit that its family was trained on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rise_bench.annotations.boxes.values import Boxes, Frame
from rise_bench.annotations.distribution.values import Distribution

Kind = Literal["distribution", "boxes"]


Annotation = Distribution | Boxes


@dataclass(frozen=True, slots=True)
class Gold:
    """A sample's true annotation. Boxes are in pixels of the original image.

    Attributes:
        id: Stable id of the sample.
        annotation: The truth.
        width_px: Width of the original image.
        height_px: Height of the original image.
        category: Class of the boxes (COCO-Sub); empty where there is only one.
        question: What is asked of this image (LISA); empty where the benchmark asks the same of all.
    """

    id: str
    annotation: Annotation
    width_px: int
    height_px: int
    category: str = ""
    question: str = ""

    @property
    def kind(self) -> Kind:
        """Which of the two kinds of annotation this is."""
        return "distribution" if isinstance(self.annotation, Distribution) else "boxes"

    @property
    def frame_px(self) -> Frame:
        """The frame of the original image, in pixels."""
        return Frame(self.width_px, self.height_px)


SimilarityVariant = Literal["paper", "literal", "upstream", "jsd", "floor", "f1"]


Predictor = Callable[[Gold], Annotation]
