"""Likelihood of texts beside pictures by a frozen model, the input of `scoring.groundedness`."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from rise_bench.errors import ConfigError
from rise_bench.models.prefix_tree import IGNORED_LABEL, Rows, pack
from rise_bench.models.tree_attention import use_tree_attention
from rise_bench.scoring.groundedness import Grounded, groundedness, sentence_spans, token_information

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
        model: Qwen-VL model in evaluation mode.
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


def _batch_log_probs(
    model: Any, processor: Any, images: Sequence[Shown], texts: Sequence[str], prompt: str
) -> list[list[float]]:
    replies = [processor.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    asked = _asked(processor, images, prompt)
    prompts = [asked[_identity(shown)] for shown in images]
    before, after = max(len(p["input_ids"][0]) for p in prompts), max(map(len, replies))
    shape = (len(texts), before + after)
    ids, seen, kinds = (torch.zeros(shape, dtype=torch.long) for _ in range(3))
    for row, (question, reply) in enumerate(zip(prompts, replies, strict=True)):
        question_at = slice(before - len(question["input_ids"][0]), before)
        ids[row, question_at], kinds[row, question_at] = (
            question["input_ids"][0],
            question["mm_token_type_ids"][0],
        )
        ids[row, before : before + len(reply)] = torch.tensor(reply, dtype=torch.long)
        seen[row, question_at.start : before + len(reply)] = 1
    pixels, grids = (torch.cat([p[name] for p in prompts]) for name in ("pixel_values", "image_grid_thw"))
    on = model.device
    rows = Rows(ids.to(on), seen.to(on), after, kinds.to(on), pixels.to(on), grids.to(on))
    if not use_tree_attention(model) or not (packed := pack(model, rows)):
        raise ConfigError(f"{type(model).__name__} cannot judge texts. Name a Qwen-VL model.")
    labels = packed.inputs.pop("shift_labels")[0]
    scored = (labels != IGNORED_LABEL).nonzero()[:, 0]
    logits = model(**packed.inputs, logits_to_keep=scored, use_cache=False).logits[0].float()
    log_probs = torch.zeros(1, packed.tokens, device=model.device)
    log_probs[0, scored] = logits.log_softmax(-1).gather(-1, labels[scored, None])[:, 0]
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
    rows = [(image, text) for image, text in zip(images, texts, strict=True)]
    for column in zip(*others, strict=True):
        rows += zip(column, texts, strict=True)
    shown, described = [image for image, _ in rows], [text for _, text in rows]
    logs = token_log_probs(model, processor, shown, described, prompt=prompt, batch=batch)
    count = len(texts)
    result = []
    for i, text in enumerate(texts):
        information = token_information(logs[i], logs[count + i :: count])
        sentences = by_sentence(processor.tokenizer, text, information)
        result.append(Grounded(groundedness(logs[i], logs[count + i :: count]), sentences))
    return result


def other_images(images: Sequence[Image.Image], *, swaps: int = 4, seed: int = 0) -> list[list[Image.Image]]:
    """Draw other pictures for each picture of a list, from the same list.

    Raises:
        ValueError: If there is only one picture.
    """
    rng = random.Random(seed)
    drawn: list[list[Image.Image]] = [[] for _ in images]
    for _ in range(swaps):
        for chosen, image in zip(drawn, images, strict=True):
            candidates = [other for other in images if other is not image]
            if not candidates:
                raise ValueError("groundedness compares with other pictures and there is only one")
            chosen.append(rng.choice(candidates))
    return drawn


def by_sentence(
    tokenizer: Any, text: str, information: Sequence[float]
) -> tuple[tuple[int, int, float], ...]:
    """Return (start, end, mean information) of each sentence over its tokens; 0 without a token."""
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    result = []
    for start, end in sentence_spans(text):
        inside = [n for (first, _), n in zip(offsets, information, strict=True) if start <= first < end]
        result.append((start, end, sum(inside) / len(inside) if inside else 0.0))
    return tuple(result)
