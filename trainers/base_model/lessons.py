"""Lessons of the base model by topic: with a picture, and from text alone."""

from __future__ import annotations

import random
from collections.abc import Callable

from rise_bench.trainers.base_model.count_and_change_lessons import (
    change_picture,
    change_text,
    count_picture,
    count_text,
)
from rise_bench.trainers.base_model.lesson import Lesson
from rise_bench.trainers.base_model.mood_and_kind_lessons import (
    kind_picture,
    kind_text,
    mood_picture,
    mood_text,
)
from rise_bench.trainers.base_model.pictures import BENCHMARKS, Gallery, Seen
from rise_bench.trainers.base_model.scene_lessons import place_text, scene_picture

_TEXTS: dict[str, tuple[Callable[[random.Random, tuple[Seen, ...]], Lesson], float]] = {
    "moods": (mood_text, 0.54),
    "kinds": (kind_text, 0.36),
    "scenes": (place_text, 0.04),
    "drawn_counting": (count_text, 0.06),
    "drawn_changes": (change_text, 0.24),
}
"""Lessons from text alone by benchmark, and the weight of each."""

BESIDE = 0.5
"""Share of the texts beside an unrelated picture, which half the time is one of their own benchmark."""


def picture_lesson(rng: random.Random, seen: Seen, topic: str = "any") -> Lesson:
    """Return a lesson on a picture; `topic` is "describe", "point" (boxes and counts) or "any"."""
    if seen.benchmark == "moods":
        return mood_picture(rng, seen)
    if seen.benchmark == "kinds":
        return kind_picture(rng, seen)
    if seen.benchmark == "scenes":
        return scene_picture(rng, seen, topic)
    return (count_picture if seen.benchmark == "drawn_counting" else change_picture)(rng, seen, topic)


def text_lesson(rng: random.Random, gallery: Gallery | None = None) -> Lesson:
    """Return a lesson from text alone, or beside an unrelated picture of the gallery."""
    (name,) = rng.choices(list(_TEXTS), [share for _, share in _TEXTS.values()])
    beside: tuple[Seen, ...] = ()
    if gallery and rng.random() < BESIDE:
        beside = gallery.see(name if rng.random() < 0.5 else rng.choice(BENCHMARKS)).pictures
    return _TEXTS[name][0](rng, beside)
