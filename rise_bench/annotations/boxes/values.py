"""Boxes, and the units that they are written in.

A box is always `(x, y, w, h)` with `(x, y)` the top-left corner.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from rise_bench.annotations.base import Annotation, Frame

BoxUnit = Literal["px", "norm1000", "resized_px"]


Box = tuple[float, float, float, float]


#: The paper's largest image, in pixels (512 x 28 x 28), and the processor's smallest.
MAX_PIXELS = 401_408


MIN_PIXELS = 3_136


#: Class of boxes where a row has no category of its own.
TARGET = "target"


@dataclass(frozen=True, slots=True)
class Boxes(Annotation):
    """Boxes `(x, y, w, h)` in the order they were stated."""

    kind: ClassVar[str] = "boxes"
    xywh: tuple[Box, ...]

    def rescale(self, source: Frame, target: Frame) -> "Boxes":
        """Express the same boxes in another frame (no rounding, no clipping)."""
        sx, sy = target.width / source.width, target.height / source.height
        return Boxes(tuple((x * sx, y * sy, w * sx, h * sy) for x, y, w, h in self.xywh))


def as_number(side: float) -> float:
    """Return a coordinate of a list of JSON as it is; raise `ValueError` for what is not a number."""
    if isinstance(side, bool) or not isinstance(side, int | float):
        raise ValueError(f"{side!r} is not a number")
    return side


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
