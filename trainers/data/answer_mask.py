"""SFT on reasons alone: the tokens of the answer are shown to the model and not learned.

A policy that answers well before SFT keeps its way to write answers, where imitated annotations would replace
it: in the study on boxes SFT takes the rounded numbers of the base model away (docs/study_findings.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

#: Label of tokens without a loss, of torch and transformers.
_IGNORED = -100

_OPENS = "<answer>"


@dataclass(frozen=True, slots=True)
class ReasonsAlone:
    """Collator whose labels end with `<answer>`.

    Attributes:
        collate: Collator of the trainer; its batches have `labels` of shape (rows, tokens).
        decode: Text of token ids.
    """

    collate: Callable[[Sequence[Any]], dict[str, Any]]
    decode: Callable[[list[int]], str]

    def __call__(self, rows: Sequence[Any]) -> dict[str, Any]:
        """Return the batch with a loss on the tokens up to `<answer>`."""
        batch = self.collate(rows)
        for labels in batch["labels"]:
            mask_answer(labels, self.decode)
        return batch


def mask_answer(labels: torch.Tensor, decode: Callable[[list[int]], str]) -> None:
    """Take the loss from the tokens behind the first `<answer>`, in place.

    A token that holds the end of `<answer>` and the beginning of the answer is not learned either.

    Args:
        labels: Token ids of one row, shape (tokens,); -100 where there is no loss.
        decode: Text of token ids.
    """
    text = ""
    for position in (labels != _IGNORED).nonzero().flatten().tolist():
        before = text
        text += decode([int(labels[position])])
        if _OPENS in before or (_OPENS in text and not text.endswith(_OPENS)):
            labels[position] = _IGNORED
