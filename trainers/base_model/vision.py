"""Losses of image tokens: the tower writes codes, and the language model finds out where its tokens are.

Both are linear read-outs that are not part of the model. Without them the language model learns only what
is true of the whole picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from rise_bench.trainers.base_model.architecture import HIDDEN, IMAGE_TOKENS, grids, patches
from rise_bench.trainers.base_model.codes import (
    IGNORE,
    LOCAL,
    WHOLE,
    cells_of,
    coefficients_of,
    parts,
    relative_boxes,
)
from rise_bench.trainers.base_model.pictures import Seen, vocabulary

SHARPNESS = 6.0
"""Logit of a coefficient of 1."""

SPREAD_HUNDREDTHS = 1.5
"""Deviation of the normal around a side of a box, against which its number is learned."""


@dataclass(frozen=True)
class Targets:
    """Targets for a batch of pictures: class indices (IGNORE if unknown) and boxes in [0, 1]."""

    whole: dict[str, Tensor]
    local: dict[str, Tensor]
    present: Tensor
    boxes_xywh: Tensor


def targets_of(batch: list[Seen]) -> Targets:
    """Return the targets of a batch of pictures."""
    values, count = vocabulary(), len(batch)
    whole = {k: torch.full((count,), IGNORE) for k in WHOLE}
    local = {k: torch.full((count, IMAGE_TOKENS), IGNORE) for k in LOCAL}
    present, boxes = torch.zeros(count, IMAGE_TOKENS), torch.zeros(count, IMAGE_TOKENS, 4)
    for row, seen in enumerate(batch):
        for name in WHOLE:
            if name in seen.whole:
                whole[name][row] = values[name].index(seen.whole[name])
        for thing, box, cell in zip(seen.things, seen.boxes_xywh, cells_of(seen), strict=True):
            present[row, cell] = 1
            boxes[row, cell] = torch.tensor(box)
            for name in LOCAL:
                local[name][row, cell] = values[name].index(getattr(thing, name))
    return Targets(whole, local, present, boxes)


class Sight(nn.Module):
    """Losses of the tower's output tokens, (pictures, 16, hidden)."""

    def __init__(self) -> None:
        super().__init__()
        self.boxes = nn.Linear(HIDDEN, 4)

    def forward(self, tokens: Tensor, codes: Tensor, targets: Targets) -> dict[str, Tensor]:
        """Return the losses by name, given the coefficients of the codes, (pictures, 16, coefficients)."""
        coefficients, where = coefficients_of(tokens), parts()
        mean = coefficients.mean(1)
        losses = {
            k: _cross_entropy(SHARPNESS * mean[:, where[k]], target) for k, target in targets.whole.items()
        }
        losses |= {
            f"a_{k}": _cross_entropy(SHARPNESS * coefficients[..., where[k]], target)
            for k, target in targets.local.items()
        }
        present = 2 * SHARPNESS * (coefficients[..., where["present"]][..., 0] - 0.5)
        losses["present"] = functional.binary_cross_entropy_with_logits(present, targets.present)
        losses["code"] = 0.5 * (coefficients - codes).square().sum(-1).mean()
        there = targets.present > 0
        cells = torch.arange(IMAGE_TOKENS).expand(tokens.shape[:2])
        wanted = relative_boxes(targets.boxes_xywh, cells)[there]
        losses["boxes"] = 2 * functional.smooth_l1_loss(self.boxes(tokens)[there], wanted, beta=0.05)
        return losses


class Places(nn.Module):
    """Losses of the language model's image tokens, (pictures, 16, hidden), at half its depth.

    The tower has relative positions only, so the language model has to find the place of a token; a text
    can be about a single object only if each token has all its properties; and the sides of a box can be
    said only if they are known in the hundredths in which they are said.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.Linear(HIDDEN, IMAGE_TOKENS)
        self.local = nn.ModuleDict({k: nn.Linear(HIDDEN, len(vocabulary()[k])) for k in LOCAL})
        self.sides = nn.Linear(HIDDEN, 4 * 101)

    def forward(self, tokens: Tensor, targets: Targets) -> dict[str, Tensor]:
        """Return the losses by name."""
        cells = torch.arange(IMAGE_TOKENS).expand(tokens.shape[:2])
        there = targets.present > 0
        properties = [_cross_entropy(head(tokens), targets.local[k]) for k, head in self.local.items()]
        sides = self.sides(tokens[there]).reshape(-1, 4, 101)
        near = near_hundredths()[(100 * targets.boxes_xywh[there]).round().long().clamp(0, 100)]
        return {
            "cell": _cross_entropy(self.cell(tokens), cells),
            "words": sum(properties, torch.zeros(())) / 3,
            "sides": -(near * sides.log_softmax(-1)).sum(-1).mean(),
        }


def near_hundredths() -> Tensor:
    """Return the distribution over the hundredths from 0 to 100 that each of them is learned against."""
    axis = torch.arange(101.0)
    return torch.softmax(-0.5 * ((axis[:, None] - axis[None]) / SPREAD_HUNDREDTHS) ** 2, dim=-1)


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Return the mean over known targets; 0 if there is none."""
    known = target.flatten() != IGNORE
    if not known.any():
        return 0 * logits.sum()
    return functional.cross_entropy(logits.flatten(0, -2)[known], target.flatten()[known])


def tokens_of(tower: nn.Module, batch: list[Seen]) -> Tensor:
    """Return the tower's output for a batch, (pictures, 16, hidden)."""
    pixels = patches(np.stack([seen.pixels for seen in batch]))
    with torch.autocast("cpu", torch.bfloat16):
        output = tower(pixels, grid_thw=grids(len(batch))).pooler_output
    return output.float().reshape(len(batch), IMAGE_TOKENS, HIDDEN)
