"""Likelihood of texts beside pictures by a frozen model, the input of `scoring.groundedness`."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

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

    Args:
        model: Qwen-VL model in evaluation mode.
        processor: Its processor, padding on the left.
        images: Picture or pictures of each text.
        texts: Texts without special tokens.
        prompt: Text between picture and text.
        batch: Texts per forward pass.
    """
    results: list[list[float]] = []
    for start in range(0, len(texts), batch):
        part = slice(start, start + batch)
        results += _batch_log_probs(model, processor, images[part], texts[part], prompt)
    return results


def _batch_log_probs(
    model: Any, processor: Any, images: Sequence[Shown], texts: Sequence[str], prompt: str
) -> list[list[float]]:
    conversations = [
        [{"role": "user", "content": [*_image_parts(shown), {"type": "text", "text": prompt}]}]
        for shown in images
    ]
    inputs = processor.apply_chat_template(
        conversations,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        add_generation_prompt=True,
        processor_kwargs={"padding": True},
    ).to(model.device)
    replies = [processor.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    length = max(1, *map(len, replies))
    ids = torch.full((len(texts), length), processor.tokenizer.pad_token_id, device=model.device)
    mask = torch.zeros_like(ids)
    for row, reply in enumerate(replies):
        ids[row, : len(reply)] = torch.tensor(reply, dtype=ids.dtype, device=model.device)
        mask[row, : len(reply)] = 1
    begin = inputs["input_ids"].shape[1]
    inputs["input_ids"] = torch.cat([inputs["input_ids"], ids], 1)
    inputs["attention_mask"] = torch.cat([inputs["attention_mask"], mask], 1)
    if "mm_token_type_ids" in inputs:
        kinds = inputs["mm_token_type_ids"]
        inputs["mm_token_type_ids"] = torch.cat([kinds, torch.zeros_like(ids, dtype=kinds.dtype)], 1)
    logits = model(**inputs).logits[:, begin - 1 : -1].float()
    log_probs = logits.log_softmax(-1).gather(-1, ids[..., None])[..., 0]
    return [log_probs[row, : len(reply)].tolist() for row, reply in enumerate(replies)]


def _image_parts(shown: Shown) -> list[dict[str, Any]]:
    pictures = [shown] if isinstance(shown, Image.Image) else shown
    return [{"type": "image", "image": picture} for picture in pictures]


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
