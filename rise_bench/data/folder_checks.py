"""Checks that hold for every dataset folder, of a benchmark or of chains of thought.

They compare the files with the manifest, the images with their rows, the scores of correct and empty answers
with the best and worst of the metric, and the configurations of the card with the files.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rise_bench.annotations.base import Gold
from rise_bench.data.card import split_card
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.ground_truth import (
    TOLERANCE,
    answers_problem,
    empty_answer,
    right_answer,
    truth_problem,
)
from rise_bench.data.image_facts import facts_of_row, inspect_image
from rise_bench.data.pictures import pictures_of
from rise_bench.data.schema import has_columns
from rise_bench.errors import DataError
from rise_bench.files.atomic import sha256_file
from rise_bench.scoring.scores import aggregate

if TYPE_CHECKING:
    from datasets import Features


@dataclass(frozen=True, slots=True)
class Finding:
    """Problem of a dataset: its place (a file, a row id, or "dataset") and what is wrong."""

    where: str
    problem: str


def check_files(dataset: BenchmarkDataset, *expected: "Features") -> Iterator[Finding]:
    """Compare the files with the manifest, and their columns with those that may be expected."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name, entry in dataset.manifest.files.items():
        path = dataset.root / name
        if sha256_file(path) != entry.sha256:
            yield Finding(name, "its sha256 is not the manifest's; rebuild the dataset")
            continue
        try:
            schema, rows = pq.read_schema(path), pq.read_metadata(path).num_rows
        except (pa.ArrowException, OSError) as error:
            yield Finding(name, f"not a parquet file ({error}); rebuild the dataset")
            continue
        if not any(has_columns(schema, columns) for columns in expected):
            yield Finding(name, "its columns are not those of the schema; rebuild with this rise-bench")
        if rows != entry.rows:
            yield Finding(name, f"holds {rows} rows, the manifest says {entry.rows}")
    for path in sorted((dataset.root / "data").glob("*")):
        name = path.relative_to(dataset.root).as_posix()
        if name not in dataset.manifest.files:
            yield Finding(name, "is not in the manifest; remove it")


def image_problems(dataset: BenchmarkDataset, row: dict[str, Any]) -> Iterator[str]:
    """Yield the problems of the images of a row."""
    if dataset.manifest.images_sha256.get(row["id"]) != row["source_sha256"]:
        yield "source_sha256 is not the manifest's"
    pictures, expected = pictures_of(row), dataset.spec.images_per_row
    if dataset.manifest.images == "reference":
        if row[dataset.spec.image_column] is not None:
            yield "holds an image in a dataset by reference"
        return
    if len(pictures) != expected:
        yield f"has {len(pictures)} images, expected {expected}" if pictures else "has no image"
        return
    try:
        facts = facts_of_row([inspect_image(data, "the image") for data in pictures], "the images")
    except DataError as error:
        yield str(error)
        return
    if facts.sha256 != row["source_sha256"]:
        yield "the image is not the one that source_sha256 names"
    if (facts.width_px, facts.height_px) != (row["width"], row["height"]):
        stated = f"{row['width']} x {row['height']}"
        yield f"the image is {facts.width_px} x {facts.height_px} px, the row says {stated}"


def check_scores(dataset: BenchmarkDataset, split: str, golds: list[Gold]) -> Iterator[Finding]:
    """Score correct and empty answers like responses of a model."""
    spec = dataset.spec
    scored: list[Gold] = []
    for gold in golds:
        if problem := truth_problem(spec, gold):
            yield Finding(f"row {gold.id!r}", problem)
        else:
            scored.append(gold)
    if not scored:
        return
    true = [right_answer(gold) for gold in scored]
    empty = [empty_answer(gold) for gold in scored]
    for gold, best, worst in zip(scored, true, empty, strict=True):
        if problem := answers_problem(spec, best, worst):
            yield Finding(f"row {gold.id!r}", problem)
    cases = ((true, spec.ranking.best, "the true answers"), (empty, spec.ranking.worst, "empty answers"))
    for scores, expected, name in cases:
        value = aggregate(spec, scored, scores, resamples=0).metrics[spec.metric].value
        if math.isnan(value):
            yield Finding(
                f"split {split}",
                f"{spec.metric} is not defined on it: none of its {len(scored)} rows has what it "
                "counts (boxes: an object); give it some, or another --seed or --test-fraction",
            )
            return
        if not abs(value - expected) <= TOLERANCE:
            yield Finding(f"split {split}", f"{name} have {spec.metric} {value:g}, expected {expected:g}")


def check_configurations(
    dataset: BenchmarkDataset, wanted: Mapping[tuple[str, str], set[str]]
) -> tuple[list[Finding], set[str]]:
    """Compare the card's configurations with (configuration, split) -> names of files.

    Returns:
        The problems, and the names of the configurations.
    """
    try:
        metadata, _ = split_card(dataset.root)
        named = {
            (config_name(entry["config_name"], dataset.manifest.holds_cots), part["split"]): {
                path.name
                for pattern in ([part["path"]] if isinstance(part["path"], str) else part["path"])
                for path in dataset.root.glob(pattern)
            }
            for entry in metadata["configs"]
            for part in entry["data_files"]
        }
    except (DataError, KeyError, TypeError, ValueError, NotImplementedError) as error:
        return [Finding("README.md", f"has no readable configurations ({error}); rebuild the dataset")], set()
    return [
        Finding("README.md", f"configuration {config!r} does not name the files of {split}")
        for (config, split), files in wanted.items()
        if named.get((config, split), set()) != files
    ], {config for config, _ in named}


def config_name(name: str, of_cots: bool = False) -> str:
    """Name of a configuration today; version 0.1.0 called `full` `default`."""
    return "full" if name == "default" and not of_cots else name
