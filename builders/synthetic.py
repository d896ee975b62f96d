"""Source plans of the drawn benchmarks, for `rise-bench build moods` and the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, cast

from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.catalog.parts import parts_of
from rise_bench.data.build_plan import SourcePlan, SourceRow
from rise_bench.errors import ConfigError
from rise_bench.synthetic.drawing import SIDE_PX
from rise_bench.synthetic.rows import DEFAULT_COUNTS, DrawnBenchmark, Split, drawn_rows
from rise_bench.synthetic.vocabulary import SHAPES, world_version

_NOTES = {
    "test": "Test pictures are about (shape, colour) pairs that no training picture shows.",
    "validation": "Drawn to choose settings: its test rows are pictures like those of training, but others.",
}
_LIKE_TRAINING = (
    "Test rows are pictures like those of training, but others; the out-of-domain test shows other"
)
_FURTHER = {
    "drawn_counting": f"{_LIKE_TRAINING} shapes.",
    "drawn_changes": f"{_LIKE_TRAINING} shapes, the second picture seen by a camera that has moved.",
}


def plan(
    benchmark: DrawnBenchmark,
    *,
    train: int | None = None,
    test: int | None = None,
    seed: int = 0,
    side_px: int = SIDE_PX,
    test_split: Literal["validation", "test"] = "test",
    test_seed: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
) -> SourcePlan:
    """Draw a benchmark.

    Args:
        benchmark: moods, scenes, kinds, drawn_counting or drawn_changes.
        train: Number of training rows; None for the default of `DEFAULT_COUNTS`.
        test: Number of test rows, and of each out-of-domain test; None for the default.
        seed: Seed of the pictures.
        side_px: Width and height of the pictures.
        test_split: Kind of test rows: `validation` draws new pictures like those of training, for choices
            that may not be made on test pictures.
        test_seed: Seed of the test pictures, for a test that others cannot draw; `seed` if None.
        progress: Called after each picture.

    Raises:
        ConfigError: If a count or the side makes no dataset.
    """
    defaults = DEFAULT_COUNTS[benchmark]
    counts = [n if n is not None else d for n, d in zip((train, test), defaults, strict=True)]
    if min(counts) < 1:
        raise ConfigError(
            f"{benchmark}: {counts[0]} training and {counts[1]} test rows; draw at least 1 of each"
        )
    if not 56 <= side_px <= 2048:
        raise ConfigError(f"{benchmark}: pictures of {side_px} px; choose a side from 56 to 2048")
    spec, done = get_benchmark(benchmark), 0
    others = parts_of(benchmark).values() if test_split == "test" else ()
    more_tests = tuple(split for split in others if split != "test")
    splits: tuple[Split, ...] = ("train", test_split, *cast(tuple[Split, ...], more_tests))
    sizes = (counts[0], *(counts[1] for _ in splits[1:]))
    rows: dict[Split, list[SourceRow]] = {split: [] for split in splits}
    for split, count in zip(splits, sizes, strict=True):
        drawn_from = seed if split == "train" or test_seed is None else test_seed
        for row in drawn_rows(benchmark, split, count, drawn_from):
            image, annotation = row.render(side_px)
            rows[split].append(
                SourceRow(
                    id=f"{benchmark}/{split}/{len(rows[split]):06d}",
                    source_id=row.source_id,
                    image=image,
                    annotation=annotation,
                    category=row.category,
                    question=row.question,
                    license=spec.license,
                    where=row.source_id,
                    size_px=(side_px, side_px),
                    more_images=row.render_further(side_px),
                )
            )
            done += 1
            progress(done, sum(sizes))
    return SourcePlan(
        spec,
        train=rows["train"],
        test=rows[test_split],
        categories=SHAPES if benchmark == "scenes" else (),
        notes=(
            "Drawn by rise-bench; `source_id` gives back every cue of a picture (docs/world.md).",
            _FURTHER[benchmark] if more_tests else _NOTES[test_split],
        ),
        options={"world_version": world_version(benchmark), "side_px": str(side_px)},
        more_tests={split: rows[split] for split in splits[2:]},
    )
