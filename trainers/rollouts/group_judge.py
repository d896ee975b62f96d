"""Groundedness of the chains of thought of a group of rollouts."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from PIL import Image

from rise_bench.errors import ConfigError
from rise_bench.models.groundedness_judge import FrozenJudge
from rise_bench.scoring.groundedness import Grounded


class GroupJudge:
    """Groundedness of rollouts during training: all rollouts of a step beside the same other pictures."""

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
            swaps: Number of other pictures, drawn from all samples; all if there are fewer.
            seed: Seed of their choice.

        Raises:
            ConfigError: There is only one picture.
        """
        swaps = min(swaps, len(set(pictures)) - 1)
        if swaps < 1:
            raise ConfigError(
                "reward.grounded compares a picture with others, and the benchmark has only one. "
                "Train on more samples, or set reward.grounded=none."
            )
        self._pictures = pictures
        self._judge, self._pictures_of, self._swaps, self._seed = judge, pictures_of, swaps, seed
        self._position = {uid: i for i, uid in enumerate(ids)}

    def __call__(self, ids: Sequence[str], texts: Sequence[str], *, step: int) -> list[Grounded]:
        """Score texts about samples; `step` draws new other pictures, so that a batch reads each once."""
        pool = self._pool(step)
        chosen = {uid: self._others(uid, pool) for uid in dict.fromkeys(ids)}
        needed = {i for uid, others in chosen.items() for i in (self._position[uid], *others)}
        images = {i: self._pictures_of(i) for i in sorted(needed)}
        return self._judge.ground(
            [images[self._position[uid]] for uid in ids],
            texts,
            [[images[i] for i in chosen[uid]] for uid in ids],
        )

    def _pool(self, step: int) -> list[int]:
        """Positions of distinct pictures, one more than a text needs, for a text about one of them."""
        distinct = {picture: i for i, picture in enumerate(self._pictures)}
        return random.Random(f"{self._seed}:{step}").sample([*distinct.values()], self._swaps + 1)

    def _others(self, uid: str, pool: Sequence[int]) -> list[int]:
        own = self._pictures[self._position[uid]]
        return [i for i in pool if self._pictures[i] != own][: self._swaps]
