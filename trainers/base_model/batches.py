"""Batches of lessons, and the loss of their replies."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedTokenizerBase

from rise_bench.synthetic.scenes import PLURALS
from rise_bench.synthetic.statements import MOOD_SENTENCES
from rise_bench.trainers.base_model.architecture import IMAGE_TOKENS, grids, patches
from rise_bench.trainers.base_model.codes import IGNORE, LOCAL
from rise_bench.trainers.base_model.lesson import Lesson
from rise_bench.trainers.base_model.pictures import Seen, vocabulary
from rise_bench.trainers.base_model.tokens import SYSTEM
from rise_bench.trainers.base_model.vision import near_hundredths

CHOICE_WEIGHT = 3.0
"""Weight of a token with which a reply chooses an object, or ends; of other tokens 1.

The first token of a reply weighs 1 too, since it chooses the form as well, and more weight would make forms
without tags likelier than they are in the lessons.
"""

VALUE_WEIGHT = 5.0
"""Weight of what is said of `TWO_VALUED_CUES`.

They are so small a part of the loss that a model with weight 1 never learned one of them, in any stage.
"""

ANSWER_WEIGHT = 3.0
"""Weight of the first token of an answer, which names the kind's surface or says the count."""

TWO_VALUED_CUES = ("frame", "light")
"""Cues of the whole picture with two values."""


@dataclass(frozen=True)
class Chosen:
    """Choices of the replies of a batch.

    Attributes:
        lessons: Lesson of each, (choices,).
        places: Position of the token that begins it, (choices,).
        left: Whether the object of each image token is asked for and not said yet, (choices, 16).
        next: Image token of the chosen object, -1 at an end, (choices,).
        images: Position of the first image token of the picture that is chosen from, (choices,).
        properties: Properties asked for, as indices of values with one more for nothing, (choices, 4);
            IGNORE if no question decides.
    """

    lessons: Tensor
    places: Tensor
    left: Tensor
    next: Tensor
    images: Tensor
    properties: Tensor


@dataclass(frozen=True)
class Batch:
    """Lessons as the model takes them.

    Attributes:
        inputs: Inputs of the model; without pixels if they were not asked for.
        learnt: Mask of the tokens of replies, (lessons, length).
        weights: Weight of each token in the loss, (lessons, length).
        sides: Hundredth that a token says as a side of a box, -1 for other tokens, (lessons, length).
        hundredths: Token ids of the hundredths from 0 to 100.
        choices: The choices of all replies.
        pictures: All pictures, in the order of the inputs.
    """

    inputs: dict[str, Tensor]
    learnt: Tensor
    weights: Tensor
    sides: Tensor
    hundredths: Tensor
    choices: Chosen
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
    sides = _sides(ids, hundredths)
    ends = [[end for _, end in offsets] for offsets in encoded["offset_mapping"]]
    choices = _chosen(lessons, ends, [len(prompt) for prompt in prompts], ids == image)
    answers = ids == tokenizer.convert_tokens_to_ids("<answer>")
    weights = _weights(learnt, choices, answers, torch.isin(ids, _starts(tokenizer)))
    return Batch(inputs, learnt, weights, sides, hundredths, choices, pictures)


def _starts(tokenizer: PreTrainedTokenizerBase) -> Tensor:
    """Return the tokens after which the value of a cue with two values is said."""
    starts = [MOOD_SENTENCES[cue].split(" {}")[0] for cue in TWO_VALUED_CUES]
    return torch.tensor(tokenizer.convert_tokens_to_ids([*starts, *(f" {start}" for start in starts)]))


def _weights(learnt: Tensor, choices: Chosen, answers: Tensor, starts: Tensor) -> Tensor:
    """Return the weight of each token in the loss, given the tokens before answers and before values."""
    weights = torch.ones(learnt.shape)
    begun = learnt[choices.lessons, choices.places - 1]
    weights[choices.lessons[begun], choices.places[begun]] = CHOICE_WEIGHT
    weights[:, 1:][answers[:, :-1]] = ANSWER_WEIGHT
    weights[:, 1:][starts[:, :-1]] = VALUE_WEIGHT
    return weights


def _chosen(lessons: list[Lesson], ends: list[list[int]], begins: list[int], images: Tensor) -> Chosen:
    """Return the choices of replies, given where their tokens end and where they begin."""
    rows, left, properties = [], [], []
    for number, lesson in enumerate(lessons):
        for token, cells in _choices(lesson, ends[number]):
            image = int(images[number].nonzero()[IMAGE_TOKENS * lesson.chosen_from])
            rows.append((number, begins[number] + token, cells[0] if cells else -1, image))
            left.append([float(cell in cells) for cell in range(IMAGE_TOKENS)])
            properties.append(asked_properties(lesson.question))
    lesson_of, place, following, image_of = torch.tensor(rows, dtype=torch.long).reshape(-1, 4).T
    asked = torch.tensor(properties, dtype=torch.long).reshape(-1, len(LOCAL))
    still = torch.tensor(left).reshape(-1, IMAGE_TOKENS)
    return Chosen(lesson_of, place, still, following, image_of, asked)


@lru_cache(maxsize=5000)
def asked_properties(question: str) -> tuple[int, ...]:
    """Return the properties that a question names, as `Chosen.properties` has them.

    >>> asked_properties("How many red stars are there?")  # shape, colour, texture, size
    (1, 0, 4, 2)
    """
    if not question:
        return (IGNORE,) * len(LOCAL)
    singular = {plural: shape for shape, plural in PLURALS.items()}
    named = {singular.get(word, word) for word in re.findall("[a-z]+", question)}
    values = [vocabulary()[name] for name in LOCAL]
    return tuple(next((i for i, value in enumerate(row) if value in named), len(row)) for row in values)


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

    Sides of boxes are learned against near numbers.
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
    weights = batch.weights[:, 1:][batch.learnt[:, 1:]]
    return ((weights * losses)[~side].sum() + (weights[side] * near).sum()) / weights.sum()


def _sides(ids: Tensor, hundredths: Tensor) -> Tensor:
    """Return the hundredth of each token that has a nought behind it, as rounded sides of boxes have."""
    number = torch.full((int(max(ids.max(), hundredths.max())) + 1,), -1)
    number[hundredths] = torch.arange(len(hundredths))
    sides = number[ids]
    rounded = torch.zeros_like(ids, dtype=torch.bool)
    rounded[:, :-1] = ids[:, 1:] == hundredths[0]
    return torch.where(rounded, sides, -1)
