"""moods: a distribution over seven emotions that follows from five visible cues; three others mean nothing.

The annotation is softmax(SHARPNESS * sum of the five cues' rows of `TABLE`), rounded to twentieths.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

import numpy as np

from rise_bench.annotations.distribution.values import Distribution
from rise_bench.synthetic.exact import exp
from rise_bench.synthetic.vocabulary import (
    COLOURS,
    FRAMES,
    GROUNDS,
    LAYOUTS,
    LIGHTS,
    SHAPES,
    SIZES,
    TEXTURES,
    Picture,
    Thing,
    pair,
)

MOODS = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
CUES: dict[str, tuple[str, ...]] = {
    "shape": SHAPES,
    "colour": COLOURS,
    "ground": GROUNDS,
    "backdrop": TEXTURES,
    "layout": LAYOUTS,
    "size": SIZES,
    "frame": FRAMES,
    "light": LIGHTS,
}
RELEVANT = ("shape", "colour", "ground", "backdrop", "layout")
DISTRACTORS = ("size", "frame", "light")
SHARPNESS = 1.4
TABLE: dict[str, dict[str, tuple[float, ...]]] = {  # columns in the order of MOODS
    "shape": {
        "disc": (-1.1, -0.4, -0.7, 0.3, 0.4, -0.6, 1.4),
        "star": (-0.3, -1.0, -0.9, 1.2, -1.3, 1.1, -0.2),
        "ring": (-0.6, 1.2, 0.2, -0.5, 0.1, 0.5, 0.1),
        "cross": (1.4, 0.2, 0.9, -1.4, 0.5, -0.9, -0.4),
        "moon": (-0.9, -0.5, 0.6, 0.1, 1.3, 0.4, -0.6),
    },
    "colour": {
        "red": (1.6, 0.2, 0.3, -0.2, -1.2, 0.6, -1.0),
        "blue": (-1.0, -0.8, -0.2, 0.1, 1.4, -0.5, 0.6),
        "white": (-1.2, -0.9, 0.1, 0.5, -0.4, 0.8, 1.1),
        "black": (0.5, 0.6, 1.4, -1.5, 0.7, -0.8, -0.3),
        "yellow": (-0.6, 1.0, -1.1, 1.4, -0.9, 0.5, -0.4),
    },
    "ground": {
        "pale": (-0.8, -0.3, -0.6, -0.2, 0.5, -0.7, 1.5),
        "dark": (0.7, -0.2, 1.5, -1.3, 0.6, 0.1, -0.7),
        "golden": (0.3, -1.2, -0.9, 1.5, -0.6, 0.2, -0.3),
        "green": (-0.7, 1.6, -0.4, 0.1, -0.3, -0.8, 0.5),
        "violet": (-0.2, 0.4, 0.3, -0.6, 0.4, 1.4, -1.1),
    },
    "backdrop": {
        "plain": (-0.5, -0.9, 0.1, -0.3, 0.7, -0.9, 1.2),
        "striped": (1.3, 0.1, 0.3, -0.6, -0.4, 0.5, -0.8),
        "dotted": (-1.0, 0.3, -0.8, 1.2, -0.6, 0.9, -0.3),
        "checked": (0.2, 0.9, 0.5, -0.3, 0.4, -0.2, -0.1),
    },
    "layout": {
        "row": (-0.2, -0.6, -0.5, 0.2, 0.3, -1.0, 1.0),
        "column": (0.9, -0.1, 0.6, -0.7, -0.8, 0.3, -0.2),
        "diagonal": (0.4, 0.2, -0.3, 0.1, -0.9, 1.3, -0.7),
        "square": (-0.8, 0.6, 0.2, 0.5, 1.0, -0.5, -0.1),
    },
}
PLACES = {
    "row": ((0.21, 0.5), (0.5, 0.5), (0.79, 0.5)),
    "column": ((0.5, 0.21), (0.5, 0.5), (0.5, 0.79)),
    "diagonal": ((0.23, 0.23), (0.5, 0.5), (0.77, 0.77)),
    "square": ((0.27, 0.27), (0.73, 0.27), (0.27, 0.73), (0.73, 0.73)),
}

Table = Mapping[str, Mapping[str, tuple[float, ...]]]


def sample_cues(rng: random.Random, held_out: bool | None = None) -> dict[str, str]:
    """Draw every cue evenly; `held_out` restricts the (shape, colour) pair, None allows all 25."""
    cues = {name: rng.choice(values) for name, values in CUES.items()}
    if held_out is not None:
        cues["shape"], cues["colour"] = pair(rng, held_out)
    return cues


def mood(cues: Mapping[str, str], table: Table = TABLE, classes: tuple[str, ...] = MOODS) -> Distribution:
    """Return the annotation of cues, in twentieths that sum to 1.

    Args:
        cues: Values of the relevant cues; a missing cue is averaged over its values.
        table: Weights of each cue value on each class.
        classes: Classes of the columns of the table.
    """
    moods: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = [np.zeros(len(classes))]
    for name in RELEVANT:
        values = (cues[name],) if name in cues else CUES[name]
        moods = [sum_ + np.asarray(table[name][value]) for sum_ in moods for value in values]
    powers = [np.array([exp(float(p)) for p in SHARPNESS * (m - m.max())]) for m in moods]
    probs = np.mean([p / p.sum() for p in powers], axis=0)
    return Distribution(classes, tuple(int(unit) / 20 for unit in _twentieths(probs)))


def _twentieths(probs: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[int]:
    scaled = [round(float(p) * 20, 9) for p in probs]
    units = [int(s) for s in scaled]
    for i in sorted(range(len(units)), key=lambda i: (units[i] - scaled[i], i))[: 20 - sum(units)]:
        units[i] += 1
    return units


def picture(cues: Mapping[str, str], rng: random.Random) -> Picture:
    """Lay out a picture with these cues; place, size, angle and hue vary within what the words allow."""
    radius = rng.uniform(0.125, 0.145) if cues["size"] == "large" else rng.uniform(0.095, 0.105)
    dx, dy = rng.uniform(-0.03, 0.03), rng.uniform(-0.03, 0.03)
    things = tuple(
        Thing(
            cues["shape"],
            cues["colour"],
            "plain",
            x + dx + rng.uniform(-0.015, 0.015),
            y + dy + rng.uniform(-0.015, 0.015),
            radius * rng.uniform(0.96, 1.04),
            rng.uniform(-0.25, 0.25),
        )
        for x, y in PLACES[cues["layout"]]
    )
    return Picture(
        cues["ground"], cues["backdrop"], things, cues["frame"], cues["light"], rng.getrandbits(32)
    )
