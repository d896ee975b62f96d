"""kinds: one object, twenty classes (texture and shape); colour, ground and the rest mean nothing."""

from __future__ import annotations

import random
from collections.abc import Mapping

from rise_bench.annotations.distribution.values import Distribution
from rise_bench.synthetic.vocabulary import (
    COLOURS,
    FRAMES,
    GROUNDS,
    HELD_OUT_PAIRS,
    LIGHTS,
    SHAPES,
    TEXTURES,
    Picture,
    Thing,
)

KINDS = tuple(f"{texture} {shape}" for texture in TEXTURES for shape in SHAPES)


def sample_cues(rng: random.Random, index: int, held_out: bool | None = None) -> dict[str, str]:
    """Draw the cues of one object; classes take turns by `index`."""
    texture, shape = KINDS[index % len(KINDS)].split()
    allowed = [c for c in COLOURS if held_out is None or ((shape, c) in HELD_OUT_PAIRS) == held_out]
    return {
        "shape": shape,
        "texture": texture,
        "colour": rng.choice(allowed),
        "ground": rng.choice(GROUNDS),
        "backdrop": rng.choice(TEXTURES),
        "frame": rng.choice(FRAMES),
        "light": rng.choice(LIGHTS),
    }


def kind(cues: Mapping[str, str]) -> Distribution:
    """Return the one-hot annotation."""
    name = f"{cues['texture']} {cues['shape']}"
    return Distribution(KINDS, tuple(float(k == name) for k in KINDS))


def picture(cues: Mapping[str, str], rng: random.Random) -> Picture:
    """Lay out a picture with these cues."""
    radius = rng.uniform(0.22, 0.32)
    x, y = (rng.uniform(0.08 + radius, 0.92 - radius) for _ in "xy")
    thing = Thing(cues["shape"], cues["colour"], cues["texture"], x, y, radius, rng.uniform(-0.3, 0.3))
    return Picture(
        cues["ground"], cues["backdrop"], (thing,), cues["frame"], cues["light"], rng.getrandbits(32)
    )
