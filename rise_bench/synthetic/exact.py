"""Functions that give the same bits on every machine, which those of numpy and the C library do not.

Only IEEE 754 addition, multiplication, square root and rounding are used, one numpy call each, so that
neither the processor's vector instructions nor a fused multiply-add can change a result.
"""

from __future__ import annotations

import math
from decimal import Context, Decimal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_TURN = 6.283185307179586
_TAYLOR = tuple((-1) ** n / math.factorial(2 * n + 1) for n in range(8))
_DIGITS = Context(prec=25)


def sin(angle: Array | float) -> Array:
    """Return the sine of angles in radians below 1,000, as float32 within 1e-7."""
    turns = np.multiply(angle, 1 / _TURN, dtype=np.float64)
    turns -= np.rint(turns)
    rest = np.minimum(np.maximum(turns, -0.5 - turns), 0.5 - turns) * _TURN  # in [-pi/2, pi/2]
    square = rest * rest
    total = square * _TAYLOR[-1]
    for coefficient in reversed(_TAYLOR[1:-1]):
        total += coefficient
        total *= square
    return np.asarray((total + 1) * rest, dtype=np.float32)


def cos(angle: Array | float) -> Array:
    """Return the cosine of angles in radians below 1,000, as float32 within 1e-7."""
    return sin(np.add(angle, _TURN / 4, dtype=np.float64))


def hypot(x: Array, y: Array) -> Array:
    """Return the length of each (x, y)."""
    squares = np.multiply(x, x, dtype=np.float64) + np.multiply(y, y, dtype=np.float64)
    return np.asarray(np.sqrt(squares), dtype=np.float32)


def exp(x: float) -> float:
    """Return e to the power of x, correctly rounded."""
    return float(_DIGITS.exp(Decimal(x)))


def uniform(rng: np.random.Generator, low: float, high: float, count: int) -> Array:
    """Draw numbers evenly from [low, high)."""
    return np.asarray(low + rng.random(count) * (high - low), dtype=np.float32)


def noise(rng: np.random.Generator, side: int) -> Array:
    """Draw bell-shaped noise of shape (side, side, 1), mean 0, standard deviation 1: sums of four bytes."""
    sums = np.frombuffer(rng.bytes(4 * side * side), np.uint8).reshape(4, side, side).sum(0, dtype=np.int32)
    return np.asarray((sums - 510) / math.sqrt((2**16 - 1) / 3), dtype=np.float32)[..., None]
