"""GRPO that computes what the rows of a group share once (`rise_bench.models.prefix_tree`).

Written against TRL 1.16: `_get_per_token_logps_and_entropies`, through which policy, reference model and the
log-probabilities at sampling all go, and the shuffling of rows before they are split into micro-batches,
which would spread groups over them. Rows stay in the order of the sampler instead, group after group: with
the default loss, which rows share a micro-batch changes no gradient of a step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from trl.trainer import grpo_trainer

from rise_bench.models.adapters import without_peft
from rise_bench.models.image_units import image_units
from rise_bench.models.prefix_tree import PackedRows, Rows, pack
from rise_bench.models.tree_attention import use_tree_attention
from rise_bench.trainers.runs.console import say

_PADDED = "grpo.prefix_tree: {reason}, so that each row is computed by itself, which is slower"


class PrefixTreeGRPOTrainer(grpo_trainer.GRPOTrainer):
    """GRPO whose forward passes read one packed row for each micro-batch."""

    def __init__(self, *, prefix_tree: bool = True, **arguments: Any) -> None:
        """Build the trainer.

        Args:
            prefix_tree: Whether rows are packed; models that cannot be are trained on padded rows.
            arguments: Those of `GRPOTrainer`.
        """
        super().__init__(**arguments)
        models = [self._unwrapped(m) for m in (self.model, self.ref_model) if m is not None]
        self._packs = prefix_tree and all(map(use_tree_attention, models))
        if prefix_tree and not self._packs:
            self._pad(f"{type(models[0]).__name__} has no attention that can read a packed row")

    def _unwrapped(self, model: Any) -> Any:
        """Return the model of transformers, whose layers hold the adapter, if there is one."""
        return without_peft(self.accelerator.unwrap_model(model))

    def _pad(self, reason: str) -> None:
        self._packs = False
        say(_PADDED.format(reason=reason))

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        with _in_order():
            return super()._prepare_inputs(generation_batch)

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        **inputs: Any,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        names = ("log_probs", "entropy") if compute_entropy else ("log_probs",)
        parts: list[list[Tensor]] = []
        size = batch_size or len(input_ids)
        for start in range(0, len(input_ids), size):
            part = slice(start, start + size)
            packed = self._pack(model, input_ids, attention_mask, logits_to_keep, part, inputs)
            if packed is None:
                break
            with self.accelerator.autocast():
                output = model(**packed.inputs, fused_lm_head=True)
            parts.append([packed.unpack(getattr(output, name)) for name in names])
        else:
            log_probs, *entropies = (torch.cat(values) for values in zip(*parts, strict=True))
            return log_probs, entropies[0] if entropies else None, None
        result: tuple[Tensor, Tensor | None, Tensor | None] = super()._get_per_token_logps_and_entropies(
            model,
            input_ids,
            attention_mask,
            logits_to_keep,
            batch_size=batch_size,
            compute_entropy=compute_entropy,
            **inputs,
        )
        return result

    def _pack(
        self,
        model: Any,
        input_ids: Tensor,
        attention_mask: Tensor,
        completion: int,
        part: slice,
        inputs: dict[str, Any],
    ) -> PackedRows | None:
        """Pack some of the rows; None if they have to be padded."""
        if not self._packs:
            return None
        images = _images_of(part, inputs)
        if images is None:
            self._pad("these rows have no picture")
            return None
        if inputs.get("compute_aux_loss"):
            self._pad("a mixture of experts has a loss over padded rows")
            return None
        unwrapped = self._unwrapped(model)
        rows = Rows(input_ids[part], attention_mask[part], completion, image_units(unwrapped, images))
        packed = pack(unwrapped, rows)
        if packed is None:
            self._pad("a prompt ends with a picture")
        return packed


def _images_of(part: slice, inputs: dict[str, Any]) -> dict[str, Tensor] | None:
    """Return the image inputs of some of the rows, as TRL lays them out; None without images."""
    counts, pixels = inputs.get("num_images"), inputs.get("pixel_values")
    if counts is None or pixels is None:
        return None
    if pixels.dim() == 5:  # a row of tiles for each row
        return {"pixel_values": pixels[part]}
    grids = inputs.get("image_grid_thw")
    if grids is None:
        counts = inputs.get("num_tiles") or counts
    first, last = sum(counts[: part.start]), sum(counts[: part.stop])
    if grids is None:
        return {"pixel_values": pixels[first:last]}
    patches = grids.prod(-1)
    begin, end = int(patches[:first].sum()), int(patches[:last].sum())
    return {"pixel_values": pixels[begin:end], "image_grid_thw": grids[first:last]}


@contextmanager
def _in_order() -> Iterator[None]:
    """Leave the rows of a generation as the sampler ordered them."""
    usual = grpo_trainer.shuffle_sequence_dict
    grpo_trainer.shuffle_sequence_dict = lambda rows: rows
    try:
        yield
    finally:
        grpo_trainer.shuffle_sequence_dict = usual
