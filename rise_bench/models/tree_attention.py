"""Attention over the packed row of a prefix tree, as an attention function of transformers.

`use_tree_attention` gives the decoder of a model an implementation that is its usual one, e.g. `sdpa`, unless
a forward pass has the argument `prefix_tree`. That argument travels with the others, so gradient
checkpointing, DDP and DeepSpeed see an ordinary forward pass.

On a CPU each segment is a call of scaled dot-product attention over the segments above it and itself. On a
GPU the whole row is one call of FlexAttention with a block mask; that path is tested uncompiled on a CPU, and
has not been run on a GPU.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from rise_bench.models.image_units import decoder_of

_PREFIX = "prefix_tree_"

#: Implementations that never ask for their name.
_NAMELESS = {"eager", "sdpa", "flex_attention"}


@dataclass(frozen=True, slots=True)
class Segment:
    """A node of the tree: its packed positions [start, end), and those of the nodes above it, root first."""

    start: int
    end: int
    above: tuple[tuple[int, int], ...]


class TreeLayout:
    """Visibility between packed positions."""

    def __init__(self, segments: list[Segment], device: torch.device) -> None:
        self._segments, self._device = segments, device
        self._place = {segment.start: number for number, segment in enumerate(segments)}

    @cached_property
    def lengths(self) -> list[int]:
        """Number of tokens of each segment."""
        return [segment.end - segment.start for segment in self._segments]

    @cached_property
    def views(self) -> list[tuple[list[int], Tensor | None]]:
        """Numbers of the segments that each segment sees, itself last, and its mask over their tokens.

        The mask is None for plain causal attention.
        """
        views: list[tuple[list[int], Tensor | None]] = []
        for number, (segment, own) in enumerate(zip(self._segments, self.lengths, strict=True)):
            above = [self._place[start] for start, _ in segment.above]
            seen = sum(self.lengths[i] for i in above)
            mask = torch.ones(own, seen + own, dtype=torch.bool, device=self._device).tril(seen)
            views.append(([*above, number], mask if seen else None))
        return views

    @cached_property
    def block_mask(self) -> Any:
        """The mask of FlexAttention."""
        from torch.nn.attention.flex_attention import create_block_mask

        last = self._last_segments()
        own = torch.cat([torch.full((s.end - s.start,), i) for i, s in enumerate(self._segments)])
        subtree_end = torch.tensor(last)[own].to(self._device)
        own = own.to(self._device)

        def sees(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
            # segments are in depth-first order: those below a segment follow it without a gap
            return (key <= query) & (own[query] <= subtree_end[key])

        return create_block_mask(sees, None, None, len(own), len(own), device=self._device)

    def _last_segments(self) -> list[int]:
        """The last segment below each segment, or the segment itself."""
        last = list(range(len(self._segments)))
        for number, segment in enumerate(self._segments):
            for start, _ in segment.above:
                last[self._place[start]] = number
        return last


def use_tree_attention(model: Any) -> bool:
    """Let the decoder of an unwrapped model read packed rows; False if it cannot.

    Args:
        model: A vision-language model of transformers.
    """
    decoder = decoder_of(model)
    if decoder is None:
        return False
    layers = getattr(decoder.config, "layer_types", None) or ["full_attention"]
    if set(layers) != {"full_attention"}:
        return False
    usual = decoder.config._attn_implementation or "eager"
    if not usual.startswith(_PREFIX):
        name = _PREFIX + usual
        AttentionInterface.register(name, partial(_attend, usual))
        if usual in ALL_MASK_ATTENTION_FUNCTIONS:
            AttentionMaskInterface.register(name, ALL_MASK_ATTENTION_FUNCTIONS[usual])
        decoder.config._attn_implementation = name
    return True


def _attend(
    usual: str,
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Any,
    *,
    prefix_tree: TreeLayout | None = None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attention of a layer, shape (batch, heads, tokens, width); returned (batch, tokens, heads, width)."""
    if prefix_tree is None:
        with _named(module.config, usual):
            result: tuple[Tensor, Tensor | None] = _usual_attention(usual, module)(
                module, query, key, value, attention_mask, **options
            )
        return result
    attend = by_segment if query.device.type == "cpu" else by_block_mask
    return attend(prefix_tree, module, query, key, value, options.get("scaling")), None


@contextmanager
def _named(config: Any, usual: str) -> Iterator[None]:
    """Give a decoder its usual implementation back: FlashAttention looks up its kernel by that name."""
    if usual in _NAMELESS:
        yield
        return
    ours = config._attn_implementation
    config._attn_implementation = usual
    try:
        yield
    finally:
        config._attn_implementation = ours


def _usual_attention(usual: str, module: Any) -> Callable[..., Any]:
    if usual == "eager":  # not registered: every family has its own
        family: Any = sys.modules[type(module).__module__]
        eager: Callable[..., Any] = family.eager_attention_forward
        return eager
    attention: Callable[..., Any] = ALL_ATTENTION_FUNCTIONS[usual]
    return attention


def by_segment(
    layout: TreeLayout, _module: Any, query: Tensor, key: Tensor, value: Tensor, scaling: float | None
) -> Tensor:
    """Attention segment by segment."""
    share = query.shape[1] // key.shape[1]
    # split and not sliced: the gradient of a slice is as large as the whole row
    queries = query.split(layout.lengths, 2)
    keys, values = (part.repeat_interleave(share, 1).split(layout.lengths, 2) for part in (key, value))
    parts = [
        scaled_dot_product_attention(
            own,
            torch.cat([keys[i] for i in seen], 2),
            torch.cat([values[i] for i in seen], 2),
            attn_mask=mask,
            is_causal=mask is None,
            scale=scaling,
        )
        for own, (seen, mask) in zip(queries, layout.views, strict=True)
    ]
    return torch.cat(parts, 2).transpose(1, 2).contiguous()


def by_block_mask(
    layout: TreeLayout, module: Any, query: Tensor, key: Tensor, value: Tensor, scaling: float | None
) -> Tensor:
    """Attention of the whole row by FlexAttention."""
    from transformers.integrations.flex_attention import flex_attention_forward

    output: Tensor = flex_attention_forward(module, query, key, value, layout.block_mask, scaling=scaling)[0]
    return output
