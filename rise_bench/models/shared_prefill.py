"""Sampling that reads a prompt once, however many texts are drawn from it.

`generate` of transformers reads every row of a batch from its first token: the G samples of a prompt, or the
G reconstructions of a sample, each read system text, picture and question again. Here

- equal prompts are read once;
- of prompts that differ only behind their pictures, the longest common prefix is read once;
- what the next call asks about the same pictures goes on from the keys and values of this call.

Keys and values are then copied to all rows, to the places where `generate` would have put them, and
`generate` goes on from there: it reads the last token of each prompt and draws from the same random numbers
in the same order. In float32 the samples are those of the plain way, token by token, unless a probability
lies within rounding (about 1e-6) of the number that was drawn. In bfloat16 rounding is coarser: logits of a
row depend in their third digit on the shape of the batch that it was read in, so that now and then a token
differs, as it does when the batch size is changed.

The plain way is taken, and said once, for a family that is not in `FAMILIES`, a transformers whose caches or
models have another interface, sharded weights that are not gathered (DeepSpeed ZeRO-3 with
`ds3_gather_for_generation` off), videos, beams, and gradient checkpointing left on.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from rise_bench.models.generate_settings import (
    PROMPT_ARGUMENTS,
    cache_name,
    not_covered,
    samples_per_prompt,
)
from rise_bench.models.image_units import (
    ImageUnit,
    first_copies,
    image_arguments,
    image_units,
    token_positions,
)
from rise_bench.models.prompt_groups import (
    PromptGroup,
    TokenizedPrompt,
    common_length,
    distinct_prompts,
    group_prompts,
)
from rise_bench.models.ragged_cache import RaggedCache, read_tokens

_log = logging.getLogger(__name__)


@contextmanager
def shared_prefill(
    model: Any, enabled: bool = True, autocast: Callable[[], AbstractContextManager[Any]] = nullcontext
) -> Iterator[None]:
    """Let `model.generate` of an unwrapped model read each prompt once inside the block.

    What was read is remembered from call to call, so weights must not change inside the block.

    Args:
        model: The model.
        enabled: Whether to do anything.
        autocast: Makes the context that the model's own forward pass runs in; pictures are encoded in it too.
    """
    if not enabled:
        yield
        return
    before = vars(model).get("generate")
    model.generate = SharedPrefill(model, autocast).generate
    try:
        yield
    finally:
        if before is None:
            del model.generate  # the method of the class is used again
        else:
            model.generate = before


@dataclass(frozen=True, slots=True)
class _Memory:
    """Shared starts of the last call."""

    prompts: list[TokenizedPrompt]
    pictures: list[ImageUnit]
    states: RaggedCache


class SharedPrefill:
    """`generate` of a model whose weights do not change, see the module."""

    def __init__(self, model: Any, autocast: Callable[[], AbstractContextManager[Any]] = nullcontext) -> None:
        """Wrap an unwrapped model.

        Args:
            model: Model of a family in `FAMILIES`, with a language-model head.
            autocast: As that of `shared_prefill`.
        """
        self._model, self._autocast = model, autocast
        self._plain = model.generate
        self._memory: _Memory | None = None

    @torch.no_grad()
    def generate(self, *positional: Any, **arguments: Any) -> Any:
        """Return what `model.generate` returns.

        Args:
            positional: Handed to the plain way; arguments of the shared way are named.
            arguments: Those of `generate`, with prompts padded on the left.
        """
        reason = "arguments have no names" if positional else not_covered(self._model, arguments)
        if reason:
            _say_once(reason)
            return self._plain(*positional, **arguments)
        samples = samples_per_prompt(self._model, arguments)
        prompts, pictures = self._prompts(arguments)
        distinct, rows = distinct_prompts(prompt for prompt in prompts for _ in range(samples))
        groups = group_prompts(distinct)
        if any(len(prompt.ids) < 2 for prompt in distinct) or _tokens(distinct, groups) >= sum(
            len(distinct[row].ids) for row in rows
        ):
            return self._plain(**arguments)
        positions, deltas = self._positions(distinct, pictures)
        states, place = self._read(distinct, groups, pictures, positions)
        ids, mask = (arguments[name].repeat_interleave(samples, 0) for name in PROMPT_ARGUMENTS[:2])
        width = ids.shape[1]
        lengths = [len(distinct[row].ids) - 1 for row in rows]
        kept = self._memory is not None and states is self._memory.states
        states = states.select([place[row] for row in rows], lengths, width - 1, free=not kept)
        places = {}
        if deltas is not None:
            where = torch.zeros((4, *ids.shape), dtype=torch.long, device=ids.device)
            where[0] = (mask.long().cumsum(-1) - 1).clamp(min=0)
            for number, row in enumerate(rows):
                where[1:, number, width - len(distinct[row].ids) :] = positions[row]
            self._model.model.rope_deltas = deltas[rows]
            places = {"position_ids": where}
        expanded = (*PROMPT_ARGUMENTS, "num_return_sequences")
        others = {name: value for name, value in arguments.items() if name not in expanded}
        if samples_per_prompt(self._model, others) > 1:  # asked for by a generation config
            config = copy.deepcopy(others.get("generation_config") or self._model.generation_config)
            config.num_return_sequences = 1
            others["generation_config"] = config
        return self._plain(
            input_ids=ids,
            attention_mask=mask,
            **{cache_name(type(self._model)): states.cache},
            **places,
            **others,
        )

    def _prompts(self, arguments: dict[str, Any]) -> tuple[list[TokenizedPrompt], list[ImageUnit]]:
        """Return the prompts of the rows and the distinct pictures, those that are remembered first."""
        known = self._memory.pictures if self._memory else []
        pictures = [*known, *image_units(self._model, arguments)]
        source = first_copies(pictures) if pictures else []
        image_token = self._model.config.image_token_id
        prompts, number = [], len(known)
        for ids, mask in zip(arguments["input_ids"], arguments["attention_mask"], strict=True):
            tokens = ids[mask.bool()].tolist()
            places = [i for i, token in enumerate(tokens) if token == image_token]
            left, own = len(places), []
            while left > 0:
                left -= pictures[number].tokens
                own.append(source[number])
                number += 1
            prompts.append(TokenizedPrompt(tuple(tokens), tuple(own), places[-1] + 1 if places else 0))
        return prompts, pictures

    def _positions(
        self, distinct: list[TokenizedPrompt], pictures: list[ImageUnit]
    ) -> tuple[list[Tensor], Tensor | None]:
        """Return the positions of each prompt's tokens and M-RoPE's deltas, see `token_positions`."""
        device = self._model.device
        width = max(len(prompt.ids) for prompt in distinct)
        ids = torch.zeros((len(distinct), width), dtype=torch.long, device=device)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(distinct):
            ids[row, -len(prompt.ids) :] = torch.tensor(prompt.ids, device=device)
            mask[row, -len(prompt.ids) :] = 1
        shown = [pictures[i] for prompt in distinct for i in prompt.pictures]
        is_image = (ids == self._model.config.image_token_id) & mask.bool()
        where, deltas = token_positions(self._model, ids, mask, shown, is_image)
        return [where[..., row, -len(prompt.ids) :] for row, prompt in enumerate(distinct)], deltas

    def _read(
        self,
        distinct: list[TokenizedPrompt],
        groups: list[PromptGroup],
        pictures: list[ImageUnit],
        positions: list[Tensor],
    ) -> tuple[RaggedCache, list[int]]:
        """Return keys and values of all tokens but the last, and the row of each distinct prompt in them."""
        firsts = [group.members[0] for group in groups]
        starts = [distinct[first].ids[: group.length] for first, group in zip(firsts, groups, strict=True)]
        states, read = self._remembered(distinct, groups)
        new = [start[length:] for start, length in zip(starts, read, strict=True)]
        where = [positions[i][..., n : g.length] for i, n, g in zip(firsts, read, groups, strict=True)]
        shown = [] if any(read) else [pictures[i] for first in firsts for i in distinct[first].pictures]
        states = self._extend(states, new, where, shown)
        self._remember(distinct, groups, pictures, states)
        group_of = {member: number for number, group in enumerate(groups) for member in group.members}
        lengths = [groups[group_of[i]].length for i in range(len(distinct))]
        rests = [prompt.ids[n:-1] for prompt, n in zip(distinct, lengths, strict=True)]
        rows = [group_of[i] for i in range(len(distinct))]
        if not any(rests):
            return states, rows
        where = [place[..., n:-1] for place, n in zip(positions, lengths, strict=True)]
        states = states.select(rows, lengths, max(lengths))
        return self._extend(states, rests, where, []), list(range(len(distinct)))

    def _extend(
        self,
        states: RaggedCache | None,
        tokens: list[tuple[int, ...]],
        positions: list[Tensor],
        pictures: list[ImageUnit],
    ) -> RaggedCache:
        if states is not None and not any(tokens):
            return states
        features = None
        if pictures:
            with self._autocast():
                features = self._model.model.get_image_features(**image_arguments(pictures), return_dict=True)
        padding = next(i for i in range(3) if i not in _placeholders(self._model.config))
        return read_tokens(self._model, states, tokens, positions, padding=padding, pictures=features)

    def _remembered(
        self, distinct: list[TokenizedPrompt], groups: list[PromptGroup]
    ) -> tuple[RaggedCache | None, list[int]]:
        """Return what the last call read of all groups, and how many tokens of each; nothing if one lacks."""
        nothing = [0] * len(groups)
        if self._memory is None:
            return None, nothing
        rows, lengths = [], []
        for group in groups:
            prompt = distinct[group.members[0]]
            length, row = max(
                (
                    (common_length(prompt.ids[: group.length], old.ids), row)
                    for row, old in enumerate(self._memory.prompts)
                    if old.pictures == prompt.pictures
                ),
                default=(0, 0),
            )
            if length < max(prompt.picture_end, 1):
                return None, nothing
            rows.append(row)
            lengths.append(length)
        return self._memory.states.select(rows, lengths, max(lengths)), lengths

    def _remember(
        self,
        distinct: list[TokenizedPrompt],
        groups: list[PromptGroup],
        pictures: list[ImageUnit],
        states: RaggedCache,
    ) -> None:
        """Keep the shared starts of this call, and the pictures in them, for the next."""
        firsts = [distinct[group.members[0]] for group in groups]
        used = sorted({number for prompt in firsts for number in prompt.pictures})
        place = {number: i for i, number in enumerate(used)}
        prompts = [
            TokenizedPrompt(prompt.ids[: group.length], tuple(place[i] for i in prompt.pictures))
            for prompt, group in zip(firsts, groups, strict=True)
        ]
        self._memory = _Memory(prompts, [pictures[i] for i in used], states)


def _tokens(distinct: list[TokenizedPrompt], groups: list[PromptGroup]) -> int:
    """Tokens that are read if each shared start is read once."""
    return sum(
        group.length + sum(len(distinct[i].ids) - group.length for i in group.members) for group in groups
    )


def _placeholders(config: Any) -> tuple[int, ...]:
    return config.image_token_id, getattr(config, "video_token_id", config.image_token_id)


@cache
def _say_once(reason: str) -> None:
    _log.warning("each sample reads its prompt again: %s", reason)
