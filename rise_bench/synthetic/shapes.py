"""Signed distances of the drawn shapes (negative inside, unit radius), and the textures as smooth waves.

A signed distance gives antialiased edges, outlines and soft shadows at any resolution without supersampling.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rise_bench.synthetic.exact import Array, cos, hypot, sin


def _disc(x: Array, y: Array) -> Array:
    return hypot(x, y) - np.float32(0.96)


def _ring(x: Array, y: Array) -> Array:
    ring: Array = np.abs(hypot(x, y) - np.float32(0.72)) - np.float32(0.25)
    return ring


def _box(x: Array, y: Array, half_width: float, half_height: float, corner: float) -> Array:
    dx = np.abs(x) - np.float32(half_width - corner)
    dy = np.abs(y) - np.float32(half_height - corner)
    outside = hypot(np.maximum(dx, 0), np.maximum(dy, 0))
    return outside + np.minimum(np.maximum(dx, dy), 0) - np.float32(corner)


def _cross(x: Array, y: Array) -> Array:
    return np.minimum(_box(x, y, 0.98, 0.33, 0.1), _box(x, y, 0.33, 0.98, 0.1))


def _moon(x: Array, y: Array) -> Array:
    x = x - np.float32(0.18)
    bite = np.float32(0.84) - hypot(x - np.float32(0.52), y)
    moon: Array = np.maximum(hypot(x, y) - np.float32(1.0), bite)
    return moon


_ARMS = tuple((float(sin(k * 0.4 * np.pi)), float(cos(k * 0.4 * np.pi))) for k in range(5))
_TIP = 1.1
_EDGE = (0.92113531, 0.38924253)
"""Normal of the edge from the tip of an arm to the notch beside it, half as far out as the unit circle."""


def _star(x: Array, y: Array) -> Array:
    """Five points; the distance to one edge of the arm that is nearest."""
    out, aside = -y, np.abs(x)
    for sine, cosine in _ARMS[1:]:
        along = x * np.float32(sine) - y * np.float32(cosine)
        nearer = along > out
        aside = np.where(nearer, np.abs(x * np.float32(cosine) + y * np.float32(sine)), aside)
        out = np.where(nearer, along, out)
    return aside * np.float32(_EDGE[0]) + (out - np.float32(_TIP)) * np.float32(_EDGE[1])


DISTANCES: dict[str, Callable[[Array, Array], Array]] = {
    "disc": _disc,
    "star": _star,
    "ring": _ring,
    "cross": _cross,
    "moon": _moon,
}


def pattern(texture: str, x: Array, y: Array, period: float, softness: float) -> Array:
    """Return a texture in [0, 1] at the given points.

    Args:
        texture: Name in `cues.TEXTURES`.
        x: Coordinates in any unit.
        y: Coordinates in the same unit and shape.
        period: Distance between repeats in that unit.
        softness: Width of an edge as a share of the period.
    """
    wave = np.float32(2 * np.pi / period)
    if texture == "plain":
        return np.zeros_like(x)
    if texture == "striped":
        height = sin((x + y * np.float32(0.6)) * wave)
    elif texture == "dotted":
        height = (cos(x * wave) + cos(y * wave)) * np.float32(0.5) - np.float32(0.25)
    elif texture == "checked":
        height = sin(x * wave * np.float32(0.5)) * sin(y * wave * np.float32(0.5))
    else:
        raise ValueError(f"unknown texture {texture!r}")
    return np.asarray(
        np.clip(height / np.float32(np.pi * softness) + np.float32(0.5), 0, 1), dtype=np.float32
    )
