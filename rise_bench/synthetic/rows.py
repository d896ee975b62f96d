"""One row of a drawn benchmark from its four coordinates: benchmark, seed, split, index."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from rise_bench.annotations.base import Annotation
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.steps.values import Steps
from rise_bench.annotations.value.values import Value
from rise_bench.errors import DataError
from rise_bench.synthetic import changes, counting, kinds, moods, scenes
from rise_bench.synthetic.drawing import SIDE_PX, draw, encode_jpeg
from rise_bench.synthetic.statements import reading_order
from rise_bench.synthetic.vocabulary import VERSIONS, Picture, Thing, row_random, source_id

DrawnBenchmark = Literal["moods", "scenes", "kinds", "drawn_counting", "drawn_changes"]
Split = Literal["train", "validation", "test", "ood"]
Truth = dict[str, str] | tuple[Thing, ...]

DEFAULT_COUNTS: dict[str, tuple[int, int]] = {
    "moods": (700, 200),
    "scenes": (500, 200),
    "kinds": (500, 200),
    "drawn_counting": (700, 210),
    "drawn_changes": (600, 200),
}
"""(train, test) rows that `rise-bench build` draws unless told otherwise."""

_SOURCE_ID = re.compile(rf"({'|'.join(VERSIONS)})-v(\w+)-(-?\d+)-({'|'.join(get_args(Split))})-(\d+)")


@dataclass(frozen=True, slots=True)
class DrawnRow:
    """Row of a drawn benchmark, before rendering.

    Attributes:
        source_id: Coordinates of the row, from which `truth_of` draws its cues again.
        picture: Drawn picture.
        truth: All cues: name to value for moods and kinds, the things for others.
        question: Question about this picture; empty if the benchmark has a common question.
        category: Shape of the targets (scenes), else empty.
        targets: Positions of the targets (scenes) or of what is counted (drawn_counting), else empty.
        answer: The annotation, if it is not boxes and does not follow from the cues.
        after: Second picture of the row, if it has one (drawn_changes); `truth` has the things of both.
    """

    source_id: str
    picture: Picture
    truth: Truth
    question: str = ""
    category: str = ""
    targets: tuple[int, ...] = ()
    answer: Annotation | None = None
    after: Picture | None = None

    @property
    def described(self) -> Truth:
        """Truth that the annotation follows from: all cues, the targets, or the second picture's things."""
        if isinstance(self.truth, dict):
            return self.truth
        if self.after is not None:
            return self.truth[len(self.truth) // 2 :]
        return tuple(self.truth[i] for i in reading_order(self.truth) if i in self.targets)

    def render(self, side_px: int = SIDE_PX) -> tuple[bytes, Annotation]:
        """Draw the row: JPEG bytes of a square image and its annotation (boxes in pixels of that image)."""
        drawing = draw(self.picture, side_px)
        return encode_jpeg(drawing.pixels), self.annotation(drawing.boxes_xywh_px)

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Pictures of the row, in order."""
        return (self.picture,) if self.after is None else (self.picture, self.after)

    def render_further(self, side_px: int = SIDE_PX) -> tuple[bytes, ...]:
        """Draw the pictures after the first, as JPEG bytes."""
        return tuple(encode_jpeg(draw(picture, side_px).pixels) for picture in self.pictures[1:])

    def annotation(self, boxes_xywh_px: Sequence[tuple[float, float, float, float]]) -> Annotation:
        """Return the annotation, given the boxes of all drawn things."""
        if self.answer is not None:
            return self.answer
        if isinstance(self.truth, tuple):
            return Boxes(tuple(boxes_xywh_px[i] for i in self.targets))
        return moods.mood(self.truth) if "layout" in self.truth else kinds.kind(self.truth)


def _moods_row(seed: int, split: Split, index: int) -> DrawnRow:
    rng = row_random("moods", seed, split, index)
    cues = moods.sample_cues(rng, held_out=split == "test")
    return DrawnRow(source_id("moods", seed, split, index), moods.picture(cues, rng), cues)


def _kinds_row(seed: int, split: Split, index: int) -> DrawnRow:
    rng = row_random("kinds", seed, split, index)
    cues = kinds.sample_cues(rng, index, held_out=split == "test")
    return DrawnRow(source_id("kinds", seed, split, index), kinds.picture(cues, rng), cues)


def _scenes_row(seed: int, split: Split, index: int) -> DrawnRow:
    rng = row_random("scenes", seed, split, index)
    scene = scenes.sample_scene(rng, one_target=index % 2 == 0, held_out=split == "test")
    return DrawnRow(
        source_id("scenes", seed, split, index),
        scene.picture,
        scene.picture.things,
        scene.question,
        scene.category,
        scene.targets,
    )


def _counting_row(seed: int, split: Split, index: int) -> DrawnRow:
    rng = row_random("drawn_counting", seed, split, index)
    shapes = counting.OTHER_SHAPES if split == "ood" else counting.SEEN_SHAPES
    count = counting.sample_count(rng, index % (counting.LARGEST_COUNT + 1), shapes)
    return DrawnRow(
        source_id("drawn_counting", seed, split, index),
        count.picture,
        count.picture.things,
        count.question,
        targets=count.counted,
        answer=Value(str(len(count.counted))),
    )


def _changes_row(seed: int, split: Split, index: int) -> DrawnRow:
    rng = row_random("drawn_changes", seed, split, index)
    drawn = changes.sample_changes(rng, 1 + index % changes.MOST_CHANGES, out_of_domain=split == "ood")
    return DrawnRow(
        source_id("drawn_changes", seed, split, index),
        drawn.before,
        (*drawn.before.things, *drawn.changed),
        drawn.question,
        answer=Steps(changes.FUNCTIONS, drawn.calls),
        after=drawn.after,
    )


_ROW: dict[str, Callable[[int, Split, int], DrawnRow]] = {
    "moods": _moods_row,
    "scenes": _scenes_row,
    "kinds": _kinds_row,
    "drawn_counting": _counting_row,
    "drawn_changes": _changes_row,
}


def drawn_row(benchmark: DrawnBenchmark, seed: int, split: Split, index: int) -> DrawnRow:
    """Return one row; equal arguments and an equal version of the benchmark give an equal row."""
    return _ROW[benchmark](seed, split, index)


def drawn_rows(benchmark: DrawnBenchmark, split: Split, count: int, seed: int = 0) -> Iterator[DrawnRow]:
    """Yield the first `count` rows of a split."""
    return (drawn_row(benchmark, seed, split, index) for index in range(count))


def row_of(source: str) -> DrawnRow:
    """Return a row from its `source_id`, for example "moods-v1-0-train-000012"."""
    match = _SOURCE_ID.fullmatch(source)
    if match is None or match[2] != VERSIONS[match[1]]:
        raise DataError(
            f"{source!r} is not a row of a drawn benchmark of today's versions "
            f"({', '.join(f'{name} {version}' for name, version in VERSIONS.items())}); "
            "rebuild it with `rise-bench build {'|'.join(VERSIONS)}`"
        )
    benchmark, _, seed, split, index = match.groups()
    return _ROW[benchmark](int(seed), cast(Split, split), int(index))


def truth_of(source: str) -> Truth:
    """Return all cues of a row from its `source_id`."""
    return row_of(source).truth
