"""Sampling of all GRPO stages: prompts read once without vLLM, prompts and pictures as vLLM expects them.

Written against TRL 1.16, of which it overrides `_generate`, `_generate_single_turn` and
`_generate_and_score_completions` (for `uniform_groups`):

- without vLLM, each prompt is read once for all its samples (`rise_bench.models.shared_prefill`);
- a colocated vLLM expands the image token of each picture itself, and TRL hands it tokens that are expanded
  already (trl#6294): there each picture gets one token again;
- vLLM resizes pictures by the limits of the checkpoint, and TRL has no setting for others: vLLM gets pictures
  in the size that training sees them in, which fits into the limits of a checkpoint that are wider;
  pre-flight refuses pictures that others would change (`rise_bench.trainers.checks.sampled_pictures`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from PIL import Image

from rise_bench.models.families import fitted_size
from rise_bench.models.shared_prefill import shared_prefill
from rise_bench.trainers.rollouts.prefix_tree_trainer import PrefixTreeGRPOTrainer
from rise_bench.trainers.rollouts.uniform_groups import drop_uniform_groups


class SamplingGRPOTrainer(PrefixTreeGRPOTrainer):
    """GRPO whose rollouts are sampled without needless work, and in one resolution."""

    def __init__(self, *, share_prefill: bool = True, drop_uniform: bool = False, **arguments: Any) -> None:
        """Build the trainer.

        Args:
            share_prefill: Read each prompt once for all its samples (without vLLM).
            drop_uniform: Leave groups whose rewards are all equal out of the loss.
            arguments: Those of `PrefixTreeGRPOTrainer`.
        """
        self._share_prefill, self._drop_uniform = share_prefill, drop_uniform
        super().__init__(**arguments)

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        batch = super()._generate_and_score_completions(inputs)
        if not self._drop_uniform or not self.model.training:
            return batch
        scaled = self.scale_rewards != "none"
        return drop_uniform_groups(batch, self.num_generations, self.accelerator, scaled=scaled)

    def _generate(self, prompts: list[Any]) -> Any:
        shared = self._share_prefill and not self.use_vllm
        with shared_prefill(self._unwrapped(self.model), shared, self.accelerator.autocast):
            return super()._generate(prompts)

    def _generate_single_turn(
        self, prompt_ids: list[list[int]], images: list[Any] | None, *others: Any, **named: Any
    ) -> Any:
        if self.use_vllm and images is not None:
            processor = self.processing_class.image_processor
            images = [row and [fitted(image, processor) for image in row] for row in images]
            if self.vllm_mode == "colocate":
                prompt_ids = [collapse_runs(ids, self._image_pad_token_id) for ids in prompt_ids]
        return super()._generate_single_turn(prompt_ids, images, *others, **named)


def fitted(image: Image.Image, processor: Any) -> Image.Image:
    """Return a picture in the size to which an image processor of the Qwen-VL families resizes it."""
    size = fitted_size(*image.size, processor)
    return image if image.size == size else image.convert("RGB").resize(size, Image.Resampling.BICUBIC)


def collapse_runs(ids: Sequence[int], token: int | None) -> list[int]:
    """Shorten every run of `token` to one.

    >>> collapse_runs([1, 7, 7, 7, 2, 7], 7)
    [1, 7, 2, 7]
    """
    runs = ((key, list(run)) for key, run in groupby(ids))
    return [i for key, run in runs for i in (run[:1] if key == token else run)]
