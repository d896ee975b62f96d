"""Draws a `Picture`: gradient ground, woven backdrop, lit things with soft shadows, frame, paper grain."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rise_bench.synthetic.exact import Array, cos, hypot, noise, sin, uniform
from rise_bench.synthetic.shapes import DISTANCES, pattern
from rise_bench.synthetic.vocabulary import Picture, Thing

SIDE_PX = 224
"""Default width and height of a drawn picture."""

INK = {
    "red": (214, 48, 49),
    "blue": (40, 92, 214),
    "white": (248, 246, 238),
    "black": (28, 27, 34),
    "yellow": (250, 214, 54),
}
GROUND = {  # from the lit corner to the far one
    "pale": ((226, 231, 236), (172, 186, 203)),
    "dark": ((74, 74, 108), (30, 30, 54)),
    "golden": ((250, 186, 102), (202, 116, 58)),
    "green": ((132, 196, 146), (44, 118, 104)),
    "violet": ((206, 158, 216), (112, 76, 160)),
}
WOOD = (112, 70, 42)


@dataclass(frozen=True, slots=True)
class Drawing:
    """The pixels, uint8 of shape (side, side, 3), and one [x, y, w, h] box in pixels for each thing."""

    pixels: NDArray[np.uint8]
    boxes_xywh_px: tuple[tuple[float, float, float, float], ...]


def draw(picture: Picture, side_px: int = SIDE_PX) -> Drawing:
    """Draw a picture; the same picture and side give the same pixels."""
    rng = np.random.Generator(np.random.PCG64(picture.grain))
    axis = (np.arange(side_px, dtype=np.float32) + np.float32(0.5)) / np.float32(side_px)
    canvas = _ground(picture, axis, rng)
    boxes = tuple(_thing(canvas, thing, rng) for thing in picture.things)
    if picture.light == "fading":
        canvas *= np.linspace(1.04, 0.42, side_px, dtype=np.float32)[None, :, None]
    if picture.frame == "thick":
        _frame(canvas, axis)
    canvas += noise(rng, side_px) * np.float32(2.5)
    return Drawing(np.clip(canvas, 0, 255).astype(np.uint8), boxes)


def encode_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Return the JPEG bytes of a picture, without chroma subsampling."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=92, subsampling=0)
    return buffer.getvalue()


def _tint(colour: tuple[int, int, int], rng: np.random.Generator, spread: float) -> Array:
    return np.asarray(colour, dtype=np.float32) + uniform(rng, -spread, spread, 3)


def _ground(picture: Picture, axis: Array, rng: np.random.Generator) -> Array:
    near, far = (_tint(colour, rng, 9) for colour in GROUND[picture.ground])
    corner = uniform(rng, -0.1, 1.1, 2)
    x, y = axis[None, :] - corner[0], axis[:, None] - corner[1]
    depth = np.clip(hypot(x, y), 0, 1.1)[..., None] / np.float32(1.1)
    canvas = near + (far - near) * depth
    (turn,) = uniform(rng, -0.25, 0.25, 1)
    u = x * cos(turn) - y * sin(turn)
    v = x * sin(turn) + y * cos(turn)
    if picture.backdrop == "striped":
        v = v + np.float32(0.018) * sin(u * np.float32(14))
    weave = pattern(picture.backdrop, u, v, 0.125, 0.16)[..., None]
    (strength,) = uniform(rng, 0.20, 0.27, 1)
    if picture.ground == "dark":
        return np.asarray(canvas + weave * strength * np.float32(150), dtype=np.float32)
    return np.asarray(canvas * (1 - weave * strength), dtype=np.float32)


def _thing(canvas: Array, thing: Thing, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Paint one thing in place and return the bounds of its inside, half-open, in pixels."""
    side = canvas.shape[0]
    reach = thing.radius * 1.5
    x0, y0 = (max(0, int((c - reach) * side)) for c in (thing.x, thing.y))
    x1, y1 = (min(side, int((c + reach) * side) + 2) for c in (thing.x, thing.y))
    x = ((np.arange(x0, x1, dtype=np.float32) + np.float32(0.5)) / side - thing.x) / np.float32(thing.radius)
    y = ((np.arange(y0, y1, dtype=np.float32) + np.float32(0.5)) / side - thing.y) / np.float32(thing.radius)
    gx, gy = np.meshgrid(x, y)
    along, across = cos(thing.angle), sin(thing.angle)
    distance = DISTANCES[thing.shape]
    inside = distance(gx * along + gy * across, gy * along - gx * across)
    sx, sy = gx - np.float32(0.12), gy - np.float32(0.2)
    shadow = distance(sx * along + sy * across, sy * along - sx * across)
    pixel = np.float32(1 / (thing.radius * side))
    patch = canvas[y0:y1, x0:x1]
    patch *= 1 - (np.float32(0.5) * np.clip(np.float32(0.5) - shadow / np.float32(0.36), 0, 1))[..., None]
    cover = np.clip(np.float32(0.5) - inside / pixel, 0, 1)[..., None]
    patch += (_paint(thing, gx, gy, inside, rng) - patch) * cover
    columns, rows = np.flatnonzero((inside < 0).any(0)), np.flatnonzero((inside < 0).any(1))
    left, top = int(columns[0]) + x0, int(rows[0]) + y0
    return float(left), float(top), float(columns[-1] + x0 + 1 - left), float(rows[-1] + y0 + 1 - top)


def _paint(thing: Thing, x: Array, y: Array, inside: Array, rng: np.random.Generator) -> Array:
    """Return the colour of a thing: its ink, its texture, light from the upper left, and a thin edge."""
    ink = _tint(INK[thing.colour], rng, 10)
    bright = float(ink.mean()) > 120
    other = ink * np.float32(0.5) if bright else ink + (255 - ink) * np.float32(0.5)
    weave = pattern(thing.texture, x + np.float32(0.13), y + np.float32(0.07), 0.75, 0.2)[..., None]
    light = np.clip(np.float32(1.02) - (x + y) * np.float32(0.10), 0.8, 1.22)[..., None]
    gloss = np.clip(1 - hypot(x + np.float32(0.4), y + np.float32(0.45)) / np.float32(0.8), 0, 1)[..., None]
    body = (ink + (other - ink) * weave) * light + gloss * gloss * np.float32(34)
    edge = np.clip((inside + np.float32(0.11)) / np.float32(0.05), 0, 1)[..., None]
    line = ink * np.float32(0.42) if bright else ink + (255 - ink) * np.float32(0.45)
    return np.asarray(body + (line - body) * edge * np.float32(0.8), dtype=np.float32)


def _frame(canvas: Array, axis: Array) -> None:
    """Paint a wooden frame with a lit inner edge over the border."""
    width = np.float32(0.055)
    rim = np.minimum(np.minimum(axis, 1 - axis)[None, :], np.minimum(axis, 1 - axis)[:, None])
    grain = sin((axis[None, :] + axis[:, None] * np.float32(0.3)) * np.float32(90)) * np.float32(6)
    wood = np.asarray(WOOD, dtype=np.float32) + grain[..., None] + (rim / width)[..., None] * np.float32(46)
    cover = np.clip((width - rim) * np.float32(axis.size) + np.float32(0.5), 0, 1)[..., None]
    shade = np.clip(1 - (rim - width) / np.float32(0.03), 0, 1)[..., None] * np.float32(0.4)
    canvas *= 1 - shade
    canvas += (wood - canvas) * cover
