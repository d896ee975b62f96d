"""Losses of the language model's tokens before a choice, where a reply goes on to the next object or ends.

A reply that describes what is asked for always says what the question says, so a model learns to copy the
question and not to look for the objects. Three steps of looking are taught instead: to know what is asked
for, to look at the objects that are like that and not said yet, and to look at the first of them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rise_bench.trainers.base_model.architecture import HIDDEN, IMAGE_TOKENS
from rise_bench.trainers.base_model.batches import Chosen
from rise_bench.trainers.base_model.codes import IGNORE, LOCAL
from rise_bench.trainers.base_model.pictures import vocabulary

KNOWN, LEFT, NEXT = 1, 2, 3
"""Layers of the language model, counted from 0, that know what is asked for, and whose first head looks."""

LEAST = 1e-6


class Choices(nn.Module):
    """The losses; the linear read-outs among them are not part of the model."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Linear(HIDDEN, IMAGE_TOKENS)
        self.asked = nn.ModuleList(nn.Linear(HIDDEN, len(vocabulary()[name]) + 1) for name in LOCAL)

    def forward(self, kept: dict[str, Tensor], chosen: Chosen) -> dict[str, Tensor]:
        """Return the losses by name, given what `listen` has kept."""
        going_on = chosen.next >= 0
        if not going_on.any():
            return {}
        before = (chosen.lessons, chosen.places - 1)
        asked = [
            functional.cross_entropy(
                head(kept["known"][before]), chosen.properties[:, i], ignore_index=IGNORE
            )
            for i, head in enumerate(self.asked)
            if (chosen.properties[:, i] != IGNORE).any()
        ]
        left = functional.binary_cross_entropy_with_logits(
            self.left(kept["left"][before]), chosen.left, reduction="sum"
        ) / len(chosen.left)
        at_left = (_look(kept["looks_left"], chosen) * chosen.left).sum(1)
        at_next = _look(kept["looks_next"], chosen).gather(1, chosen.next.clamp(0)[:, None])[:, 0]
        return {
            "asked": sum(asked, torch.zeros(())),
            "left": left,
            "look_left": -(at_left[going_on] + LEAST).log().mean(),
            "look_next": -(at_next[going_on] + LEAST).log().mean(),
        }


def _look(attention: Tensor, chosen: Chosen) -> Tensor:
    """Return the attention of the first head before each choice to the image tokens, (choices, 16)."""
    images = chosen.images[:, None] + torch.arange(IMAGE_TOKENS)
    return attention[chosen.lessons, 0, chosen.places - 1].float().gather(1, images)


def listen(language_model: Any, kept: dict[str, Tensor]) -> list[Any]:
    """Keep, at every forward pass, what the losses need; return the hooks, to be removed.

    The attention must be "eager", which returns its weights.
    """

    def keep(name: str, part: int) -> Any:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            kept[name] = output if isinstance(output, Tensor) else output[part]

        return hook

    layers = language_model.layers
    return [
        layers[KNOWN].register_forward_hook(keep("known", 0)),
        layers[LEFT].register_forward_hook(keep("left", 0)),
        layers[LEFT].self_attn.register_forward_hook(keep("looks_left", 1)),
        layers[NEXT].self_attn.register_forward_hook(keep("looks_next", 1)),
    ]
