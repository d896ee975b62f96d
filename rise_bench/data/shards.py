"""Shards: the rows of each parquet file, written with bounded memory.

Workers read and decode ahead of the writer, at most `_AHEAD_BYTES` of images; the writer takes them in order,
so the bytes of a file do not depend on the number of workers. Images are stored without compression (they are
compressed already) and without a dictionary or statistics.
"""

import hashlib
import itertools
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from rise_bench.annotations.base import Gold
from rise_bench.data.build_plan import SourcePlan, SourceRow
from rise_bench.data.ground_truth import sample_problem
from rise_bench.data.image_column import GROUP_BYTES, image_writer
from rise_bench.data.image_facts import ImageFacts, facts_of_row, inspect_image
from rise_bench.data.manifest import RANKED_AS
from rise_bench.data.schema import features, gold_columns
from rise_bench.data.splits import TRAIN_SHARDS, rank_order, shard_of, shot_ranks
from rise_bench.errors import DataError
from rise_bench.files.images import open_image

#: Size of its images at which a file is closed; a killed run repeats at most one file.
SHARD_BYTES = 64 << 20

#: Encoded images of a row, and their facts.
LoadedImages = tuple[tuple[bytes, ...], ImageFacts]

_AHEAD_BYTES = 16 << 20
_AHEAD_ROWS = 256
#: Errors of images that are looked for, and listed.
_MOST_ERRORS, _LISTED_ERRORS = 200, 10


@dataclass(frozen=True, slots=True)
class PlacedRow:
    """Row with its rank in the few-shot order (None in test)."""

    row: SourceRow
    shot_rank: int | None


@dataclass(frozen=True, slots=True)
class Shard:
    """One parquet file to be written."""

    split: str
    name: str
    index: int
    rows: tuple[PlacedRow, ...]

    @property
    def path(self) -> str:
        """Path in the dataset folder."""
        stem = self.name if self.name == self.split else f"{self.split}-{self.name}"
        return f"data/{stem}-{self.index:05d}.parquet"


def size_bytes(row: SourceRow) -> int:
    """Return the size of a row's images."""
    try:
        return sum(len(image) if isinstance(image, bytes) else image.stat().st_size for image in row.images)
    except OSError as error:
        raise DataError(f"{row}: the image is missing ({error.strerror}); complete the source") from None


def plan_shards(plan: SourcePlan, seed: int) -> list[Shard]:
    """Assign rows to shards: train in rank order within each few-shot shard, test in id order."""
    source_ids = [row.source_id for row in plan.train]
    classes = [row.shot_class for row in plan.train] if plan.spec.shots_per == "class" else None
    name = plan.options.get(RANKED_AS, plan.spec.name)
    ranks = shot_ranks(seed, name, source_ids, classes)
    groups: dict[tuple[str, str], list[PlacedRow]] = {("train", shard): [] for shard in TRAIN_SHARDS}
    for i in rank_order(seed, name, source_ids):
        groups["train", shard_of(ranks[i])].append(PlacedRow(plan.train[i], ranks[i]))
    for split, rows in plan.tests.items():
        groups[split, split] = [PlacedRow(row, None) for row in sorted(rows, key=lambda row: row.id)]
    return [
        Shard(split, shard, index, rows)
        for (split, shard), placed in groups.items()
        for index, rows in enumerate(_cut(placed))
    ]


def _cut(placed: Sequence[PlacedRow]) -> Iterator[tuple[PlacedRow, ...]]:
    part: list[PlacedRow] = []
    total = 0
    for row in placed:
        part.append(row)
        total += size_bytes(row.row)
        if total >= SHARD_BYTES:
            yield tuple(part)
            part, total = [], 0
    if part:
        yield tuple(part)


def fingerprint(shard: Shard, plan: SourcePlan, versions: dict[str, str]) -> str:
    """Return a hash of all inputs of a shard's bytes; images count by path, size and time."""
    digest = hashlib.sha256(json.dumps([plan.spec.to_json(), plan.categories, versions]).encode())
    for placed in shard.rows:
        row = placed.row
        images = tuple(map(_mark, row.images))
        fields = (row.id, row.source_id, images, row.annotation, row.category, row.question, row.license)
        digest.update(repr((fields, row.size_px, placed.shot_rank)).encode())
    return digest.hexdigest()


def _mark(image: Path | bytes) -> str:
    if isinstance(image, bytes):
        return hashlib.sha256(image).hexdigest()
    stat = image.stat()
    return f"{image.absolute()}:{stat.st_size}:{stat.st_mtime_ns}"


