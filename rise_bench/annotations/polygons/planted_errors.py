"""Wrong labels made of outlines, to test what finds them."""

import random
from dataclasses import replace

from rise_bench.annotations.base import Frame, Outline
from rise_bench.annotations.boxes import planted_errors as of_boxes
from rise_bench.annotations.boxes.values import Box, Boxes
from rise_bench.annotations.polygons.similarity import union_iou
from rise_bench.annotations.polygons.values import Polygons, bounds, corners

#: Largest overlap of an outline with its box, for the box to be an error.
_MOST_ALIKE = 0.8


def planted_errors(annotation: Polygons, frame: Frame, rng: random.Random) -> dict[str, Polygons]:
    """Return wrong labels by the name of their error, inside the frame.

    - `dropped`, `shifted`, `added`, `swapped`: as for boxes, with the outline in place of the box around it;
    - `boxed`: an outline is its box, where that is much larger.
    """
    outlines = list(annotation.outlines)
    wrong = of_boxes.planted_errors(Boxes(annotation.bounds_xywh), frame, rng)
    errors = {
        name: replace(annotation, outlines=tuple(_outline(box, outlines) for box in of.xywh))
        for name, of in wrong.items()
    }
    if outlines:
        index = rng.randrange(len(outlines))
        boxed = outlines[index : index + 1], [corners(bounds(outlines[index]))]
        if union_iou(*(Polygons(tuple(of)) for of in boxed)) <= _MOST_ALIKE:
            outlines[index : index + 1] = boxed[1]
            errors["boxed"] = replace(annotation, outlines=tuple(outlines))
    return errors


def _outline(box: Box, outlines: list[Outline]) -> Outline:
    """Return the outline that a box was made of, at the place of the box; the box where there is none."""
    x, y, w, h = box
    for outline in outlines:
        left, top, width, height = bounds(outline)
        if (w, h) == (width, height):
            return tuple((px + x - left, py + y - top) for px, py in outline)
    return corners(box)
