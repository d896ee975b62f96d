"""Masks of outlines: pycocotools fills them, and counts what two of them share."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rise_bench.annotations.base import Outline
from rise_bench.annotations.polygons.values import Polygons, clipped, corners

#: Outlines are filled up to this distance from the corner of the image, in pixels: a canvas with both ends
#: has fewer than 2**31 pixels, above which pycocotools' positions overflow.
_FAR_PX = 23_000.0

#: Run-length encoded mask of pycocotools.
Mask = dict[str, Any]


class Masks(NamedTuple):
    """Masks of true and of stated outlines, one for each, on a canvas that holds both; nothing is ignored."""

    gold: list[Mask]
    stated: list[Mask]


class Areas(NamedTuple):
    """Pixels that all true and all stated outlines share, and that any of them covers."""

    intersection: float
    union: float


@lru_cache(maxsize=1)
def masks_of(gold: Polygons, stated: Polygons) -> Masks:
    """Fill the outlines, but for what the ground truth ignores.

    The result is kept for the next call, because a sample's score asks several times.
    """
    true, told = ([_near(outline) for outline in of.outlines] for of in (gold, stated))
    points = np.array([point for outline in (*true, *told) for point in outline]).reshape(-1, 2)
    if not len(points):
        return Masks([], [])
    low = np.floor(points.min(axis=0))
    width, height = (math.ceil(side) for side in np.maximum(points.max(axis=0) - low, 1.0))
    masks = Masks(*(_filled(of, low, height, width) for of in (true, told)))
    if not gold.ignored:
        return masks
    around = [_around(_near(outline), low, height, width) for outline in gold.ignored]
    counted = _filled(around, low, height, width)
    return Masks(*([_all_of([mask, *counted]) for mask in of] for of in masks))


def iou_matrix(masks: Masks) -> NDArray[np.float64]:
    """Intersection over union of every pair; shape (N_gold, N_stated), values in [0, 1]."""
    from pycocotools import mask

    shape = len(masks.gold), len(masks.stated)
    if 0 in shape:
        return np.zeros(shape)
    iou: NDArray[np.float64] = np.asarray(mask.iou(masks.stated, masks.gold, [0] * shape[0])).T
    return iou


def areas_of(gold: Polygons, stated: Polygons | None) -> Areas:
    """Compare all true with all stated outlines in pixels; None states nothing."""
    from pycocotools import mask

    true, told = masks_of(gold, stated or Polygons(()))
    if not (true and told):
        return Areas(0.0, _area(true) + _area(told))
    both = [mask.merge(true), mask.merge(told)]
    return Areas(float(mask.area(mask.merge(both, True))), float(mask.area(mask.merge(both))))


def covers(outline: Outline) -> bool:
    """Whether a mask of the outline has a pixel."""
    return _area(masks_of(Polygons((outline,)), Polygons(())).gold) > 0


def _around(outline: Outline, low: NDArray[np.float64], height: int, width: int) -> Outline:
    """Return the outline of a canvas with a hole that an outline leaves."""
    canvas = corners((float(low[0]), float(low[1]), width, height))
    return *canvas, canvas[0], *outline, outline[0], canvas[0]


def _all_of(masks: list[Mask]) -> Mask:
    from pycocotools import mask

    shared: Mask = mask.merge(masks, True)
    return shared


def _area(masks: list[Mask]) -> float:
    from pycocotools import mask

    return float(mask.area(mask.merge(masks))) if masks else 0.0


def _near(outline: Outline) -> Outline:
    if all(abs(side) <= _FAR_PX for point in outline for side in point):
        return outline
    return clipped(outline, (-_FAR_PX, -_FAR_PX), (_FAR_PX, _FAR_PX))


def _filled(outlines: Sequence[Outline], low: NDArray[np.float64], height: int, width: int) -> list[Mask]:
    """Fill outlines on a canvas whose corner is `low`; one without area gives an empty mask."""
    from pycocotools import mask

    flat = [(np.array(outline).reshape(-1, 2) - low).ravel().tolist() for outline in outlines]
    # pycocotools reads four numbers as a box and refuses fewer: a point three times covers nothing
    flat = [numbers if len(numbers) >= 6 else [0.0] * 6 for numbers in flat]
    return list(mask.frPyObjects(flat, height, width)) if flat else []
