"""Signed distances of the drawn shapes (negative inside, unit radius), and the textures as smooth waves.

A signed distance gives antialiased edges, outlines and soft shadows at any resolution without supersampling.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def _disc(x: Array, y: Array) -> Array:
    return np.hypot(x, y) - np.float32(0.96)


def _ring(x: Array, y: Array) -> Array:
    return np.abs(np.hypot(x, y) - np.float32(0.72)) - np.float32(0.25)


def _box(x: Array, y: Array, half_width: float, half_height: float, corner: float) -> Array:
    dx = np.abs(x) - np.float32(half_width - corner)
    dy = np.abs(y) - np.float32(half_height - corner)
    outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
    return outside + np.minimum(np.maximum(dx, dy), 0) - np.float32(corner)


def _cross(x: Array, y: Array) -> Array:
    return np.minimum(_box(x, y, 0.98, 0.33, 0.1), _box(x, y, 0.33, 0.98, 0.1))


def _moon(x: Array, y: Array) -> Array:
    x = x - np.float32(0.18)
    bite = np.float32(0.84) - np.hypot(x - np.float32(0.52), y)
    moon: Array = np.maximum(np.hypot(x, y) - np.float32(1.0), bite)
    return moon


def _star(x: Array, y: Array) -> Array:
    """Five points; the distance to one edge, after folding the plane into a tenth of a turn."""
    turn = np.float32(2 * np.pi / 5)
    angle = np.arctan2(x, -y)
    folded = np.abs(np.mod(angle + turn / 2, turn) - turn / 2)
    length = np.hypot(x, y)
    px, py = length * np.sin(folded), length * np.cos(folded)
    tip = np.array([0.0, 1.1])
    notch = 0.5 * np.array([np.sin(np.pi / 5), np.cos(np.pi / 5)])
    edge = notch - tip
    normal = np.array([-edge[1], edge[0]]) / np.hypot(edge[0], edge[1])
    along = (px - np.float32(tip[0])) * np.float32(normal[0]) + (py - np.float32(tip[1])) * np.float32(
        normal[1]
    )
    return np.asarray(along, dtype=np.float32)


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
        texture: one of `cues.TEXTURES`.
        x: coordinates, any unit.
        y: coordinates, same unit and shape.
        period: distance between two repeats in that unit.
        softness: width of an edge as a share of the period.
    """
    wave = np.float32(2 * np.pi / period)
    if texture == "plain":
        return np.zeros_like(x)
    if texture == "striped":
        height = np.sin((x + y * np.float32(0.6)) * wave)
    elif texture == "dotted":
        height = (np.cos(x * wave) + np.cos(y * wave)) * np.float32(0.5) - np.float32(0.25)
    elif texture == "checked":
        height = np.sin(x * wave * np.float32(0.5)) * np.sin(y * wave * np.float32(0.5))
    else:
        raise ValueError(f"unknown texture {texture!r}")
    return np.clip(height / np.float32(np.pi * softness) + np.float32(0.5), 0, 1)
