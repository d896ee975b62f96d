"""Model `rise_hf` of lmms-eval, for families that its own models do not evaluate as they were trained.

lmms-eval 0.7's `huggingface` loads their checkpoints without the head for text, and hands videos and audios
to processors that take pictures only. Its `internvl_hf` takes 12 tiles, whatever the checkpoint says, and
scores an error as an empty response. Its `qwen3_vl` adds a system turn that the chat template has not.
"""

from __future__ import annotations

from typing import Any

import torch
from accelerate import Accelerator
from lmms_eval.models.chat.huggingface import Huggingface

from rise_bench.catalog.families import FAMILIES, RISE_HF
from rise_bench.errors import ConfigError
from rise_bench.models.families import limit_pictures
from rise_bench.models.local import load_checkpoint


class PicturesOnly:
    """Processor of texts and pictures, called with videos and audios too, of which there are none."""

    def __init__(self, processor: Any) -> None:
        """Wrap a processor."""
        self._processor = processor

    def __call__(self, *, images: list[Any], videos: list[Any], audios: list[Any], **settings: Any) -> Any:
        """Return the inputs of the model.

        Raises:
            ConfigError: There are videos or audios.
        """
        if videos or audios:
            raise ConfigError(f"--model {RISE_HF} takes pictures only; run a task without videos and audios")
        return self._processor(images=images or None, **settings)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._processor, name)


class RiseHf(Huggingface):  # type: ignore[misc]
    """Checkpoint or adapter of such a family, with the code of lmms-eval's `huggingface` that generates.

    No code of a checkpoint's author is run.
    """

    is_simple = False

    def __init__(
        self,
        pretrained: str,
        *,
        revision: str = "",
        device: str = "cuda",
        device_map: str = "",
        batch_size: int | str = 1,
        dtype: str = "bfloat16",
        attn_implementation: str | None = None,
        min_pixels: int | None = None,
        max_pixels: int | None = None,
    ) -> None:
        """Load the model.

        Args:
            pretrained: Name of the model, see `local_model`.
            revision: Hub revision; empty means the default branch.
            device: Device of the model; with several processes, each has a GPU of its own.
            device_map: Device map of transformers; `device` if empty.
            batch_size: Samples that are generated together.
            dtype: Type of the weights.
            attn_implementation: Attention kernel of transformers; its default if None.
            min_pixels: Smallest picture, for families without tiles; that of the checkpoint if None.
            max_pixels: Largest picture, as whole tiles, see `limit_pictures`; that of the checkpoint if None.

        Raises:
            ConfigError: The checkpoint does not exist, lmms-eval has a model for its family, or a limit is
                not a number of pixels, or `min_pixels` stands alone.
        """
        super(Huggingface, self).__init__()
        for name, pixels in (("min_pixels", min_pixels), ("max_pixels", max_pixels)):
            if pixels is not None and (type(pixels) is not int or pixels < 1):
                raise ConfigError(f"--model_args has {name}={pixels}; use a whole number of pixels")
        if min_pixels is not None and max_pixels is None:
            raise ConfigError(f"--model_args has min_pixels={min_pixels}; give max_pixels too")
        self.accelerator = Accelerator()
        self._rank, self._world_size = self.accelerator.process_index, self.accelerator.num_processes
        if self._world_size > 1 and device.startswith("cuda"):
            device = device_map = f"cuda:{self.accelerator.local_process_index}"
        self._device, self.device_map = torch.device(device), device_map or device
        settings = {"attn_implementation": attn_implementation} if attn_implementation else {}
        processor, model, _ = load_checkpoint(
            pretrained, revision, dtype=dtype, device_map=self.device_map, **settings
        )
        family = FAMILIES[model.config.model_type]
        if family.lmms_model != RISE_HF:
            raise ConfigError(
                f"{pretrained} is of the family {family.label}; use --model {family.lmms_model}"
            )
        if max_pixels is not None:
            own = dict(processor.image_processor.size).get("shortest_edge", 1)
            limit_pictures(processor, min(min_pixels or own, max_pixels), max_pixels)
        self._model, self._config, self._tokenizer = model.eval(), model.config, processor.tokenizer
        self.processor = PicturesOnly(processor)
        self.batch_size_per_gpu = int(batch_size)
        self.use_cache, self.system_prompt = True, None
