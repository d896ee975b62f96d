"""Keys and values of rows of unequal length, which are read further and copied to other rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rise_bench.models.generate_settings import cache_name


@dataclass(slots=True)
class RaggedCache:
    """Keys and values of rows in a `DynamicCache`, with places that hold no token.

    Attributes:
        cache: Keys and values of each layer, shape (rows, heads, width, values of a head).
        mask: Whether each place holds a token, bool, shape (rows, width).
    """

    cache: Any
    mask: Tensor

    def select(
        self, rows: Sequence[int], lengths: Sequence[int], width: int, *, free: bool = False
    ) -> RaggedCache:
        """Copy the first tokens of rows, at least one of each, padded on the left.

        Args:
            rows: Row to copy, for each row of the result.
            lengths: Number of tokens to copy, for each row of the result.
            width: Places of the result.
            free: Drop each layer here once it is copied; this cache cannot be used afterwards.
        """
        device = self.mask.device
        # places of the tokens of a row come first, in their order
        places = torch.argsort(self.mask.int(), dim=1, descending=True, stable=True)
        source = torch.tensor(rows, device=device)
        token = torch.arange(width, device=device) - (width - torch.tensor(lengths, device=device))[:, None]
        mask = token >= 0
        column = places[source].gather(1, token.clamp(0, max(self.mask.shape[1] - 1, 0)))
        copied = type(self.cache)()
        for number, layer in enumerate(self.cache.layers):
            parts = [
                states.transpose(1, 2)[source[:, None], column].transpose(1, 2)
                for states in (layer.keys, layer.values)
            ]
            copied.update(*parts, number)
            if free:
                layer.keys = layer.values = None
        return RaggedCache(copied, mask)


def read_tokens(
    model: Any,
    start: RaggedCache | None,
    tokens: Sequence[Sequence[int]],
    positions: Sequence[Tensor],
    *,
    padding: int,
    pictures: Any = None,
) -> RaggedCache:
    """Run a model over the next tokens of rows and return the keys and values of all tokens so far.

    Args:
        model: Model with a language-model head, unwrapped.
        start: Cache of the rows so far, None for none; it is used up.
        tokens: Next token ids of each row, in any number.
        positions: Positions of these tokens for each row, shape (tokens,), or (3, tokens) in time, height
            and width.
        padding: Token id in places without a token.
        pictures: Encoded pictures of the rows, as `get_image_features` returns them.
    """
    width, is_3d = max(map(len, tokens)), positions[0].dim() == 2
    device = positions[0].device
    ids = torch.full((len(tokens), width), padding, device=device)
    mask = torch.zeros((len(tokens), width), dtype=torch.bool, device=device)
    places = torch.zeros((1 + 3 * is_3d, len(tokens), width), dtype=torch.long, device=device)
    held = torch.zeros(len(tokens), dtype=torch.long, device=device) if start is None else start.mask.sum(1)
    for row, (new, where) in enumerate(zip(tokens, positions, strict=True)):
        if not new:
            continue
        ids[row, -len(new) :] = torch.tensor(new, device=device)
        mask[row, -len(new) :] = True
        places[0, row, -len(new) :] = torch.arange(len(new), device=device) + held[row]
        if is_3d:
            places[1:, row, -len(new) :] = where
    cache = _empty_cache(model) if start is None else start.cache
    mask = mask if start is None else torch.cat([start.mask, mask], 1)
    model(
        input_ids=ids,
        attention_mask=mask.long(),
        position_ids=places if is_3d else places[0],
        use_cache=True,
        logits_to_keep=1,
        **{cache_name(type(model)): cache},
        **({} if pictures is None else {"mm_encoder_outputs": {"image": pictures}}),
    )
    return RaggedCache(cache, mask)


def _empty_cache(model: Any) -> Any:
    from transformers import DynamicCache

    return DynamicCache(config=model.config.get_text_config(decoder=True))
