"""Settings of a call of transformers' `generate`, and whether `SharedPrefill` covers it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from rise_bench.catalog.families import FAMILIES

#: Arguments of `generate` that are about prompts.
PROMPT_ARGUMENTS = (
    *("input_ids", "attention_mask", "mm_token_type_ids"),
    *("pixel_values", "image_grid_thw", "pixel_attention_mask"),
)
#: Arguments that ask for another way of generating.
_OTHER_WAYS = (
    "inputs",
    "inputs_embeds",
    "position_ids",
    "past_key_values",
    "cache",
    "pixel_values_videos",
    "assistant_model",
    "custom_generate",
)
#: Settings that ask for another way of generating unless they have this value.
_ONE_WAY = {
    "num_beams": 1,
    "use_cache": True,
    "prefill_chunk_size": None,
    "cache_implementation": None,
    "token_healing": False,
}
#: Arguments of a model's forward that a shared start is read with.
_FORWARD = ("position_ids", "mm_encoder_outputs", "logits_to_keep")

#: Names of the cache of keys and values: from transformers 5.24 on, and before.
_CACHE_NAMES = ("cache", "past_key_values")


def cache_name(architecture: type[Any]) -> str:
    """Return the name that this transformers gives the cache in forward and `generate`; empty if unknown."""
    known = inspect.signature(architecture.forward).parameters
    return next((name for name in _CACHE_NAMES if name in known), "")


def setting(model: Any, arguments: Mapping[str, Any], name: str) -> Any:
    """Return a setting of generation: of the call, else of its `generation_config`, else of the model."""
    if arguments.get(name) is not None:
        return arguments[name]
    for config in (arguments.get("generation_config"), model.generation_config):
        if getattr(config, name, None) is not None:
            return getattr(config, name)
    return None


def samples_per_prompt(model: Any, arguments: Mapping[str, Any]) -> int:
    """Return the number of texts that a call draws for each row."""
    return setting(model, arguments, "num_return_sequences") or 1


def not_covered(model: Any, arguments: Mapping[str, Any]) -> str:
    """Return why prompts cannot be read once for all their samples; empty if they can.

    Args:
        model: Unwrapped model.
        arguments: Arguments of `generate`.
    """
    return _not_covered_model(model) or _not_covered_call(model, arguments)


def _not_covered_model(model: Any) -> str:
    family = model.config.model_type
    if family not in FAMILIES:
        return f"the family {family!r} is not covered"
    known = inspect.signature(type(model).forward).parameters
    lacking = [name for name in _FORWARD if name not in known]
    lacking += [] if cache_name(type(model)) else ["cache"]
    if lacking:
        return f"this transformers has another interface of {family} ({', '.join(lacking)})"
    if not _caches_are_plain(model):
        return f"the cache of {family} is not a list of keys and values"
    if any(parameter.numel() == 0 for parameter in model.parameters()):
        return "the weights are sharded and not gathered"
    if model.training and model.is_gradient_checkpointing:
        return "gradient checkpointing is on"
    return ""


def _not_covered_call(model: Any, arguments: Mapping[str, Any]) -> str:
    if other := [name for name in _OTHER_WAYS if arguments.get(name) is not None]:
        return f"generate was called with {', '.join(other)}"
    for name, value in _ONE_WAY.items():
        if setting(model, arguments, name) not in (value, None):
            return f"{name} is {setting(model, arguments, name)}"
    mask = arguments.get("attention_mask")
    if mask is None or arguments.get("input_ids") is None:
        return "generate was called without input_ids or attention_mask"
    if not bool((mask[:, 1:] >= mask[:, :-1]).all()):
        return "prompts are not padded on the left"
    if samples_per_prompt(model, arguments) > 1 and not setting(model, arguments, "do_sample"):
        return "several greedy texts were asked for"
    return ""


def _caches_are_plain(model: Any) -> bool:
    """Whether the model's cache holds all keys and values of each layer, a row for each text."""
    try:
        from transformers.cache_utils import DynamicCache, DynamicLayer

        layers = DynamicCache(config=model.config.get_text_config(decoder=True)).layers
    except (ImportError, TypeError, AttributeError):
        return False
    fields = {"keys", "values"} <= set(vars(DynamicLayer()))
    return fields and bool(layers) and all(type(layer) is DynamicLayer for layer in layers)


def special_tokens_not_sampled(processor: Any) -> list[int]:
    """Ids of the special tokens that a response may not hold: all but those that end it."""
    tokenizer = processor.tokenizer
    ends = {tokenizer.eos_token_id, tokenizer.pad_token_id}
    return sorted(i for i, t in tokenizer.added_tokens_decoder.items() if t.special and i not in ends)
