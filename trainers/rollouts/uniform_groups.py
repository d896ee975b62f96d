"""Groups of rollouts that all have the same reward: they teach nothing, and dilute the mean over tokens."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

#: Largest advantage of a group whose rewards are all equal: its mean in float32 differs from them by a few
#: units in the last place, which is divided by a deviation of 1e-4 if rewards are scaled.
_ROUNDING, _SCALED_ROUNDING = 1e-5, 5e-3


def varied_rows(advantages: Tensor, generations: int, *, scaled: bool = True) -> Tensor:
    """Return whether each row is of a group with different rewards, shape (rows,).

    Args:
        advantages: Advantage of each row, group after group, shape (rows,); they are 0 but for rounding
            throughout a group if all of its rewards are equal.
        generations: Rows of a group.
        scaled: Whether advantages are divided by the deviation of the rewards.
    """
    smallest = _SCALED_ROUNDING if scaled else _ROUNDING
    varied = (advantages.view(-1, generations).abs() > smallest).any(1)
    return varied.repeat_interleave(generations)


def drop_uniform_groups(
    batch: dict[str, Any], generations: int, accelerator: Any, *, scaled: bool = True
) -> dict[str, Any]:
    """Take the groups without differences out of the loss of a batch: out of its sum and its token count.

    Written against TRL 1.16, whose loss multiplies the mask of completions with `tool_mask` if there is one;
    attention does not read it.

    Args:
        batch: Scored rollouts of this process, as TRL's `_generate_and_score_completions` returns them.
        generations: Rows of a group; a group may be spread over processes.
        accelerator: Accelerator of the trainer.
        scaled: As that of `varied_rows`.
    """
    mask = batch["completion_mask"]
    varied = varied_rows(accelerator.gather(batch["advantages"]), generations, scaled=scaled)
    first = accelerator.process_index * len(mask)
    kept = varied[first : first + len(mask)].to(mask.dtype)[:, None].expand_as(mask)
    tools = batch.get("tool_mask")
    kept = kept.clone() if tools is None else kept * tools
    tokens = accelerator.gather((mask * kept).sum()).sum()
    return batch | {"tool_mask": kept, "num_items_in_batch": tokens.to(torch.long)}
