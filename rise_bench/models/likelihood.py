"""Likelihood of texts beside pictures by a frozen model, the input of `scoring.groundedness`."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from rise_bench.catalog.families import FAMILIES
from rise_bench.errors import ConfigError
from rise_bench.models.image_units import image_units
from rise_bench.models.prefix_tree import IGNORED_LABEL, Rows, pack
from rise_bench.models.tree_attention import use_tree_attention
from rise_bench.scoring.groundedness import SWAPS, Grounded, pointwise_information, sentence_spans

#: A picture, or the pictures of a row in order.
Shown = Image.Image | Sequence[Image.Image]

DESCRIBE = "Describe the picture."
"""Prompt before the text, without the annotation."""


@torch.inference_mode()
def token_log_probs(
    model: Any,
    processor: Any,
    images: Sequence[Shown],
    texts: Sequence[str],
    *,
    prompt: str = DESCRIBE,
    batch: int = 32,
) -> list[list[float]]:
    """Return log p of every token of each text, given its picture and the prompt.

    Texts beside one picture share its forward pass if they follow each other in the lists.

    Args:
        model: Model of a family in `FAMILIES`, in evaluation mode.
        processor: Its processor.
        images: Picture or pictures of each text.
        texts: Texts without special tokens.
        prompt: Text between picture and text.
        batch: Texts per forward pass.

    Raises:
        ConfigError: The model is of a family that cannot judge.
    """
    results: list[list[float]] = []
    for start in range(0, len(texts), batch):
        part = slice(start, start + batch)
        results += _batch_log_probs(model, processor, images[part], texts[part], prompt)
    return results


#: Positions whose distribution over the vocabulary is held in float32 at a time.
_POSITIONS = 1_024


def _batch_log_probs(
    model: Any, processor: Any, images: Sequence[Shown], texts: Sequence[str], prompt: str
) -> list[list[float]]:
    replies = [processor.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    asked = _asked(processor, images, prompt)
    prompts = [asked[_identity(shown)] for shown in images]
    before, after = max(len(p["input_ids"][0]) for p in prompts), max(map(len, replies))
    shape = (len(texts), before + after)
    ids, seen = (torch.zeros(shape, dtype=torch.long) for _ in range(2))
    for row, (question, reply) in enumerate(zip(prompts, replies, strict=True)):
        question_at = slice(before - len(question["input_ids"][0]), before)
        ids[row, question_at] = question["input_ids"][0]
        ids[row, before : before + len(reply)] = torch.tensor(reply, dtype=torch.long)
        seen[row, question_at.start : before + len(reply)] = 1
    on = model.device
    units = {id(asked): image_units(model, asked.to(on)) for asked in prompts}
    rows = Rows(ids.to(on), seen.to(on), after, [unit for asked in prompts for unit in units[id(asked)]])
    if not use_tree_attention(model) or not (packed := pack(model, rows)):
        known = ", ".join(family.label for family in FAMILIES.values())
        raise ConfigError(f"{type(model).__name__} cannot judge texts. Name a model of {known}.")
    labels = packed.inputs.pop("shift_labels")[0]
    scored = (labels != IGNORED_LABEL).nonzero()[:, 0]
    logits = model(**packed.inputs, logits_to_keep=scored, use_cache=False).logits[0]
    log_probs = torch.zeros(1, packed.tokens, device=model.device)
    for at, part in zip(scored.split(_POSITIONS), logits.split(_POSITIONS), strict=True):
        log_probs[0, at] = part.float().log_softmax(-1).gather(-1, labels[at, None])[:, 0]
    values = packed.unpack(log_probs)
    return [values[row, : len(reply)].tolist() for row, reply in enumerate(replies)]


def _asked(processor: Any, images: Sequence[Shown], prompt: str) -> dict[tuple[int, ...], Any]:
    """Return the processor's output for the prompt beside each distinct picture, by `_identity`."""
    asked: dict[tuple[int, ...], Any] = {}
    for shown in images:
        if (key := _identity(shown)) in asked:
            continue
        pictures = _pictures(shown)
        content = [*({"type": "image"} for _ in pictures), {"type": "text", "text": prompt}]
        turns = [{"role": "user", "content": content}]
        chat = processor.apply_chat_template(turns, add_generation_prompt=True)
        asked[key] = processor(text=[chat], images=[pictures], return_tensors="pt")
    return asked


