"""Value types: what an annotation is, and how it is written down.

Two kinds of annotation exist: a probability distribution over classes, and a list of boxes. Numbers are kept
as they were stated (a distribution need not sum to 1, a box may leave the image); judging them is the job of
`similarity` and `metrics`. A box is always `(x, y, w, h)` with `(x, y)` the top-left corner. The numbers of a
box mean something only together with a `Frame`: the pair of numbers that stands for the full image. Gold
boxes are in pixels of the original image; a model reads and writes the unit that its family was trained on.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["distribution", "boxes"]
BoxUnit = Literal["px", "norm1000", "resized_px"]
Box = tuple[float, float, float, float]

#: The paper's largest image, in pixels (512 x 28 x 28), and the processor's smallest.
MAX_PIXELS = 401_408
MIN_PIXELS = 3_136


@dataclass(frozen=True, slots=True)
class Frame:
    """The numbers that stand for the full image, e.g. 1000 x 1000 or the size in pixels."""

    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """Numbers stated for each class, in the order of `classes`; raw, so they need not sum to 1."""

    classes: tuple[str, ...]
    probs: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.classes) != len(self.probs):
            raise ValueError(f"{len(self.classes)} classes but {len(self.probs)} numbers")


@dataclass(frozen=True, slots=True)
class Boxes:
    """Boxes `(x, y, w, h)` in the order they were stated."""

    xywh: tuple[Box, ...]

    def rescale(self, source: Frame, target: Frame) -> "Boxes":
        """Express the same boxes in another frame (no rounding, no clipping)."""
        sx, sy = target.width / source.width, target.height / source.height
        return Boxes(tuple((x * sx, y * sy, w * sx, h * sy) for x, y, w, h in self.xywh))


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


def frame_of(
    unit: BoxUnit,
    width_px: int,
    height_px: int,
    *,
    max_pixels: int = MAX_PIXELS,
    min_pixels: int = MIN_PIXELS,
    patch_px: int = 28,
) -> Frame:
    """Return the frame in which a model of the given unit states its boxes.

    `px` is the original image, `norm1000` is 0-1000 of width and height (Qwen2-VL, Qwen3-VL), `resized_px` is
    the image as the processor resizes it (Qwen2.5-VL): each side a multiple of `patch_px`, area within the
    two limits, the rule of `smart_resize` in transformers' Qwen2-VL image processor.

    >>> frame_of("resized_px", 640, 480)
    Frame(width=644, height=476)
    """
    if unit == "norm1000":
        return Frame(1000, 1000)
    if unit == "px":
        return Frame(width_px, height_px)
    width = round(width_px / patch_px) * patch_px
    height = round(height_px / patch_px) * patch_px
    area_px = width_px * height_px
    if width * height > max_pixels:
        shrink = math.sqrt(area_px / max_pixels)
        width = max(patch_px, math.floor(width_px / shrink / patch_px) * patch_px)
        height = max(patch_px, math.floor(height_px / shrink / patch_px) * patch_px)
    elif width * height < min_pixels:
        grow = math.sqrt(min_pixels / area_px)
        width = math.ceil(width_px * grow / patch_px) * patch_px
        height = math.ceil(height_px * grow / patch_px) * patch_px
    return Frame(width, height)


def _round_to_one(probs: Sequence[float], digits: int) -> list[float]:
    """Round so that the rounded numbers sum to the rounded total (largest remainder)."""
    step = 10**digits
    scaled = [p * step for p in probs]
    units = [math.floor(s) for s in scaled]
    missing = round(sum(scaled)) - sum(units)
    by_remainder = sorted(range(len(units)), key=lambda i: (units[i] - scaled[i], i))
    for i in by_remainder[:missing]:
        units[i] += 1
    return [u / step for u in units]


def render_annotation(annotation: Annotation, *, digits: int | None = None) -> str:
    """Write an annotation as the JSON that a model is asked for.

    A distribution names all its classes, but where one has everything it is the only one named: beside
    nineteen zeros the one token that matters would be a hundredth of what SFT learns.

    Args:
        annotation: A distribution or boxes, in whatever frame they are.
        digits: Decimals; 3 for a distribution (rounded so that the sum is kept) and 0 for boxes (sides at
            least 1) when None.

    >>> render_annotation(Distribution(("joy", "fear"), (2 / 3, 1 / 3)))
    '{"joy": 0.667, "fear": 0.333}'
    >>> render_annotation(Distribution(("tabby", "hen"), (0.0, 1.0)))
    '{"hen": 1.0}'
    >>> render_annotation(Boxes(((1.2, 2, 3, 0.3),)))
    '[[1, 2, 3, 1]]'
    """
    if isinstance(annotation, Distribution):
        probs = _round_to_one(annotation.probs, 3 if digits is None else digits)
        stated = {c: p for c, p in zip(annotation.classes, probs, strict=True) if p or 1.0 not in probs}
        return json.dumps(stated, ensure_ascii=False)
    if digits is None or digits == 0:
        whole = [[round(x), round(y), max(1, round(w)), max(1, round(h))] for x, y, w, h in annotation.xywh]
        return json.dumps(whole)
    return json.dumps([[round(side, digits) for side in box] for box in annotation.xywh])


def render_gold(
    gold: Gold, unit: BoxUnit = "norm1000", *, digits: int | None = None, max_pixels: int = MAX_PIXELS
) -> str:
    """Write a sample's truth as the JSON answer in the unit that the model was told to use."""
    if isinstance(gold.annotation, Distribution):
        return render_annotation(gold.annotation, digits=digits)
    target = frame_of(unit, gold.width_px, gold.height_px, max_pixels=max_pixels)
    return render_annotation(gold.annotation.rescale(gold.frame_px, target), digits=digits)
