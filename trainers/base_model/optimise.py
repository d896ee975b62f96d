"""Training steps of the base model, on one process or averaged over several."""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch
from torch import Tensor, distributed
from tqdm import tqdm

from rise_bench.trainers.base_model.architecture import HIDDEN


def optimise(
    name: str,
    steps: int,
    modules: list[tuple[torch.nn.Module, float]],
    losses: Callable[[], dict[str, Tensor]],
) -> None:
    """Train with Muon on hidden matrices and AdamW on the rest, a short warm-up and a linear decay.

    Muon reaches a given loss in about two thirds of AdamW's steps here. Gradients are averaged over the
    processes of the process group, if there is one.

    Args:
        name: Text of the progress bar.
        steps: Number of updates.
        modules: Modules to train with Muon's learning rate; AdamW has a quarter of it.
        losses: Returns the losses of the next batch, which are summed and shown as running means.
    """
    matrices, others = [], []
    for module, lr in modules:
        named = [*module.named_parameters()]
        hidden = [p for n, p in named if p.dim() == 2 and min(p.shape) >= HIDDEN and "embed" not in n]
        kept = {id(p) for p in hidden}
        matrices.append({"params": hidden, "lr": lr, "peak": lr})
        others.append({"params": [p for _, p in named if id(p) not in kept], "lr": lr / 4, "peak": lr / 4})
    muon = torch.optim.Muon(
        [group for group in matrices if group["params"]], weight_decay=0.05, adjust_lr_fn="match_rms_adamw"
    )
    adamw = torch.optim.AdamW(others, weight_decay=0.05, betas=(0.9, 0.98))
    optimisers: tuple[torch.optim.Optimizer, ...] = (muon, adamw)
    everything = [p for module, _ in modules for p in module.parameters()]
    shown: dict[str, float] = {}
    progress = tqdm(range(steps), desc=name, mininterval=10, file=sys.stderr, disable=rank() > 0)
    for step in progress:
        for group in (*muon.param_groups, *adamw.param_groups):
            group["lr"] = group["peak"] * min(1, (step + 1) / 50) * max(0.02, 1 - step / steps)
        parts = losses()
        sum(parts.values(), torch.zeros(())).backward()
        _average_gradients(everything)
        torch.nn.utils.clip_grad_norm_(everything, 1.0)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()
        shown |= {k: 0.97 * shown.get(k, v.item()) + 0.03 * v.item() for k, v in parts.items()}
        progress.set_postfix_str(" ".join(f"{k} {v:.2f}" for k, v in shown.items()), refresh=False)


def rank() -> int:
    """Return the number of this process, 0 without a process group."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def _average_gradients(parameters: list[torch.nn.Parameter]) -> None:
    if not distributed.is_initialized():
        return
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for parameter, average in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
        parameter.grad = average.view_as(parameter).clone()
