"""Pictures of lessons: drawn like those of benchmarks, with seeds outside benchmarks."""

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
    """Picture and its properties.

    Attributes:
        pixels: uint8, (112, 112, 3).
        benchmark: Benchmark of similar pictures: moods, kinds or scenes.
        cues: Value by cue for moods and kinds, else empty.
        whole: Cues of the whole picture; for moods and kinds all cues.
        things: All drawn objects.
        boxes_xywh: Boxes of the objects as fractions of the picture.
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
    """Draw a picture like those of a benchmark."""
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
