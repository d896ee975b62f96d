"""Free places for the things of a picture."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

_TRIES = 30

Spot = tuple[float, float, float, float]


def free_spots(rng: random.Random, radii: Callable[[], float]) -> Iterator[Spot | None]:
    """Yield x, y, radius and angle of one thing after the other, where none touches another.

    Args:
        rng: Random stream of the row.
        radii: Draws a radius as a share of the picture's side.

    Yields:
        None if the dice leave no room; nothing more then.
    """
    taken: list[Spot] = []
    while True:
        spot = _free_spot(rng, radii, taken)
        yield spot
        if spot is None:
            return
        taken.append(spot)


def _free_spot(rng: random.Random, radii: Callable[[], float], taken: Sequence[Spot]) -> Spot | None:
    for _ in range(_TRIES):
        radius = radii()
        x, y = (rng.uniform(0.07 + radius, 0.93 - radius) for _ in "xy")
        if all(apart(x - other[0], y - other[1], 1.2 * (radius + other[2])) for other in taken):
            return x, y, radius, rng.uniform(-0.25, 0.25)
    return None


def apart(dx: float, dy: float, distance: float) -> bool:
    """Whether two centres are further apart than a distance."""
    return dx * dx + dy * dy > distance * distance  # not `**`, which the C library rounds in its own way
