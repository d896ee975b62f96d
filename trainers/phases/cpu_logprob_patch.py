"""On a CPU, let TRL project onto the vocabulary only the positions whose next token is trained.

TRL 1.16 does so where Triton runs and scores every position, prompts and padding included, elsewhere, for
the sake of compilers that want fixed shapes (`add_fused_lm_head`). Nothing is compiled on a CPU, and there
half of the positions of a GRPO batch are prompt. Log-probabilities and gradients are the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from trl.trainer import utils


@contextmanager
def trained_positions_only() -> Iterator[None]:
    """Skip the other positions on CPUs while the context is open; a TRL without the switch is left alone."""
    usual = getattr(utils, "_use_triton", None)
    if usual is None:
        yield
        return

    def skips(device: torch.device) -> bool:
        return device.type == "cpu" or bool(usual(device))

    utils._use_triton = skips
    try:
        yield
    finally:
        utils._use_triton = usual
