"""Groups of rollouts that all have the same reward: they teach nothing, and dilute the mean over tokens."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def varied_rows(advantages: Tensor, generations: int) -> Tensor:
    """Return whether each row is of a group with different rewards, shape (rows,).

    Args:
        advantages: Advantage of each row, group after group, shape (rows,); they are 0 throughout a group
            exactly if all of its rewards are equal.
        generations: Rows of a group.
    """
    varied = (advantages.view(-1, generations) != 0).any(1)
    return varied.repeat_interleave(generations)


def drop_uniform_groups(batch: dict[str, Any], generations: int, accelerator: Any) -> dict[str, Any]:
    """Take the groups without differences out of the loss of a batch: out of its sum and its token count.

    Written against TRL 1.16, whose loss multiplies the mask of completions with `tool_mask` if there is one;
    attention does not read it.

    Args:
        batch: Scored rollouts of this process, as TRL's `_generate_and_score_completions` returns them.
        generations: Rows of a group; a group may be spread over processes.
        accelerator: Accelerator of the trainer.
    """
    mask = batch["completion_mask"]
    varied = varied_rows(accelerator.gather(batch["advantages"]), generations)
    first = accelerator.process_index * len(mask)
    kept = varied[first : first + len(mask)].to(mask.dtype)[:, None].expand_as(mask)
    tools = batch.get("tool_mask")
    kept = kept.clone() if tools is None else kept * tools
    tokens = accelerator.gather((mask * kept).sum()).sum()
    return batch | {"tool_mask": kept, "num_items_in_batch": tokens.to(torch.long)}
