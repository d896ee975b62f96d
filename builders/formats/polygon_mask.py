"""Polygon rasteriser that equals OpenCV's `polylines` and `fillPoly` pixel for pixel, without OpenCV.

ReasonSeg's official masks are painted with these two; thin strips beside another region give other boxes with
other rasterisers. Pixel centres lie on whole coordinates; borders are inside; crossings follow the even-odd
rule. Tested against OpenCV for corners inside the image; outside, versions of OpenCV differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Point = tuple[int, int]

_EPSILON_PX = 1e-9


@dataclass(frozen=True, slots=True)
class Patch:
    """Pixels of a polygon within its own bounds.

    Attributes:
        left: Image column of `pixels[:, 0]`.
        top: Image row of `pixels[0]`.
        pixels: True inside; shape (height, width), (0, 0) for a polygon outside the image.
    """

    left: int
    top: int
    pixels: NDArray[np.bool_]

    def window(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the part of a full mask under the patch, as a view."""
        height, width = self.pixels.shape
        return mask[self.top : self.top + height, self.left : self.left + width]


def fill_polygon(points: Sequence[Point], size_px: tuple[int, int]) -> Patch:
    """Fill a polygon, border included, clipped to the image.

    Args:
        points: Corners in whole pixels, at least one; the polygon is closed.
        size_px: Width and height of the image.
    """
    corners = np.array(points, dtype=np.int64)
    low = np.clip(corners.min(axis=0), 0, size_px)
    high = np.clip(corners.max(axis=0) + 1, 0, size_px)
    if (high <= low).any():
        return Patch(0, 0, np.zeros((0, 0), dtype=np.bool_))
    (left, top), (right, bottom) = low.tolist(), high.tolist()
    pixels = np.zeros((bottom - top, right - left), dtype=np.bool_)
    corners -= low
    following = np.roll(corners, -1, axis=0)
    _fill_inside(pixels, corners.astype(np.float64), following.astype(np.float64))
    for start, end in zip(corners.tolist(), following.tolist(), strict=True):
        _draw_line(pixels, start, end)
    return Patch(left, top, pixels)


def _fill_inside(pixels: NDArray[np.bool_], start: NDArray[np.float64], end: NDArray[np.float64]) -> None:
    """Fill each row between every second pair of crossings; edges hold their upper end, not the lower."""
    sloping = start[:, 1] != end[:, 1]
    downward = (start[:, 1] < end[:, 1])[:, None]
    upper, lower = (np.where(downward, a, b)[sloping] for a, b in ((start, end), (end, start)))
    slope = (lower[:, 0] - upper[:, 0]) / (lower[:, 1] - upper[:, 1])
    for y in range(pixels.shape[0]):
        crossed = (upper[:, 1] <= y) & (y < lower[:, 1])
        xs = np.sort(upper[crossed, 0] + (y - upper[crossed, 1]) * slope[crossed])
        for x_in, x_out in zip(xs[::2], xs[1::2], strict=True):
            first = max(0, int(np.ceil(x_in - _EPSILON_PX)))
            pixels[y, first : max(first, int(np.floor(x_out + _EPSILON_PX)) + 1)] = True


def _draw_line(pixels: NDArray[np.bool_], start: Sequence[int], end: Sequence[int]) -> None:
    """Draw a line from its left end, one pixel a step, halves rounded towards that end."""
    (x, y), (x_end, y_end) = (start, end) if start[0] <= end[0] else (end, start)
    dx, dy, down = x_end - x, abs(y_end - y), 1 if y_end >= y else -1
    long, short = max(dx, dy), min(dx, dy)
    step = np.arange(long + 1)
    aside = -((long - 2 * short * step) // max(1, 2 * long))
    columns, rows = (x + step, y + down * aside) if dx >= dy else (x + aside, y + down * step)
    height, width = pixels.shape
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    pixels[rows[inside], columns[inside]] = True
