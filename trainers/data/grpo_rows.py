"""Samples as TRL's GRPO wants them: prompt, images, and an id by which the reward finds the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from datasets import Dataset
from PIL import Image

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.errors import DataError
from rise_bench.prompts.templates import RESPONSE_PROMPTS
from rise_bench.trainers.settings.config import TrainConfig


def response_prompt(config: TrainConfig) -> Callable[[BenchmarkSpec, Gold, AnswerFormat], str]:
    """Return the template of the prompts that a trained model is asked by."""
    return RESPONSE_PROMPTS[config.declared_stage.style(config.reward.response_form)]


def prompt_rows(
    golds: Sequence[Gold],
    pictures_of: Callable[[int], Sequence[Image.Image]],
    prompt_of: Callable[[Gold], str],
    *,
    minimum: int,
) -> Dataset:
    """Return a dataset with rows made on access, so that a million images need no memory.

    Rows of a batch with the same sample share decoded images. TRL's sampler drops the last incomplete
    generation batch, so that a smaller dataset (LISA 4-shot has four samples) would train on nothing; it is
    repeated until it fills a batch.

    Args:
        golds: The samples.
        pictures_of: Position in `golds` to images.
        prompt_of: Sample to the text of its prompt.
        minimum: Rows of a generation batch, in prompts.

    Returns:
        Rows `prompt` (one message, which carries the id too), `images`, `id`, `copy`.
    """
    if not golds:
        raise DataError("no training samples; check data.benchmark and data.shots")
    copies = -(-minimum // len(golds))
    table = Dataset.from_dict(
        {
            "index": [i for _ in range(copies) for i in range(len(golds))],
            "copy": [c for c in range(copies) for _ in golds],
        }
    )

    def read(batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        images = {i: list(pictures_of(i)) for i in set(batch["index"])}
        chosen = [golds[i] for i in batch["index"]]
        texts = {gold.id: prompt_of(gold) for gold in chosen}
        return {
            "prompt": [[{"role": "user", "content": texts[gold.id], "id": gold.id}] for gold in chosen],
            "images": [images[i] for i in batch["index"]],
            "id": [gold.id for gold in chosen],
            "copy": batch["copy"],
        }

    return table.with_transform(read)
