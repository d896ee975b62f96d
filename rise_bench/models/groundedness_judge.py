"""Frozen model that judges the groundedness of chains of thought from pictures and texts alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from rise_bench.annotations.boxes.values import MAX_PIXELS, MIN_PIXELS
from rise_bench.errors import ConfigError
from rise_bench.models.families import limit_pictures
from rise_bench.models.likelihood import DESCRIBE, Shown, ground
from rise_bench.models.local import load_checkpoint
from rise_bench.models.names import weights_of
from rise_bench.scoring.groundedness import Grounded


class FrozenJudge:
    """Checkpoint that is never trained, on one device."""

    def __init__(
        self,
        name: str,
        *,
        revision: str = "",
        max_pixels: int = MAX_PIXELS,
        min_pixels: int = MIN_PIXELS,
        device: Any = None,
        batch_rows: int = 32,
    ) -> None:
        """Load the model.

        Args:
            name: Name of the model, see `local_model`.
            revision: Hub revision; empty means the default branch.
            max_pixels: Largest image of the processor.
            min_pixels: Smallest image of the processor.
            device: Device of torch; None takes the GPU if there is one.
            batch_rows: Texts per forward pass.

        Raises:
            ConfigError: The checkpoint does not exist, or could run code of its author.
        """
        device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
        try:
            self._processor, model, self._revision = load_checkpoint(name, revision, dtype=dtype)
        except ConfigError as error:
            raise ConfigError(f"{error}. Name another judge.") from error
        self._model = model.to(device).eval().requires_grad_(False)
        limit_pictures(self._processor, min_pixels, max_pixels)
        self._name, self._batch_rows = name, batch_rows

    def describe(self) -> dict[str, Any]:
        """Return name, revision, weights and prompt, for the provenance of scores."""
        described = {"model": self._name, "revision": self._revision, "prompt": DESCRIBE}
        return described | weights_of(self._name)

    def ground(
        self, images: Sequence[Shown], texts: Sequence[str], others: Sequence[Sequence[Shown]]
    ) -> list[Grounded]:
        """Score texts against their pictures, beside other pictures; see `likelihood.ground`."""
        return ground(self._model, self._processor, images, texts, others, batch=self._batch_rows)
