"""Every prompt fits: counted before training, because TRL neither cuts nor refuses a long prompt any more."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import KINDS
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.errors import ConfigError, DataError
from rise_bench.prompts.asked_format import box_unit_of
from rise_bench.prompts.templates import reason_prompt, reconstruct_prompt
from rise_bench.scoring.response_text import opens_thinking
from rise_bench.trainers.data.grpo_rows import response_prompt
from rise_bench.trainers.settings.config import TrainConfig

_log = logging.getLogger(__name__)
_BATCH = 512


def longest_prompt(
    config: TrainConfig,
    processor: Any,
    spec: BenchmarkSpec,
    golds: Sequence[Gold],
    warn: Callable[[str], None],
) -> int:
    """Tokens of the longest prompt of a run, image tokens included; raises as `check_prompts` does."""
    answer_format = config.model.answer_format
    second, images = 0, spec.images_per_row
    prompt_of = response_prompt(config)
    if config.declared_stage.is_closed_loop:
        prompt_of = reason_prompt
        again = ((gold, reconstruct_prompt(spec, gold, "", answer_format)) for gold in golds)
        second = check_prompts(
            config,
            processor,
            again,
            cot_tokens=config.grpo.max_cot_length,
            images=0 if config.reward.view == "blind" else images,
            warn=warn,
        )
    prompts = ((gold, prompt_of(spec, gold, answer_format)) for gold in golds)
    return max(second, check_prompts(config, processor, prompts, images=images, warn=warn))


def check_prompts(
    config: TrainConfig,
    processor: Any,
    prompts: Iterable[tuple[Gold, str]],
    *,
    cot_tokens: int = 0,
    images: int = 1,
    warn: Callable[[str], None] = _log.warning,
) -> int:
    """Return the tokens of the longest prompt, image tokens included, without opening an image.

    Args:
        config: Resolved config.
        processor: The model's processor.
        prompts: Samples and the text of their prompts.
        cot_tokens: Tokens reserved for a chain of thought (prompt of a reconstruction).
        images: Images of a prompt.
        warn: Called if the unit of boxes is not the family's.

    Raises:
        ConfigError: The processor pads on the right, the chat template opens thinking in the prompt of what
            is sampled, or a prompt exceeds `data.max_prompt_length`.
        DataError: There is no prompt.
    """
    if processor.tokenizer.padding_side != "left":
        raise ConfigError(
            "the processor pads on the right, which shifts image positions. Load it with padding_side='left'."
        )
    prompts = list(prompts)
    trained_on = box_unit_of(type(processor).__name__)
    if prompts and KINDS[prompts[0][0].kind].in_frame and trained_on != config.model.box_unit:
        warn(
            f"model.box_unit = {config.model.box_unit}, but this family was trained on {trained_on}. "
            f"Set model.box_unit={trained_on}."
        )
    samples = "grpo" in config.active_phases or config.declared_stage.is_closed_loop
    if samples and prompts and opens_thinking(_chat(processor, prompts[0][1], images)):
        raise ConfigError(
            f"model.name = {config.model.name}: its chat template opens <think> in the prompt, so no "
            "response begins with <think>, and each would have reward 0. Set model.name to a checkpoint "
            "without thinking, such as Qwen/Qwen3-VL-4B-Instruct."
        )
    longest = max(_lengths(processor, prompts, cot_tokens, images), default=None)
    if longest is None:
        raise DataError("there is nothing to train on; check data.benchmark and data.shots")
    limit = config.data.max_prompt_length
    if longest.tokens > limit:
        raise ConfigError(_too_long(processor, longest, limit, cot_tokens, images))
    return longest.tokens


@dataclass(frozen=True, slots=True, order=True)
class _Length:
    tokens: int
    image_tokens: int
    where: str


def _lengths(
    processor: Any, prompts: Iterable[tuple[Gold, str]], extra: int, images: int
) -> Iterable[_Length]:
    sizes: dict[tuple[int, int], int] = {}
    batch: list[tuple[Gold, str]] = []

    def counted() -> Iterable[_Length]:
        ids = processor.tokenizer([text for _, text in batch])["input_ids"]
        for (gold, _), tokens in zip(batch, ids, strict=True):
            size = gold.height_px, gold.width_px
            if size not in sizes:
                (sizes[size],) = processor._get_num_multimodal_tokens(image_sizes=[size])["num_image_tokens"]
            where = f"{gold.id} ({gold.width_px} x {gold.height_px} px)"
            shown = images * sizes[size]
            yield _Length(len(tokens) - images + shown + extra, shown, where)  # without the place-holders

    for gold, text in prompts:
        batch.append((gold, _chat(processor, text, images)))
        if len(batch) == _BATCH:
            yield from counted()
            batch.clear()
    if batch:
        yield from counted()


def _chat(processor: Any, text: str, images: int) -> str:
    content = [*({"type": "image"} for _ in range(images)), {"type": "text", "text": text}]
    chat: str = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True
    )
    return chat


def _too_long(processor: Any, longest: _Length, limit: int, cot_tokens: int, images: int) -> str:
    text_tokens = longest.tokens - longest.image_tokens - cot_tokens
    room = (limit - text_tokens - cot_tokens) // images if images else 0
    seen = "image" if images == 1 else f"{images} images"
    parts = f"{longest.image_tokens} of the {seen}, " if images else ""
    parts += f"{text_tokens} of text"
    ways = [f"raise data.max_prompt_length to {longest.tokens}"]
    if cot_tokens:
        parts += f", up to {cot_tokens} of the chain of thought"
        ways.insert(0, "lower grpo.max_cot_length")
    if images and (pixels := _fitting_pixels(processor, room, longest.image_tokens // images)):
        ways.insert(0, f"lower model.max_pixels to {pixels}")
    remedy = ", or ".join(ways)
    return (
        f"the prompt of {longest.where} has {longest.tokens} tokens ({parts}); data.max_prompt_length is "
        f"{limit}. {remedy[0].upper()}{remedy[1:]}."
    )


def _fitting_pixels(processor: Any, room: int, tokens: int) -> int:
    """Return a largest picture, in pixels, that has at most `room` tokens; 0 if no picture has so few.

    Args:
        processor: The processor.
        room: Tokens that there is room for.
        tokens: Tokens of a picture at the present limit.
    """
    images = processor.image_processor
    if hasattr(images, "merge_size"):
        return int(room * (images.patch_size * images.merge_size) ** 2) if room >= 4 else 0
    size = getattr(images, "max_image_size", None) or images.size
    side = size["longest_edge"] if "max_image_size" in vars(images) else size["height"]
    of_tile = getattr(processor, "image_seq_len", None) or processor.image_seq_length
    return int(side**2) if of_tile + 3 <= room < tokens else 0  # a single tile
