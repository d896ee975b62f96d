"""Wrong labels made of boxes, to test what finds them."""

import random

from rise_bench.annotations.base import Frame
from rise_bench.annotations.boxes.similarity import iou_matrix
from rise_bench.annotations.boxes.values import Box, Boxes

#: Largest overlap of a box that is put at another place with the boxes that are there.
_MOST_OVERLAP = 0.2

_TRIES = 50


def planted_errors(annotation: Boxes, frame: Frame, rng: random.Random) -> dict[str, Boxes]:
    """Return wrong labels by the name of their error, inside the frame.

    - `dropped`: one of several boxes is missing;
    - `shifted`: a box is moved by 0.3 to 0.7 of its width and height;
    - `added`: a box of the size of a true one is put where there is none;
    - `swapped`: a box is put where there is none.
    """
    boxes = list(annotation.xywh)
    if not boxes:
        added = _elsewhere((0.0, 0.0, frame.width / 4, frame.height / 4), [], frame, rng)
        return {"added": Boxes((added,))} if added else {}
    index = rng.randrange(len(boxes))
    box, rest = boxes[index], boxes[:index] + boxes[index + 1 :]
    errors = {"shifted": Boxes((*rest, _shifted(box, frame, rng)))}
    if rest:  # an empty label would stand out where the data have none
        errors["dropped"] = Boxes(tuple(rest))
    if (other := _elsewhere(box, boxes, frame, rng)) is not None:
        errors |= {"added": Boxes((*boxes, other)), "swapped": Boxes((*rest, other))}
    return errors


def _shifted(box: Box, frame: Frame, rng: random.Random) -> Box:
    x, y, w, h = box
    dx, dy = (rng.choice((-1, 1)) * rng.uniform(0.3, 0.7) * side for side in (w, h))
    return _inside(x + dx, frame.width - w), _inside(y + dy, frame.height - h), w, h


def _elsewhere(box: Box, taken: list[Box], frame: Frame, rng: random.Random) -> Box | None:
    """Return the box at another place; None if dice find no free one."""
    _, _, w, h = box
    for _ in range(_TRIES):
        x, y = (_inside(rng.uniform(0, side), side) for side in (frame.width - w, frame.height - h))
        if not taken or iou_matrix(tuple(taken), ((x, y, w, h),)).max() <= _MOST_OVERLAP:
            return x, y, w, h
    return None


def _inside(place: float, largest: float) -> float:
    return min(max(place, 0.0), max(largest, 0.0))
