"""Pictures of lessons: drawn like those of benchmarks, with seeds outside benchmarks."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rise_bench.synthetic import changes as _changes
from rise_bench.synthetic import counting as _counting
from rise_bench.synthetic import kinds as _kinds
from rise_bench.synthetic import moods as _moods
from rise_bench.synthetic import scenes as _scenes
from rise_bench.synthetic import vocabulary as _cues
from rise_bench.synthetic.drawing import draw
from rise_bench.synthetic.vocabulary import Picture, Thing
from rise_bench.trainers.base_model.architecture import SIDE_PX

BENCHMARKS = ("moods", "scenes", "kinds", "drawn_counting", "drawn_changes")
OTHER_SHAPES_SHARE = 0.3
"""Share of pictures of counting and changes with the shapes that these benchmarks show out of domain."""
_KEPT = 1500  # pictures of each benchmark that a gallery chooses from


@dataclass(frozen=True, slots=True)
class Seen:
    """Picture and its properties.

    Attributes:
        pixels: uint8, (112, 112, 3).
        benchmark: Benchmark of similar pictures.
        cues: Value by cue for moods and kinds, else empty.
        whole: Cues of the whole picture; for moods and kinds all cues.
        things: All drawn objects.
        boxes_xywh: Boxes of the objects as fractions of the picture.
        row: Question and answer of counting and changes.
        second: The second picture of changes.
    """

    pixels: NDArray[np.uint8]
    benchmark: str
    cues: dict[str, str]
    whole: dict[str, str]
    things: tuple[Thing, ...]
    boxes_xywh: tuple[tuple[float, ...], ...]
    row: Any = None
    second: Seen | None = None

    @property
    def pictures(self) -> tuple[Seen, ...]:
        """The picture, or both."""
        return (self,) if self.second is None else (self, self.second)


def vocabulary() -> dict[str, tuple[str, ...]]:
    """Return the values of every cue."""
    return {**_moods.CUES, "texture": _cues.TEXTURES}


def see(rng: random.Random, benchmark: str) -> Seen:
    """Draw what a row like those of a benchmark shows."""
    if benchmark == "moods":
        cues = _moods.sample_cues(rng)
        return _seen(_moods.picture(cues, rng), benchmark, cues)
    if benchmark == "kinds":
        cues = _kinds.sample_cues(rng, rng.randrange(20))
        return _seen(_kinds.picture(cues, rng), benchmark, cues)
    if benchmark == "scenes":
        return _seen(_scenes.sample_scene(rng, one_target=rng.random() < 0.5).picture, benchmark)
    elsewhere = rng.random() < OTHER_SHAPES_SHARE
    if benchmark == "drawn_counting":
        shapes = _counting.OTHER_SHAPES if elsewhere else _counting.SEEN_SHAPES
        count = _counting.sample_count(rng, rng.randint(0, _counting.LARGEST_COUNT), shapes)
        return _seen(count.picture, benchmark, row=count)
    changes = _changes.sample_changes(rng, rng.randint(1, _changes.MOST_CHANGES), out_of_domain=elsewhere)
    return _seen(changes.before, benchmark, row=changes, second=_seen(changes.after, benchmark))


def _seen(picture: Picture, benchmark: str, cues: dict[str, str] | None = None, **row: Any) -> Seen:
    drawn = draw(picture, SIDE_PX)
    whole = cues or {k: getattr(picture, k) for k in ("ground", "backdrop", "frame", "light")}
    boxes = tuple(tuple(side / SIDE_PX for side in box) for box in drawn.boxes_xywh_px)
    return Seen(drawn.pixels, benchmark, cues or {}, whole, picture.things, boxes, **row)


class Gallery:
    """Pictures in use: of three that are seen, one is drawn and two were seen before, which saves drawing."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._seen: dict[str, list[Seen]] = {name: [] for name in BENCHMARKS}

    def see(self, benchmark: str) -> Seen:
        """Return what a row like those of a benchmark shows."""
        seen = self._seen[benchmark]
        if len(seen) > 100 and self._rng.random() < 2 / 3:
            return self._rng.choice(seen)
        new = see(self._rng, benchmark)
        if len(seen) < _KEPT:
            seen.append(new)
        else:
            seen[self._rng.randrange(_KEPT)] = new
        return new