def write_shard(
    path: Path,
    shard: Shard,
    plan: SourcePlan,
    images: Iterator[LoadedImages],
    advance: Callable[[], None] = lambda: None,
) -> list[ImageFacts]:
    """Write one parquet file, flushed to the disk; return the facts of its images in row order.

    Args:
        path: File to write.
        shard: Rows of the file.
        plan: Source plan of the shard.
        images: Images of these and later rows, in order.
        advance: Called after each row.

    Raises:
        DataError: If an image or an annotation is bad; names the file and its place in the source.
    """
    schema = features(plan.spec, plan.categories).arrow_schema
    facts: list[ImageFacts] = []
    with path.open("wb") as file:
        with image_writer(file, schema) as writer:
            group: list[dict[str, Any]] = []
            group_bytes = 0
            for placed in shard.rows:
                data, image = next(images)
                facts.append(image)
                group.append(_row(placed, data, image, plan))
                group_bytes += sum(map(len, data))
                advance()
                if group_bytes >= GROUP_BYTES:
                    writer.write_table(pa.Table.from_pylist(group, schema=schema))
                    group, group_bytes = [], 0
            if group:
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
        file.flush()
        os.fsync(file.fileno())
    return facts


def read_ahead(rows: Iterable[PlacedRow], pool: Executor) -> Iterator[LoadedImages]:
    """Yield the images of each row in order; the pool decodes ahead, bounded in number and bytes.

    Raises:
        DataError: An image is bad; lists this one and the bad ones among all that follow.
    """
    waiting: deque[tuple[Future[LoadedImages], int]] = deque()
    waiting_bytes = 0
    remaining = itertools.chain(rows, [None])
    for placed in remaining:
        while waiting and (placed is None or len(waiting) >= _AHEAD_ROWS or waiting_bytes >= _AHEAD_BYTES):
            future, size = waiting.popleft()
            waiting_bytes -= size
            if isinstance(error := future.exception(), DataError):
                later = (row for row in (placed, *remaining) if row is not None)
                raise _with_others(error, [future for future, _ in waiting], later, pool)
            yield future.result()
        if placed is not None:
            size = size_bytes(placed.row)
            waiting.append((pool.submit(_load, placed.row), size))
            waiting_bytes += size


def _with_others(
    first: DataError, waiting: Sequence[Future[LoadedImages]], later: Iterable[PlacedRow], pool: Executor
) -> DataError:
    """Return the error of a bad image with those of the images after it."""
    errors = [first, *(error for future in waiting if isinstance(error := future.exception(), DataError))]
    rest = iter(later)
    while len(errors) < _MOST_ERRORS and (part := list(itertools.islice(rest, _AHEAD_ROWS))):
        errors += filter(None, pool.map(_problem, [placed.row for placed in part]))
    if len(errors) == 1:
        return first
    listed = "".join(f"\n- {error}" for error in errors[:_LISTED_ERRORS])
    more = f"\n- and {len(errors) - _LISTED_ERRORS} more" if len(errors) > _LISTED_ERRORS else ""
    return DataError(f"{len(errors)} pictures are bad:{listed}{more}")


def _problem(row: SourceRow) -> DataError | None:
    """Return what is wrong with the images of a row."""
    try:
        _load(row)
    except DataError as error:
        return error
    return None


def _load(row: SourceRow) -> LoadedImages:
    try:
        data = tuple(image if isinstance(image, bytes) else image.read_bytes() for image in row.images)
    except OSError as error:
        raise DataError(f"{row}: the image cannot be read ({error.strerror}); fix the source") from error
    names = [str(image) if isinstance(image, Path) else str(row) for image in row.images]
    names[0] = str(row)
    facts = [inspect_image(image, name) for image, name in zip(data, names, strict=True)]
    return data, facts_of_row(facts, str(row))


def _other_size(stated_px: tuple[int, int], data: bytes, image: ImageFacts) -> str:
    with open_image(data, "") as opened:
        turned = stated_px == opened.size
    fix = "get the image again or fix the annotation"
    if turned:
        fix = (
            "EXIF turns this picture, and the annotation is of the unturned one; annotate it as it is shown, "
            "or save it without the EXIF orientation"
        )
    width, height = stated_px
    return f"the image is {image.width_px} x {image.height_px} px, the source says {width} x {height}; {fix}"


def _row(placed: PlacedRow, data: tuple[bytes, ...], image: ImageFacts, plan: SourcePlan) -> dict[str, Any]:
    row = placed.row
    if len(data) != plan.spec.images_per_row:
        raise DataError(
            f"{row} has {len(data)} images, {plan.spec.name} has {plan.spec.images_per_row} a row"
        )
    if row.size_px and row.size_px != (image.width_px, image.height_px):
        raise DataError(f"{row}: {_other_size(row.size_px, data[0], image)}")
    gold = Gold(row.id, row.annotation, image.width_px, image.height_px, row.category, row.question)
    try:
        columns = gold_columns(plan.spec, gold, plan.categories)
    except DataError as error:
        raise DataError(f"{row}: {error}") from error
    if problem := sample_problem(plan.spec, gold):
        raise DataError(f"{row}: {problem}; fix or remove it in the source")
    shown = [{"bytes": file, "path": name} for file, name in zip(data, row.file_names, strict=True)]
    return columns | {
        plan.spec.image_column: shown if plan.spec.images_per_row > 1 else shown[0],
        "shot_rank": placed.shot_rank,
        "source_id": row.source_id,
        "source_sha256": image.sha256,
        "license": row.license or plan.spec.license,
    }
