"""Auxiliary losses of image tokens for vision and places.

Stage 1, without language, predicts from the tower's 16 output tokens: properties of the whole picture (from
their mean); and, for each token, whether an object has its centre in this sixteenth of the picture, its
properties and its box. Without it the language model learns only properties of the whole picture. The joint
stages keep these losses, and predict the place of the language model's image tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from rise_bench.trainers.base_model.architecture import HIDDEN, IMAGE_TOKENS, grids, patches
from rise_bench.trainers.base_model.pictures import Seen, vocabulary

CELLS = 4
GLOBAL = ("ground", "backdrop", "frame", "light", "layout", "shape", "colour", "texture", "size")
LOCAL = ("shape", "colour", "texture", "size")
IGNORE = -100
WORDS_WEIGHT = 1 / 3


@dataclass(frozen=True)
class Targets:
    """Targets of stage 1 for a batch: class indices (IGNORE if unknown) and boxes in [0, 1]."""

    whole: dict[str, Tensor]
    local: dict[str, Tensor]
    present: Tensor
    boxes_xywh: Tensor


class Heads(nn.Module):
    """Linear heads of image tokens of tower and language model; not part of the model."""

    def __init__(self) -> None:
        super().__init__()
        values = vocabulary()
        self.whole = nn.ModuleDict({k: nn.Linear(HIDDEN, len(values[k])) for k in GLOBAL})
        self.local = nn.ModuleDict({k: nn.Linear(HIDDEN, len(values[k])) for k in LOCAL})
        self.present = nn.Linear(HIDDEN, 1)
        self.boxes = nn.Linear(HIDDEN, 4)
        self.cell = nn.Linear(HIDDEN, IMAGE_TOKENS)
        self.placed = nn.Linear(HIDDEN, 4)

    def losses(self, tokens: Tensor, targets: Targets) -> dict[str, Tensor]:
        """Return the losses of the tower's output, (pictures, 16, hidden), by name."""
        mean = tokens.mean(1)
        losses = {k: _cross_entropy(head(mean), targets.whole[k]) for k, head in self.whole.items()}
        losses |= {f"a_{k}": _cross_entropy(head(tokens), targets.local[k]) for k, head in self.local.items()}
        present = self.present(tokens)[..., 0]
        losses["present"] = functional.binary_cross_entropy_with_logits(present, targets.present)
        there = targets.present > 0
        wanted = (targets.boxes_xywh - _corners())[there] * CELLS
        losses["boxes"] = 2 * functional.smooth_l1_loss(self.boxes(tokens)[there], wanted, beta=0.05)
        return losses

    def placing_losses(self, tokens: Tensor, targets: Targets) -> dict[str, Tensor]:
        """Return the losses of place and content of the language model's image tokens.

        The tower has relative positions only, so the language model has to learn the place of a token; and a
        text can be about a single object only if each token has all its properties.

        Args:
            tokens: Hidden states of the image tokens, (pictures, 16, hidden).
            targets: Targets of the batch.
        """
        cells = torch.arange(IMAGE_TOKENS).expand(tokens.shape[:2])
        there = targets.present > 0
        stated = self.placed(tokens)[there].sigmoid()
        local_losses = [_cross_entropy(head(tokens), targets.local[k]) for k, head in self.local.items()]
        return {
            "words": WORDS_WEIGHT * sum(local_losses, torch.zeros(())),
            "cell": _cross_entropy(self.cell(tokens), cells),
            "placed": 8 * functional.smooth_l1_loss(stated, targets.boxes_xywh[there], beta=0.02),
        }


def _corners() -> Tensor:
    """Return the top-left corner of each cell, (16, 4), for boxes relative to their cell."""
    axis = torch.arange(CELLS) / CELLS
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([columns, rows, 0 * rows, 0 * rows], -1).reshape(IMAGE_TOKENS, 4)


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Return the mean over known targets, of which every batch has some."""
    return functional.cross_entropy(logits.flatten(0, -2), target.flatten(), ignore_index=IGNORE)


def targets_of(batch: list[Seen]) -> Targets:
    """Return the targets of a batch of pictures."""
    values = vocabulary()
    index = {name: {v: i for i, v in enumerate(values[name])} for name in (*GLOBAL, *LOCAL)}
    count = len(batch)
    whole = {k: torch.full((count,), IGNORE) for k in GLOBAL}
    local = {k: torch.full((count, IMAGE_TOKENS), IGNORE) for k in LOCAL}
    present, boxes = torch.zeros(count, IMAGE_TOKENS), torch.zeros(count, IMAGE_TOKENS, 4)
    for row, seen in enumerate(batch):
        for name in GLOBAL:
            if name in seen.whole:
                whole[name][row] = index[name][seen.whole[name]]
        for thing, box in zip(seen.things, seen.boxes_xywh, strict=True):
            cell = min(CELLS - 1, int(thing.y * CELLS)) * CELLS + min(CELLS - 1, int(thing.x * CELLS))
            present[row, cell] = 1
            boxes[row, cell] = torch.tensor(box)
            for name in LOCAL:
                local[name][row, cell] = index[name][getattr(thing, name)]
    return Targets(whole, local, present, boxes)


def tokens_of(tower: nn.Module, batch: list[Seen]) -> Tensor:
    """Return the tower's output for a batch, (pictures, 16, hidden)."""
    pixels = patches(np.stack([seen.pixels for seen in batch]))
    output = tower(pixels, grid_thw=grids(len(batch))).pooler_output
    return output.reshape(len(batch), IMAGE_TOKENS, HIDDEN)
