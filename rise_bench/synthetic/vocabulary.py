"""Vocabulary of drawn pictures, held-out pairs, and one seeded draw per row.

A cue is one visible property with a closed list of values. `shape` and `colour` exist in every benchmark, and
five of their 25 pairs are held out: no training picture holds one, every test picture is about one.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

VERSIONS = {"moods": "1", "scenes": "2", "kinds": "1", "drawn_counting": "1", "drawn_changes": "1"}
"""Version of each benchmark; it is part of every row's random stream and id."""

DRAWING_VERSION = "2"
"""Version of the pixels; another one draws the same rows, with the same annotations, as other bytes."""

SHAPES = ("disc", "star", "ring", "cross", "moon")
COLOURS = ("red", "blue", "white", "black", "yellow")
GROUNDS = ("pale", "dark", "golden", "green", "violet")
TEXTURES = ("plain", "striped", "dotted", "checked")
LAYOUTS = ("row", "column", "diagonal", "square")
SIZES = ("small", "large")
FRAMES = ("thick", "missing")
LIGHTS = ("even", "fading")

HELD_OUT_PAIRS = frozenset((shape, COLOURS[(2 * i + 1) % 5]) for i, shape in enumerate(SHAPES))
"""(shape, colour) pairs that only the test split shows; each shape and each colour is in exactly one."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One drawn object. Centre and radius are fractions of the picture's side; the angle is in radians."""

    shape: str
    colour: str
    texture: str
    x: float
    y: float
    radius: float
    angle: float = 0.0

    @property
    def size(self) -> str:
        """Size in words: large from a radius of 0.12 upwards; nothing is drawn between 0.11 and 0.12."""
        return "large" if self.radius >= 0.12 else "small"

    @property
    def place(self) -> str:
        """Ninth of the picture that contains the centre, for example "top left" or "centre"."""
        column = ("left", "", "right")[min(2, int(self.x * 3))]
        row = ("top", "", "bottom")[min(2, int(self.y * 3))]
        return f"{row} {column}".strip() or "centre"


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that the drawing depends on; `grain` seeds what means nothing (hue jitter, paper grain)."""

    ground: str
    backdrop: str
    things: tuple[Thing, ...]
    frame: str = "missing"
    light: str = "even"
    grain: int = 0


def picture_of(rng: random.Random, things: tuple[Thing, ...]) -> Picture:
    """Return a picture of things, with surroundings of the row."""
    ground, backdrop = rng.choice(GROUNDS), rng.choice(TEXTURES)
    return Picture(ground, backdrop, things, rng.choice(FRAMES), rng.choice(LIGHTS), rng.getrandbits(32))


def row_random(benchmark: str, seed: int, split: str, index: int) -> random.Random:
    """Return the random stream of one row: it depends on these four and the benchmark's version only."""
    key = f"{benchmark}:{VERSIONS[benchmark]}:{seed}:{split}:{index}"
    return random.Random(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big"))


def world_version(benchmark: str) -> str:
    """Return the version of rows and pixels together, for example "1.2"; equal versions give equal bytes."""
    return f"{VERSIONS[benchmark]}.{DRAWING_VERSION}"


def source_id(benchmark: str, seed: int, split: str, index: int) -> str:
    """Return the id from which the row, with all its cues, can be drawn again."""
    return f"{benchmark}-v{VERSIONS[benchmark]}-{seed}-{split}-{index:06d}"


def pair(rng: random.Random, held_out: bool) -> tuple[str, str]:
    """Draw a (shape, colour) pair from the held-out ones or from all the others."""
    pairs = [(s, c) for s in SHAPES for c in COLOURS if ((s, c) in HELD_OUT_PAIRS) == held_out]
    return rng.choice(pairs)
