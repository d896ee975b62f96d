"""Batches of lessons, and the loss of their replies."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedTokenizerBase

from rise_bench.trainers.base_model.architecture import IMAGE_TOKENS, grids, patches
from rise_bench.trainers.base_model.lesson import Lesson
from rise_bench.trainers.base_model.pictures import Seen
from rise_bench.trainers.base_model.tokens import SYSTEM
from rise_bench.trainers.base_model.vision import near_hundredths

CHOICE_WEIGHT = 3.0
"""Weight of a token with which a reply chooses an object, or ends; of other tokens 1."""


@dataclass(frozen=True)
class Batch:
    """Lessons as the model takes them.

    Attributes:
        inputs: Inputs of the model; without pixels if they were not asked for.
        learnt: Mask of the tokens of replies, (lessons, length).
        sides: Hundredth that a token says as a side of a box, -1 for other tokens, (lessons, length).
        hundredths: Token ids of the hundredths from 0 to 100.
        choosing: Tokens that begin a choice, as (lesson, position), (choices, 2).
        asked: Whether a choice still has to say the object of each image token, (choices, 16).
        pictures: All pictures, in the order of the inputs.
    """

    inputs: dict[str, Tensor]
    learnt: Tensor
    sides: Tensor
    hundredths: Tensor
    choosing: Tensor
    asked: Tensor
    pictures: list[Seen]


def chat(prompt: str, pictures: int) -> str:
    """Return a prompt in the chat template, with every image token."""
    image = f"<|vision_start|>{'<|image_pad|>' * IMAGE_TOKENS}<|vision_end|>" * pictures
    return (
        f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{image}{prompt}<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def batch_of(tokenizer: PreTrainedTokenizerBase, lessons: list[Lesson], with_pixels: bool = True) -> Batch:
    """Return lessons as a batch, padded at the end."""
    prompts = tokenizer([chat(x.prompt, len(x.shown)) for x in lessons])["input_ids"]
    encoded = tokenizer([f"{x.reply}<|im_end|>" for x in lessons], return_offsets_mapping=True)
    replies = encoded["input_ids"]
    length = max(len(p) + len(r) for p, r in zip(prompts, replies, strict=True))
    ids = torch.full((len(lessons), length), tokenizer.pad_token_id)
    seen, learnt = torch.zeros_like(ids), torch.zeros(ids.shape, dtype=torch.bool)
    for row, (prompt, reply) in enumerate(zip(prompts, replies, strict=True)):
        end = len(prompt) + len(reply)
        ids[row, :end] = torch.tensor([*prompt, *reply])
        seen[row, :end] = 1
        learnt[row, len(prompt) : end] = True
    image = tokenizer.convert_tokens_to_ids("<|image_pad|>")
    inputs = {"input_ids": ids, "attention_mask": seen, "mm_token_type_ids": (ids == image).int()}
    pictures = [picture for lesson in lessons for picture in lesson.shown]
    if pictures:
        inputs["image_grid_thw"] = grids(len(pictures))
        if with_pixels:
            inputs["pixel_values"] = patches(np.stack([picture.pixels for picture in pictures]))
    hundredths = torch.tensor(tokenizer.convert_tokens_to_ids([str(n) for n in range(101)]))
    choosing, asked = [], torch.zeros(0, IMAGE_TOKENS)
    for row, (lesson, offsets) in enumerate(zip(lessons, encoded["offset_mapping"], strict=True)):
        for token, cells in _choices(lesson, [end for _, end in offsets]):
            choosing.append((row, len(prompts[row]) + token))
            asked = torch.cat([asked, torch.zeros(1, IMAGE_TOKENS)])
            asked[-1, list(cells)] = 1
    begun = torch.tensor(choosing, dtype=torch.long).reshape(-1, 2)
    return Batch(inputs, learnt, _sides(ids, hundredths), hundredths, begun, asked, pictures)


def _choices(lesson: Lesson, ends: list[int]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the reply token that begins each choice, given where tokens end, and what is left to say."""
    place = 0
    for choice in lesson.choices:
        place = lesson.reply.find(choice.text, place)
        if place < 0:  # a careless reply ends early
            return
        yield bisect_right(ends, place), choice.cells
        place += len(choice.text)


def reply_loss(model: Any, batch: Batch) -> Tensor:
    """Return the mean cross-entropy of the reply tokens.

    Sides of boxes are learned against near numbers, and tokens that choose weigh `CHOICE_WEIGHT`.
    """
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model.model(**batch.inputs).last_hidden_state[:, :-1][batch.learnt[:, 1:]]
    logs = model.lm_head(hidden.float()).log_softmax(-1)
    labels, sides = (
        batch.inputs["input_ids"][:, 1:][batch.learnt[:, 1:]],
        batch.sides[:, 1:][batch.learnt[:, 1:]],
    )
    losses = functional.nll_loss(logs, labels, reduction="none")
    side = sides >= 0
    near = -(near_hundredths()[sides[side]] * logs[side][:, batch.hundredths]).sum(-1)
    weights = torch.ones(batch.learnt.shape)
    weights[batch.choosing[:, 0], batch.choosing[:, 1]] = CHOICE_WEIGHT
    weights = weights[:, 1:][batch.learnt[:, 1:]]
    return ((weights * losses)[~side].sum() + (weights[side] * near).sum()) / weights.sum()


def _sides(ids: Tensor, hundredths: Tensor) -> Tensor:
    """Return the hundredth of each token that has a nought behind it, as rounded sides of boxes have."""
    number = torch.full((int(max(ids.max(), hundredths.max())) + 1,), -1)
    number[hundredths] = torch.arange(len(hundredths))
    sides = number[ids]
    rounded = torch.zeros_like(ids, dtype=torch.bool)
    rounded[:, :-1] = ids[:, 1:] == hundredths[0]
    return torch.where(rounded, sides, -1)
