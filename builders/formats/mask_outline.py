"""Outlines of a mask, simplified: the way back from pixels to closed polygons.

The border of the pixels is followed along their edges, so that an outline covers exactly what the mask does;
then corners or middles of these edges are thinned out by the algorithm of Douglas and Peucker (1973). A hole
is reached from the outline around it by a line that goes in and back, which covers nothing under the even-odd
rule.
"""

from dataclasses import dataclass, field
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, label

from rise_bench.annotations.average_precision import MAX_STATED
from rise_bench.annotations.base import Outline
from rise_bench.annotations.polygons.masks import covers

_Points = NDArray[np.float64]
_Mask = NDArray[np.bool_]

#: Steps to the right, down, left and up; the inside is to the right of the way.
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))

_WITH_DIAGONALS = np.ones((3, 3))


@dataclass(slots=True)
class Simplification:
    """Settings of the simplification of masks to outlines, and its losses.

    Attributes:
        tolerance_px: As for `outlines_of`.
        ious: IoU of each mask with its outlines, by name.
        points: Points of the outlines.
    """

    tolerance_px: float
    ious: dict[str, float] = field(default_factory=dict)
    points: int = 0

    def summary(self) -> str:
        """Return a sentence on the outlines and their loss."""
        if not self.ious:
            return "there is no mask to outline"
        worst = min(self.ious, key=self.ious.__getitem__)
        return (
            f"outlines are simplified to {self.tolerance_px:g} px, with {self.points / len(self.ious):.0f} "
            f"points per row: IoU with the official masks {fmean(self.ious.values()):.4f} on average, "
            f"{self.ious[worst]:.4f} at the least ({worst})"
        )


def simplify(simplification: Simplification, mask: _Mask, name: str) -> list[Outline]:
    """Return the outlines of a mask, at most as many as AP looks at, and record what is lost.

    Args:
        simplification: Settings; `ious` and `points` are added to.
        mask: True inside; shape (height, width), with a pixel or more.
        name: Name of the mask in the record.
    """
    outlines = outlines_of(mask, simplification.tolerance_px)[:MAX_STATED]
    simplification.ious[name] = _iou(outlines, mask)
    simplification.points += sum(map(len, outlines))
    return outlines


def _iou(outlines: list[Outline], mask: _Mask) -> float:
    """IoU of a mask with outlines as pycocotools fills them."""
    from pycocotools import mask as coco

    flat = [[side for point in outline for side in point] for outline in outlines]
    filled = coco.merge(coco.frPyObjects(flat, *mask.shape))
    true = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    return float(coco.iou([filled], [true], [0])[0, 0])


def outlines_of(mask: _Mask, tolerance_px: float) -> list[Outline]:
    """Return an outline of each connected region of a mask, diagonals included, the largest first.

    Args:
        mask: True inside; shape (height, width).
        tolerance_px: Largest distance of the corners or the middles of the border's edges from the outline.
            Regions and holes of at most 4 tolerance^2 pixels are left out, but for the largest region. With
            0 the outlines are the edges themselves.
    """
    labelled, _ = label(mask, _WITH_DIAGONALS)
    least_px = 4 * tolerance_px**2
    regions = []
    for number, window in enumerate(find_objects(labelled), start=1):
        pixels = labelled[window] == number
        regions.append((int(pixels.sum()), pixels, (window[1].start, window[0].start)))
    regions.sort(key=lambda region: -region[0])
    kept = [region for place, region in enumerate(regions) if place == 0 or region[0] > least_px]
    return [_outline(pixels, corner, tolerance_px) for _, pixels, corner in kept]


def _outline(pixels: _Mask, corner: tuple[int, int], tolerance_px: float) -> Outline:
    """Return the outline of one region with its holes."""
    borders = sorted(_borders(pixels), key=lambda points: -abs(_area(points)))
    outer, *holes = (_thinned(points, tolerance_px) if tolerance_px else points for points in borders)
    if len(outer) < 3 or not covers(_plain(outer)):
        outer = borders[0]
    for hole in holes:
        if len(hole) >= 3 and abs(_area(hole)) > 4 * tolerance_px**2:
            outer = _with_hole(outer, hole)
    return _plain(outer + np.array(corner))


