"""Groundedness of the chains of thought of a group of rollouts."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from PIL import Image

from rise_bench.errors import ConfigError
from rise_bench.models.groundedness_judge import FrozenJudge
from rise_bench.scoring.groundedness import Grounded


class GroupJudge:
    """Groundedness of rollouts during training: all rollouts of a sample beside the same other pictures."""

    def __init__(
        self,
        judge: FrozenJudge,
        ids: Sequence[str],
        pictures: Sequence[str],
        pictures_of: Callable[[int], Sequence[Image.Image]],
        *,
        swaps: int,
        seed: int,
    ) -> None:
        """Judge rollouts of samples.

        Args:
            judge: The frozen model.
            ids: Ids of all samples.
            pictures: Identity of each sample's pictures, e.g. their hashes; samples may share them.
            pictures_of: Position in `ids` to pictures.
            swaps: Number of other pictures per sample, drawn from all samples.
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
        self._judge, self._pictures_of, self._swaps, self._seed = judge, pictures_of, swaps, seed
        self._position = {uid: i for i, uid in enumerate(ids)}

    def __call__(self, ids: Sequence[str], texts: Sequence[str], *, step: int) -> list[Grounded]:
        """Score texts about samples; `step` draws new other pictures."""
        chosen = {uid: self._others(uid, step) for uid in dict.fromkeys(ids)}
        needed = {i for uid, others in chosen.items() for i in (self._position[uid], *others)}
        images = {i: self._pictures_of(i) for i in sorted(needed)}
        return self._judge.ground(
            [images[self._position[uid]] for uid in ids],
            texts,
            [[images[i] for i in chosen[uid]] for uid in ids],
        )

    def _others(self, uid: str, step: int) -> list[int]:
        rng = random.Random(f"{self._seed}:{step}:{uid}")
        own = self._pictures[self._position[uid]]
        return rng.sample([i for i, picture in enumerate(self._pictures) if picture != own], self._swaps)
