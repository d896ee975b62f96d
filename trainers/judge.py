"""A frozen model that says how grounded chains of thought are; it is shown pictures and texts alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL import Image

from rise_bench.errors import ConfigError
from rise_bench.generation import load_checkpoint
from rise_bench.groundedness import Grounded
from rise_bench.trainers.image_dedup import deduplicated_images
from rise_bench.trainers.likelihood import DESCRIBE, ground
from rise_bench.values import MAX_PIXELS, MIN_PIXELS


class FrozenJudge:
    """A checkpoint that is never trained, on one device."""

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
            name: Hub id or folder, or a name of `local_models`.
            revision: Hub revision; empty means the default branch.
            max_pixels: Largest image of the processor.
            min_pixels: Smallest image of the processor.
            device: Where it runs; None takes the GPU if there is one.
            batch_rows: Texts a forward pass; less needs less memory.

        Raises:
            ConfigError: There is no such checkpoint, or loading it could run code of its author.
        """
        device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
        try:
            self._processor, model, self._revision = load_checkpoint(name, revision, dtype=dtype)
        except ConfigError as error:
            raise ConfigError(f"{error}. Name another judge.") from error
        self._model = model.to(device).eval().requires_grad_(False)
        self._processor.image_processor.size = {"shortest_edge": min_pixels, "longest_edge": max_pixels}
        self._name, self._batch_rows = name, batch_rows

    def describe(self) -> dict[str, Any]:
        """Name, revision and prompt, for the provenance of its scores."""
        return {"model": self._name, "revision": self._revision, "prompt": DESCRIBE}

    def ground(
        self, images: Sequence[Image.Image], texts: Sequence[str], others: Sequence[Sequence[Image.Image]]
    ) -> list[Grounded]:
        """Score texts against their pictures, beside other pictures; see `likelihood.ground`."""
        with deduplicated_images(self._model):
            return ground(self._model, self._processor, images, texts, others, batch=self._batch_rows)


class GroupJudge:
    """Groundedness of rollouts during training: all rollouts of a sample beside the same other pictures."""

    def __init__(
        self,
        judge: FrozenJudge,
        ids: Sequence[str],
        pictures: Sequence[str],
        image_of: Callable[[int], Image.Image],
        *,
        swaps: int,
        seed: int,
    ) -> None:
        """Judge rollouts of samples.

        Args:
            judge: The frozen model.
            ids: Ids of all samples.
            pictures: What tells the picture of each from others, e.g. its hash; samples may share one.
            image_of: Position in `ids` to picture.
            swaps: Other pictures of a sample, drawn from all samples.
            seed: Seed of their choice.

        Raises:
            ConfigError: There are not more pictures than `swaps`.
        """
        if (distinct := len(set(pictures))) <= swaps:
            raise ConfigError(
                f"reward.grounded compares a picture with {swaps} others, and the benchmark has {distinct}. "
                "Train on more samples, or set reward.grounded=none."
            )
        self._pictures = pictures
        self._judge, self._image_of, self._swaps, self._seed = judge, image_of, swaps, seed
        self._position = {uid: i for i, uid in enumerate(ids)}

    def __call__(self, ids: Sequence[str], texts: Sequence[str], *, step: int) -> list[Grounded]:
        """Score texts about samples; `step` draws new other pictures."""
        chosen = {uid: self._others(uid, step) for uid in dict.fromkeys(ids)}
        needed = {i for uid, others in chosen.items() for i in (self._position[uid], *others)}
        images = {i: self._image_of(i) for i in sorted(needed)}
        return self._judge.ground(
            [images[self._position[uid]] for uid in ids],
            texts,
            [[images[i] for i in chosen[uid]] for uid in ids],
        )

    def _others(self, uid: str, step: int) -> list[int]:
        rng = random.Random(f"{self._seed}:{step}:{uid}")
        own = self._pictures[self._position[uid]]
        return rng.sample([i for i, picture in enumerate(self._pictures) if picture != own], self._swaps)