def _pictures(shown: Shown) -> list[Image.Image]:
    return [shown] if isinstance(shown, Image.Image) else list(shown)


def _identity(shown: Shown) -> tuple[int, ...]:
    return tuple(map(id, _pictures(shown)))


def ground(
    model: Any,
    processor: Any,
    images: Sequence[Shown],
    texts: Sequence[str],
    others: Sequence[Sequence[Shown]],
    *,
    prompt: str = DESCRIBE,
    batch: int = 32,
) -> list[Grounded]:
    """Score texts against their pictures, beside other pictures.

    Args:
        model: Frozen base model that was not trained on the annotations.
        processor: Its processor.
        images: Picture or pictures of each text.
        texts: Chains of thought.
        others: Other pictures of each text, equally many and at least one.
        prompt: Text between picture and text.
        batch: Texts per forward pass.
    """
    columns = [list(images), *map(list, zip(*others, strict=True))]
    logs = log_probs_beside(model, processor, columns, texts, prompt=prompt, batch=batch)
    return [
        grounded(processor.tokenizer, text, logs[0][i], [column[i] for column in logs[1:]])
        for i, text in enumerate(texts)
    ]


def log_probs_beside(
    model: Any,
    processor: Any,
    columns: Sequence[Sequence[Shown]],
    texts: Sequence[str],
    *,
    prompt: str = DESCRIBE,
    batch: int = 32,
) -> list[list[list[float]]]:
    """Return log p of every token of each text beside several pictures; texts beside one picture share it.

    Args:
        model: Qwen-VL model in evaluation mode.
        processor: Its processor.
        columns: A picture of each text, several times.
        texts: Texts without special tokens.
        prompt: Text between picture and text.
        batch: Texts per forward pass.

    Returns:
        log p by column, text and token.
    """
    rows = [(shown, i, k) for k, column in enumerate(columns) for i, shown in enumerate(column)]
    order = {key: n for n, key in enumerate(dict.fromkeys(_identity(shown) for shown, *_ in rows))}
    rows.sort(key=lambda row: order[_identity(row[0])])
    logs = token_log_probs(
        model, processor, [row[0] for row in rows], [texts[i] for _, i, _ in rows], prompt=prompt, batch=batch
    )
    by_column: list[list[list[float]]] = [[[] for _ in texts] for _ in columns]
    for (_, i, k), values in zip(rows, logs, strict=True):
        by_column[k][i] = values
    return by_column


def grounded(tokenizer: Any, text: str, own: Sequence[float], others: Sequence[Sequence[float]]) -> Grounded:
    """Return the groundedness of a text from log p of its tokens beside its own and other pictures.

    A sentence without a token of its own says nothing: 0.
    """
    spans = sentence_spans(text)
    sums = np.array([own, *others]) @ tokens_of(tokenizer, text, spans)
    information = pointwise_information(sums[0], sums[1:]).tolist()
    return Grounded(tuple((*span, value) for span, value in zip(spans, information, strict=True)))


def tokens_of(tokenizer: Any, text: str, spans: Sequence[tuple[int, int]]) -> npt.NDArray[np.float64]:
    """Return 1 where a token begins in a span of the text and else 0, shape (tokens, spans)."""
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    first = np.array([start for start, _ in offsets]).reshape(-1, 1)
    starts, ends = np.array(spans).reshape(-1, 2).T
    inside: npt.NDArray[np.float64] = ((starts <= first) & (first < ends)).astype(np.float64)
    return inside


def other_images(
    images: Sequence[Image.Image], *, swaps: int = SWAPS, seed: int = 0
) -> list[list[Image.Image]]:
    """Draw other pictures for each picture of a list, from the same list, no picture twice.

    All have the same others but for themselves, so that texts beside one picture share it.

    Raises:
        ValueError: There are not more pictures than `swaps`.
    """
    distinct = list({id(image): image for image in images}.values())
    if len(distinct) <= swaps:
        raise ValueError(
            f"groundedness compares with {swaps} other pictures and there are only {len(distinct)}"
        )
    pool = random.Random(seed).sample(distinct, swaps + 1)
    return [[other for other in pool if other is not image][:swaps] for image in images]
