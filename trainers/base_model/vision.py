"""Questions to image tokens, by which the tower learns to see and the language model where things are.

Stage 1, before there is any language, asks the tower's 16 output tokens: what the picture as a whole is like
(from their mean); and, token by token, whether an object has its centre in this sixteenth of the picture,
what it is like and where its box lies. Without it the language model learns only what is spread over the
whole picture. The stages with both go on asking that, and ask the language model's image tokens for their
place.
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
    """Targets of stage 1 for a batch: class indices (IGNORE where not asked) and boxes in [0, 1]."""

    whole: dict[str, Tensor]
    local: dict[str, Tensor]
    present: Tensor
    boxes_xywh: Tensor


class Heads(nn.Module):
    """Linear read-outs of image tokens, the tower's and the language model's; not part of the model."""

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
        """Return one loss for each question.

        Args:
            tokens: Output of the tower, (pictures, 16, hidden).
            targets: The truth.
        """
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
        """Return the losses of asking the language model's image tokens where they are and what is there.

        The tower has relative positions only, so where in the picture a token lies is for the language model
        to find out; and a text can only be about one object if each token says all that is true of its own.

        Args:
            tokens: The language model's hidden states of the image tokens, (pictures, 16, hidden).
            targets: The truth.
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
    """Return what is subtracted from a box to state it relative to its cell: the cell's top-left, (16, 4)."""
    axis = torch.arange(CELLS) / CELLS
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([columns, rows, 0 * rows, 0 * rows], -1).reshape(IMAGE_TOKENS, 4)


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Return the mean over what is asked; every batch holds each sort of picture, so some of it is."""
    return functional.cross_entropy(logits.flatten(0, -2), target.flatten(), ignore_index=IGNORE)


def targets_of(batch: list[Seen]) -> Targets:
    """Return the truth of a batch of pictures."""
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
