"""Closed outlines, and how they are cut to a rectangle."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from rise_bench.annotations.base import Annotation, Frame, Outline
from rise_bench.annotations.boxes.values import Box

#: A corner is needed for each side of the smallest region, a triangle.
MIN_POINTS = 3

_Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Polygons(Annotation):
    """Closed outlines in the order they were stated, each the region that it fills by the even-odd rule.

    Attributes:
        outlines: The regions.
        ignored: Regions of a ground truth in which nothing is counted for or against an answer.
    """

    kind: ClassVar[str] = "polygons"
    outlines: tuple[Outline, ...]
    ignored: tuple[Outline, ...] = ()

    @property
    def bounds_xywh(self) -> tuple[Box, ...]:
        """Boxes around the outlines."""
        return tuple(map(bounds, self.outlines))

    def rescale(self, source: Frame, target: Frame) -> "Polygons":
        """Express the same outlines in another frame, cut at its border, as a mask ends where the image does.

        An outline that lies outside becomes one without area, so that it still counts as stated.
        """
        sx, sy = target.width / source.width, target.height / source.height
        outlines, ignored = (
            tuple(_cut(tuple((x * sx, y * sy) for x, y in outline), target) for outline in of)
            for of in (self.outlines, self.ignored)
        )
        return Polygons(outlines, ignored)


def bounds(outline: Outline) -> Box:
    """Return the box around an outline."""
    xs, ys = [x for x, _ in outline], [y for _, y in outline]
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def corners(box: Box) -> Outline:
    """Return a box as an outline."""
    x, y, w, h = box
    return (x, y), (x + w, y), (x + w, y + h), (x, y + h)


def clipped(outline: Outline, low: _Point, high: _Point) -> Outline:
    """Return the part of an outline inside a rectangle (Sutherland and Hodgman, 1974).

    Parts that the rectangle separates stay joined along its border, which covers nothing.

    Args:
        outline: The outline.
        low: Left and top of the rectangle.
        high: Right and bottom.
    """
    points = list(outline)
    for axis in (0, 1):
        points = _beyond(points, axis, low[axis], lambda side, limit: side >= limit)
        points = _beyond(points, axis, high[axis], lambda side, limit: side <= limit)
    return tuple(points)


def _cut(outline: Outline, frame: Frame) -> Outline:
    if all(0 <= x <= frame.width and 0 <= y <= frame.height for x, y in outline):
        return outline
    inside = clipped(outline, (0.0, 0.0), (frame.width, frame.height))
    if len(inside) >= MIN_POINTS:
        return inside
    return tuple((min(max(x, 0.0), frame.width), min(max(y, 0.0), frame.height)) for x, y in outline)


def _beyond(
    points: list[_Point], axis: int, limit: float, is_inside: Callable[[float, float], bool]
) -> list[_Point]:
    """Keep the part of an outline on one side of a line."""
    kept: list[_Point] = []
    for before, point in zip(points[-1:] + points[:-1], points, strict=True):
        inside = is_inside(point[axis], limit)
        if inside != is_inside(before[axis], limit):
            kept.append(_crossing(before, point, axis, limit))
        if inside:
            kept.append(point)
    return kept


def _crossing(a: _Point, b: _Point, axis: int, limit: float) -> _Point:
    share = (limit - a[axis]) / (b[axis] - a[axis])
    other = a[1 - axis] + share * (b[1 - axis] - a[1 - axis])
    return (limit, other) if axis == 0 else (other, limit)
