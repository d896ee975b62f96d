"""A benchmark whose rows have two pictures: whether the second shows what the first does."""

from pathlib import Path

from rise_bench.annotations.distribution.values import Distribution
from rise_bench.catalog.spec import BenchmarkSpec, ImagePolicy
from rise_bench.data.build_plan import SourcePlan, SourceRow
from rise_bench.data.dataset import BenchmarkDataset, open_dataset
from rise_bench.data.writer import write_dataset

from .made_sources import write_photo

CLASSES = ("same", "changed")


def pairs_spec(images: ImagePolicy = "embed") -> BenchmarkSpec:
    return BenchmarkSpec(
        "pairs",
        "distribution",
        "accuracy",
        "Did anything change from the first picture to the second?",
        CLASSES,
        images=images,
        images_per_row=2,
    )


def pairs_plan(source: Path, train: int = 6, test: int = 4, images: ImagePolicy = "embed") -> SourcePlan:
    """Row i shows `before/<i>.jpg` and `after/<i>.jpg`, of 56 x 56 pixels."""
    rows = [
        SourceRow(
            f"pairs/{i:02}",
            f"before/{i}.jpg after/{i}.jpg",
            write_photo(source / "before" / f"{i}.jpg", i, (56, 56)),
            Distribution(CLASSES, (float(i % 2 == 0), float(i % 2 == 1))),
            more_images=(write_photo(source / "after" / f"{i}.jpg", 1000 + i, (56, 56)),),
        )
        for i in range(train + test)
    ]
    return SourcePlan(pairs_spec(images), rows[:train], rows[train:])


def write_pairs(folder: Path, name: str = "pairs", **options: object) -> BenchmarkDataset:
    """Write `folder/name` from `folder/source`."""
    write_dataset(pairs_plan(folder / "source", **options), folder / name, workers=1)  # type: ignore[arg-type]
    return open_dataset(folder / name)