def _plain(points: _Points) -> Outline:
    return tuple((float(x), float(y)) for x, y in points)


def _borders(pixels: _Mask) -> list[_Points]:
    """Follow all borders of a region along the edges of its pixels; corners only, shape (points, 2)."""
    inside = np.pad(pixels, 1)
    here, right, below = inside[:-1, :-1], inside[:-1, 1:], inside[1:, :-1]
    diagonal = inside[1:, 1:]
    # whether an edge leaves the corner (row, column) of the pixels in each of the four directions
    leaves = np.stack([diagonal & ~right, below & ~diagonal, here & ~below, right & ~here])
    borders = []
    for row, column in zip(*np.nonzero(leaves[0]), strict=True):
        if leaves[0, row, column]:
            borders.append(_followed(leaves, int(column), int(row)))
    return borders


def _followed(leaves: NDArray[np.bool_], x: int, y: int) -> _Points:
    """Follow a border from an edge to the right until it closes, and take its edges away."""
    points, direction = [(x, y)], 0
    while leaves[direction, y, x]:
        leaves[direction, y, x] = False
        x, y = x + _STEPS[direction][0], y + _STEPS[direction][1]
        # where two regions touch in a corner the way turns left, which joins them
        turn = next((t for t in (3, 0, 1) if leaves[(direction + t) % 4, y, x]), None)
        if turn is None:
            break
        if turn:
            points.append((x, y))
            direction = (direction + turn) % 4
    return np.array(points, dtype=np.float64)


def _thinned(points: _Points, tolerance_px: float) -> _Points:
    """Simplify a border through the corners or the middles of its edges, whichever leaves fewer points."""
    return min((simplified(of, tolerance_px) for of in (points, _middles(points))), key=len)


def _middles(points: _Points) -> _Points:
    """Return the middles of the pixels' edges along a border; on a slant they lie straighter than corners."""
    ways = np.roll(points, -1, axis=0) - points
    edges = np.abs(ways).sum(axis=1).astype(np.intp)
    steps = np.concatenate([np.arange(count) + 0.5 for count in edges])
    middles: _Points = (
        np.repeat(points, edges, axis=0) + np.repeat(np.sign(ways), edges, axis=0) * steps[:, None]
    )
    return middles


def simplified(points: _Points, tolerance_px: float) -> _Points:
    """Leave out points of a closed line that are within the tolerance of what is left.

    Args:
        points: Corners; shape (points, 2).
        tolerance_px: Largest distance.
    """
    if len(points) <= 3:
        return points
    closed = np.vstack([points, points[:1]])
    farthest = int(np.argmax(((points - points[0]) ** 2).sum(axis=1)))
    kept = np.zeros(len(closed), dtype=np.bool_)
    kept[[0, farthest, -1]] = True
    spans = [(0, farthest), (farthest, len(points))]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        distances = _distances(closed[first + 1 : last], closed[first], closed[last])
        place = int(np.argmax(distances))
        if distances[place] > tolerance_px:
            middle = first + 1 + place
            kept[middle] = True
            spans += [(first, middle), (middle, last)]
    left: _Points = closed[:-1][kept[:-1]]
    return left


def _distances(points: _Points, start: _Points, end: _Points) -> _Points:
    """Distances of points from a line between two points."""
    along = end - start
    length = float(along @ along)
    shares = np.clip((points - start) @ along / length, 0, 1) if length else np.zeros(len(points))
    distances: _Points = np.linalg.norm(points - start - shares[:, None] * along, axis=1)
    return distances


def _with_hole(outer: _Points, hole: _Points) -> _Points:
    """Join a hole to the outline around it at the two nearest points."""
    gaps = np.linalg.norm(outer[:, None] - hole[None], axis=2)
    i, j = np.unravel_index(int(np.argmin(gaps)), gaps.shape)
    return np.vstack([outer[: i + 1], hole[j:], hole[: j + 1], outer[i:]])


def _area(points: _Points) -> float:
    """Signed area of a closed line."""
    x, y = points.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
