"""What the rest of the library needs to know of boxes."""

import math
from collections.abc import Sequence

import numpy as np

from rise_bench.annotations.base import Gold, Predictor
from rise_bench.annotations.boxes.parsing import MAX_BOXES
from rise_bench.annotations.boxes.values import Boxes, Frame

#: How far a gold box may leave the image: annotation tools round to the nearest pixel.
EDGE_TOLERANCE_PX = 1.0


def _boxes_problem(gold: Gold) -> str:
    assert isinstance(gold.annotation, Boxes)
    if not gold.annotation.xywh:
        return "there is no box"
    if len(gold.annotation.xywh) > MAX_BOXES:
        return f"{len(gold.annotation.xywh)} boxes, and no more than {MAX_BOXES} are read of an answer"
    for box in gold.annotation.xywh:
        x, y, w, h = box
        if not all(map(math.isfinite, box)):
            return f"box {box} is not finite"
        if w <= 0 or h <= 0:
            return f"box {box} is empty (w and h must be above 0)"
        over = max(-x, -y, x + w - gold.width_px, y + h - gold.height_px)
        if over > EDGE_TOLERANCE_PX:
            return f"box {box} leaves the image of {gold.width_px} x {gold.height_px} px by {over:.3g} px"
    return ""


#: The class that `objects.category` names where a row has no category of its own.
TARGET = "target"


_UNIT_FRAME = Frame(1, 1)


def _box_floors(train: Sequence[Gold]) -> dict[str, Predictor]:
    relative = [
        box
        for gold in train
        if isinstance(gold.annotation, Boxes)
        for box in gold.annotation.rescale(gold.frame_px, _UNIT_FRAME).xywh
    ]
    x, y, w, h = np.array(relative).mean(axis=0).tolist() if relative else (0.0, 0.0, 1.0, 1.0)
    return {
        "whole_image": lambda gold: Boxes(((0.0, 0.0, float(gold.width_px), float(gold.height_px)),)),
        "mean_box": lambda gold: Boxes(((x, y, w, h),)).rescale(_UNIT_FRAME, gold.frame_px),
    }
