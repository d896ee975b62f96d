"""Rows that begin alike, packed so that every shared token is computed once.

The rows of a GRPO group repeat the system text, the picture and the question; in RISE-CoT both the chains of
thought and the reconstructions do. A radix tree over the rows holds each shared start once. Its nodes,
in depth-first order, are the segments of one packed row: a token attends to the segments above its own and to
its own segment up to itself, at the position that it has in a row by itself. Log-probabilities and
gradients are those of the separate rows up to rounding.

A token of which several rows need different successors is repeated in each branch, so that every position of
the packed row has one label and a loss that reads one label a position works unchanged.

Works on models of the families whose decoder has full attention in every layer. Shared prompts of text
models: unslothai/unsloth#6871, NVIDIA-NeMo/RL#4008.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rise_bench.models.image_units import (
    ImageUnit,
    first_copies,
    has_grids,
    image_arguments,
    token_positions,
)
from rise_bench.models.tree_attention import Segment, TreeLayout

IGNORED_LABEL = -100
_END = np.iinfo(np.int64).min  # behind the last token of a row; image tokens are small negative numbers


@dataclass(frozen=True, slots=True)
class Rows:
    """Padded rows: prompts, padded on the left, then completions, padded on the right.

    Attributes:
        input_ids: Token ids, shape (rows, prompt + completion).
        attention_mask: 1 for a token, 0 for padding, the same shape.
        completion: Width of the completions.
        units: Images of all rows, in the order of their tokens.
    """

    input_ids: Tensor
    attention_mask: Tensor
    completion: int
    units: Sequence[ImageUnit]


@dataclass(frozen=True, slots=True)
class PackedRows:
    """Rows as one packed row.

    Attributes:
        inputs: Arguments of the model; `shift_labels` holds the label of each position.
        at: Position that predicts each completion token, -1 for padding, shape (rows, completion).
    """

    inputs: dict[str, Any]
    at: Tensor

    @property
    def tokens(self) -> int:
        """Number of tokens that are computed."""
        return int(self.inputs["input_ids"].shape[1])

    def unpack(self, values: Tensor) -> Tensor:
        """Return a value of each completion token from one of each position; 0 for padding.

        Args:
            values: Shape (1, tokens).
        """
        taken = values[0][self.at.clamp(min=0)]
        return taken.masked_fill(self.at < 0, 0)


def pack(model: Any, rows: Rows) -> PackedRows | None:
    """Pack rows for a model; None if an image token would have to be repeated.

    Args:
        model: Unwrapped model of a family in `FAMILIES`.
        rows: The rows.
    """
    device = rows.input_ids.device
    seen = rows.attention_mask.bool()
    is_image = (rows.input_ids == model.config.image_token_id) & seen
    is_image[:, seen.shape[1] - rows.completion :] = False
    keys = rows.input_ids.clone()
    tokens = [unit.tokens for unit in rows.units]
    if tokens:
        numbers = torch.tensor(first_copies(rows.units), device=device)
        keys[is_image] = -1 - numbers.repeat_interleave(torch.tensor(tokens, device=device))
    starts, lengths = seen.int().argmax(1), seen.sum(1)
    prompts = seen[:, : seen.shape[1] - rows.completion].sum(1)
    texts = [row[on].numpy() for row, on in zip(keys.cpu(), seen.cpu(), strict=True)]
    tree = PrefixTree(texts, prompts.tolist())
    if tree.repeats_image:
        return None
    owner, column = (torch.tensor(part, device=device) for part in zip(*tree.source, strict=True))
    positions, _ = token_positions(model, rows.input_ids, rows.attention_mask, rows.units, is_image)
    at, labels = tree.predictions(rows.completion, len(tree.source), lengths.tolist())
    taken = starts[owner] + column
    packed_keys = keys[owner, taken]
    shown = _images_in_order(packed_keys, tokens)
    inputs = {
        "input_ids": rows.input_ids[owner, taken][None],
        "attention_mask": None,
        "position_ids": positions[..., owner, taken].unsqueeze(-2),
        "shift_labels": torch.tensor(labels, device=device)[None],
        "prefix_tree": TreeLayout(tree.segments, device),
        **image_arguments([rows.units[i] for i in shown]),
    }
    if has_grids(model):
        inputs["mm_token_type_ids"] = is_image[owner, taken].int()[None]
    return PackedRows(inputs, torch.tensor(at, dtype=torch.long, device=device))


@dataclass(slots=True)
class PrefixTree:
    """The radix tree of rows of keys, in which an image token is a negative number.

    Attributes:
        texts: Keys of each row.
        prompts: Number of prompt tokens of each row.
        segments: Nodes in depth-first order.
        source: A row and its token, for each packed position.
        paths: Packed positions of each row's tokens.
        repeats_image: Whether a branch would repeat an image token.
    """

    texts: Sequence[npt.NDArray[np.int64]]
    prompts: Sequence[int]
    segments: list[Segment] = field(default_factory=list)
    source: list[tuple[int, int]] = field(default_factory=list)
    paths: list[list[int]] = field(default_factory=list)
    repeats_image: bool = False

    def __post_init__(self) -> None:
        self.paths = [[] for _ in self.texts]
        width = max(map(len, self.texts)) + 1
        padded = np.full((len(self.texts), width), _END)
        for row, text in enumerate(self.texts):
            padded[row, : len(text)] = text
        self._grow(padded, list(range(len(self.texts))), 0, ())

    def _grow(
        self,
        keys: npt.NDArray[np.int64],
        rows: list[int],
        depth: int,
        above: tuple[tuple[int, int], ...],
    ) -> None:
        """Add the node of rows that share their tokens before `depth` and the next one, and its branches."""
        alike = (keys[rows, depth:] == keys[rows[0], depth:]) & (keys[rows, depth:] != _END)
        differs = ~alike.all(0)
        end = depth + int(differs.argmax())
        branches = self._branches(keys, rows, end)
        predicted = sum(any(self._predicts(row, end) for row in branch) for branch in branches)
        if predicted > 1:  # the last shared token needs as many labels: each branch repeats it
            end -= 1
            self.repeats_image |= bool(keys[rows[0], end] < 0)
        start = len(self.source)
        if end > depth:
            self.source += [(rows[0], token) for token in range(depth, end)]
            self.segments.append(Segment(start, len(self.source), above))
            above = (*above, (start, len(self.source)))
            for row in rows:
                self.paths[row] += range(start, len(self.source))
        for branch in branches:
            self._grow(keys, branch, end, above)

    @staticmethod
    def _branches(keys: npt.NDArray[np.int64], rows: list[int], end: int) -> list[list[int]]:
        """Rows that have not ended, by their next token."""
        groups: dict[int, list[int]] = defaultdict(list)
        for row in rows:
            groups[int(keys[row, end])].append(row)
        return [branch for key, branch in groups.items() if key != _END]

    def _predicts(self, row: int, token: int) -> bool:
        """Whether a row needs the probability of its token."""
        return self.prompts[row] <= token < len(self.texts[row])

    def predictions(
        self, width: int, tokens: int, lengths: Sequence[int]
    ) -> tuple[list[list[int]], list[int]]:
        """Return `PackedRows.at` and the label of each packed position."""
        labels = [IGNORED_LABEL] * tokens
        at = []
        for row, (prompt, length) in enumerate(zip(self.prompts, lengths, strict=True)):
            before = self.paths[row][prompt - 1 : length - 1]
            for position, key in zip(before, self.texts[row][prompt:].tolist(), strict=True):
                labels[position] = key
            at.append(before + [-1] * (width - len(before)))
        return at, labels


def _images_in_order(keys: Tensor, tokens: Sequence[int]) -> list[int]:
    """Return the images of a packed row in the order of their tokens; `tokens` is how many each has."""
    pictures = (-1 - keys[keys < 0]).tolist()
    shown, position = [], 0
    while position < len(pictures):
        shown.append(pictures[position])
        position += tokens[pictures[position]]
    return shown
