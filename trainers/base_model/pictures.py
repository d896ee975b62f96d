"""Pictures to learn from: drawn like the benchmarks' but from seeds that no benchmark uses.

The drawing code is a builder, so it is found by name through the registry, as every catalogue file is.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rise_bench.synthetic import drawing
from rise_bench.synthetic import kinds as _kinds
from rise_bench.synthetic import moods as _moods
from rise_bench.synthetic import scenes as _scenes
from rise_bench.synthetic import vocabulary as _cues
from rise_bench.trainers.base_model.architecture import SIDE_PX

_draw = drawing.draw


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture and everything that is true of it.

    Attributes:
        pixels: uint8, (112, 112, 3).
        benchmark: Which benchmark's pictures it is like: moods, kinds or scenes.
        cues: Cue to value for moods and kinds, else empty.
        whole: Cues that hold for the picture as a whole; for moods and kinds these are all cues.
        things: Every drawn object.
        boxes_xywh: Their boxes as fractions of the picture.
    """

    pixels: NDArray[np.uint8]
    benchmark: str
    cues: dict[str, str]
    whole: dict[str, str]
    things: tuple[Any, ...]
    boxes_xywh: tuple[tuple[float, ...], ...]


def vocabulary() -> dict[str, tuple[str, ...]]:
    """Return the values of every cue."""
    return {**_moods.CUES, "texture": _cues.TEXTURES}


def see(rng: random.Random, benchmark: str) -> Seen:
    """Draw one picture like those of a benchmark."""
    cues: dict[str, str] = {}
    if benchmark == "moods":
        cues = _moods.sample_cues(rng)
        picture = _moods.picture(cues, rng)
    elif benchmark == "kinds":
        cues = _kinds.sample_cues(rng, rng.randrange(20))
        picture = _kinds.picture(cues, rng)
    else:
        picture = _scenes.sample_scene(rng, one_target=rng.random() < 0.5).picture
    drawing = _draw(picture, SIDE_PX)
    whole = cues or {k: getattr(picture, k) for k in ("ground", "backdrop", "frame", "light")}
    boxes = tuple(tuple(side / SIDE_PX for side in box) for box in drawing.boxes_xywh_px)
    return Seen(drawing.pixels, benchmark, cues, whole, picture.things, boxes)
