"""Codes: what an image token should say, as a sum of orthonormal directions.

Each object has one of the 16 tokens of its picture, the nearest that is free. A token's code is the sum of
a direction for each property of its object, of bumps that tell the sides of its box relative to the token's
cell, and of a direction for each property of the whole picture. The vision tower learns to write codes
(`vision`), and the language model learns to read them before it sees the tower's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from rise_bench.trainers.base_model.architecture import HIDDEN, IMAGE_TOKENS
from rise_bench.trainers.base_model.pictures import Seen, vocabulary

CELLS = 4
WHOLE = ("ground", "backdrop", "frame", "light", "layout")
LOCAL = ("shape", "colour", "texture", "size")
CORNER_BUMPS = torch.linspace(-1.5, 1.25, 23)
"""Places of the bumps of a box's left and top side, in cells from the corner of its token's cell."""

SIDE_BUMPS = torch.linspace(0.3, 2.7, 17)
"""Places of the bumps of a box's width and height, in cells."""

AMPLITUDE = 0.25
IGNORE = -100


@cache
def parts() -> dict[str, slice]:
    """Return the coefficients of each part of a code."""
    values = vocabulary()
    sizes = {"present": 1} | {name: len(values[name]) for name in (*LOCAL, *WHOLE)}
    sizes |= {"x": len(CORNER_BUMPS), "y": len(CORNER_BUMPS), "w": len(SIDE_BUMPS), "h": len(SIDE_BUMPS)}
    ends = np.cumsum(list(sizes.values())).tolist()
    return {name: slice(end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)}


@cache
def directions() -> Tensor:
    """Return the direction of each coefficient, (coefficients, hidden), of norm `AMPLITUDE`."""
    drawn = torch.randn(HIDDEN, HIDDEN, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    basis = torch.linalg.qr(drawn)[0].float()
    return AMPLITUDE * basis[: max(part.stop for part in parts().values())]


def coefficients_of(tokens: Tensor) -> Tensor:
    """Return the coefficients of tokens, (..., hidden) to (..., coefficients)."""
    return tokens @ directions().T / AMPLITUDE**2


@lru_cache(maxsize=20000)
def _cells(places: tuple[tuple[float, float], ...]) -> tuple[int, ...]:
    axis = (np.arange(CELLS) + 0.5) / CELLS
    centres = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    distances = ((np.array(places)[:, None] - centres[None]) ** 2).sum(-1)
    return tuple(int(cell) for cell in linear_sum_assignment(distances)[1])


def cells_of(seen: Seen) -> tuple[int, ...]:
    """Return the token of each object: the assignment with the least sum of squared distances."""
    return _cells(tuple((thing.x, thing.y) for thing in seen.things))


def relative_boxes(boxes_xywh: Tensor, cells: Tensor) -> Tensor:
    """Return boxes, (..., 4), in cells, relative to the corner of their cells."""
    corner = torch.stack([cells % CELLS, cells // CELLS, 0 * cells, 0 * cells], -1)
    return boxes_xywh * CELLS - corner


def codes_of(batch: Sequence[Seen]) -> Tensor:
    """Return the coefficients of the codes of pictures, (pictures, 16, coefficients)."""
    values, where = vocabulary(), parts()
    codes = torch.zeros(len(batch), IMAGE_TOKENS, directions().shape[0])
    for row, seen in enumerate(batch):
        for name in WHOLE:
            if name in seen.whole:
                codes[row, :, where[name].start + values[name].index(seen.whole[name])] = 1
        cells = cells_of(seen)
        relative = relative_boxes(torch.tensor(seen.boxes_xywh), torch.tensor(cells))
        for thing, cell, box in zip(seen.things, cells, relative, strict=True):
            code = codes[row, cell]
            code[where["present"]] = 1
            for name in LOCAL:
                code[where[name].start + values[name].index(getattr(thing, name))] = 1
            for name, side, bumps in zip("xywh", box, (CORNER_BUMPS,) * 2 + (SIDE_BUMPS,) * 2, strict=True):
                code[where[name]] = torch.exp(-(((bumps - side) / (bumps[1] - bumps[0])) ** 2))
    return codes
