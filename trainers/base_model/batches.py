"""Batches of lessons, and the loss of their replies."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedTokenizerBase

from rise_bench.trainers.base_model.architecture import IMAGE_TOKENS, grids, patches
from rise_bench.trainers.base_model.lessons import Lesson
from rise_bench.trainers.base_model.tokens import SYSTEM


def chat(prompt: str, with_picture: bool) -> str:
    """Return a prompt in the chat template, with every image token."""
    image = f"<|vision_start|>{'<|image_pad|>' * IMAGE_TOKENS}<|vision_end|>" if with_picture else ""
    return (
        f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{image}{prompt}<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def batch_of(tokenizer: PreTrainedTokenizerBase, batch: list[Lesson]) -> tuple[dict[str, Tensor], Tensor]:
    """Return the model's inputs and a mask, (lessons, length), of the tokens to learn."""
    prompts = tokenizer([chat(x.prompt, x.pixels is not None) for x in batch])["input_ids"]
    replies = tokenizer([f"{x.reply}<|im_end|>" for x in batch])["input_ids"]
    length = max(len(p) + len(r) for p, r in zip(prompts, replies, strict=True))
    ids = torch.full((len(batch), length), tokenizer.pad_token_id)
    seen, learnt = torch.zeros_like(ids), torch.zeros(ids.shape, dtype=torch.bool)
    for row, (prompt, reply) in enumerate(zip(prompts, replies, strict=True)):
        end = len(prompt) + len(reply)
        ids[row, :end] = torch.tensor([*prompt, *reply])
        seen[row, :end] = 1
        learnt[row, len(prompt) : end] = True
    image = tokenizer.convert_tokens_to_ids("<|image_pad|>")
    inputs = {"input_ids": ids, "attention_mask": seen, "mm_token_type_ids": (ids == image).int()}
    pixels = [x.pixels for x in batch if x.pixels is not None]
    if pixels:
        inputs |= {"pixel_values": patches(np.stack(pixels)), "image_grid_thw": grids(len(pixels))}
    return inputs, learnt


def reply_loss(model: Any, inputs: dict[str, Tensor], learnt: Tensor) -> Tensor:
    """Return the mean cross-entropy of the reply tokens of a batch from `batch_of`."""
    hidden = model.model(**inputs).last_hidden_state[:, :-1]
    learnt = learnt[:, 1:]
    return functional.cross_entropy(model.lm_head(hidden[learnt]), inputs["input_ids"][:, 1:][learnt])
