"""Write a dataset folder from a source plan.

The folder grows in a sibling, one parquet file at a time, and a rerun after a kill keeps the finished files.
The manifest is the last file; then the folder is renamed into place, so no incomplete folder looks complete.
"""

import dataclasses
import itertools
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import kind_of
from rise_bench.data.build_plan import SourcePlan, SourceRow
from rise_bench.data.card import CARD_NAME, EVAL_NAME, write_card, write_eval_yaml
from rise_bench.data.check import check_dataset
from rise_bench.data.ground_truth import spec_problem
from rise_bench.data.image_facts import ImageFacts, near_duplicates
from rise_bench.data.manifest import (
    MANIFEST_NAME,
    MISSING_IMAGE,
    Manifest,
    NearDuplicate,
    identity_sha256,
    rows_sha256,
    write_manifest,
)
from rise_bench.data.pictures import picture_hashes
from rise_bench.data.replacing import refuse_to_replace
from rise_bench.data.resumable_shards import Progress, WrittenShard, versions, write_shards
from rise_bench.data.schema import SCHEMA_VERSION, gold_text
from rise_bench.data.shards import Shard, plan_shards, size_bytes
from rise_bench.errors import DataError
from rise_bench.errors.redaction import printable
from rise_bench.files.atomic import atomic_directory, atomic_write_text, sha256_bytes, sha256_file
from rise_bench.files.plain_text import id_problem

#: Ratio of the sides above which the processors of Qwen models refuse an image.
MAX_ASPECT = 200

#: Beginning of a sentence on why a source is incomplete.
INCOMPLETE = "The source is incomplete: "


def shortfalls_of(manifest: Manifest) -> tuple[str, ...]:
    """Return why a dataset is incomplete, for the plan of a copy; empty if it is complete."""
    if not manifest.partial:
        return ()
    told = [text.removeprefix(INCOMPLETE) for text in manifest.differences if text.startswith(INCOMPLETE)]
    if not told and (gone := manifest.drops.get(MISSING_IMAGE)):
        told = [f"{len(gone)} images are missing"]
    return tuple(told or ["nothing says what is missing"])


#: Reason for dropping training images that are also in test.
IN_BOTH_SPLITS = "the same image stands in test"


def write_dataset(
    plan: SourcePlan,
    out: Path,
    *,
    seed: int = 0,
    workers: int | None = None,
    allow_partial: bool = False,
    overwrite: bool = False,
    progress: Progress = lambda done, total: None,  # noqa: ARG005
) -> Manifest:
    """Write a dataset folder: parquet shards, card, `eval.yaml` and, last, the manifest.

    Args:
        plan: Source plan. Few-shot ranks follow from `seed` and each row's `source_id`.
        out: Folder to make. A killed run is continued; other content is refused unless `overwrite`.
        seed: Seed of the few-shot ranks, stored in the manifest.
        workers: Threads that read and decode; the number of CPUs when None. Does not change a byte.
        allow_partial: Build despite shortfalls, which card and manifest state.
        overwrite: Replace an existing folder once the new one is complete.
        progress: Called after each image.


    Raises:
        DataError: If the source is incomplete, or a row, annotation or image is bad; nothing is left behind.
        ConfigError: If `out` holds other content, or another process is writing it.
        PrerequisiteError: If the disk is full or `out` may not be written; finished files are kept.
    """
    _check_plan(plan, allow_partial)
    plan = _without_shared_images(_at_stored_precision(plan))
    shards = plan_shards(plan, seed)
    images = {image.parent for row in plan.rows for image in row.images if isinstance(image, Path)}
    if overwrite:
        refuse_to_replace(out)
    with atomic_directory(out, overwrite=overwrite, resume=True, sources=images) as work:
        written = write_shards(work, shards, plan, workers or os.cpu_count() or 1, progress)
        manifest = _manifest(plan, seed, written)
        write_card(work, manifest)
        write_eval_yaml(work, manifest)
        write_manifest(work, manifest)
        _remove_leftovers(work, manifest, plan.files)
        for name, text in plan.files.items():
            atomic_write_text(work / name, text)
        _refuse_findings(work)
    return manifest


def _refuse_findings(work: Path) -> None:
    """Raise the first problem that `rise-bench check` reports."""
    if findings := check_dataset(work, decode=False):
        first = findings[0]
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        raise DataError(f"{first.where}: {first.problem}{more}; fix it in the source and build again")


def _check_plan(plan: SourcePlan, allow_partial: bool) -> None:
    if plan.shortfalls and not allow_partial:
        raise DataError(
            f"the source of {plan.spec.name} is incomplete: {'; '.join(plan.shortfalls)}; complete it, or "
            "pass --allow-partial to build what is there (the card will say so)"
        )
    if not plan.rows:
        raise DataError(f"the source of {plan.spec.name} gives no row; check --source")
    if problem := spec_problem(plan.spec, plan.categories):
        raise DataError(f"{plan.spec.name}: {problem}")
    seen: dict[str, SourceRow] = {}
    for row in plan.rows:
        if row.id in seen:
            raise DataError(f"id {row.id!r} appears twice: {seen[row.id]} and {row}; remove one of them")
        seen[row.id] = row
        if problem := id_problem(row.id):
            raise DataError(f"{row}: {problem}; rename the file")
        if plan.categories and row.category not in plan.categories:
            raise DataError(f"{row}: unknown class {row.category!r}; expected one of {plan.categories}")


def _at_stored_precision(plan: SourcePlan) -> SourcePlan:
    """Round each annotation to the precision of its column, so that it is the same after reading."""

    def stored(rows: Iterable[SourceRow]) -> list[SourceRow]:
        return [
            dataclasses.replace(row, annotation=kind_of(row.annotation).stored(row.annotation))
            for row in rows
        ]

    more = {split: stored(rows) for split, rows in plan.more_tests.items()}
    return dataclasses.replace(plan, train=stored(plan.train), test=stored(plan.test), more_tests=more)


def _without_shared_images(plan: SourcePlan) -> SourcePlan:
    """Drop training rows with an image that is also in a test; only files of equal size are read."""
    sizes: defaultdict[int, list[Path | bytes]] = defaultdict(list)
    for row in itertools.chain.from_iterable(plan.tests.values()):
        size_bytes(row)  # names the row of an image that is missing
        for image in row.images:
            sizes[_size(image)].append(image)
    hashes: dict[int, set[str]] = {}

    def is_in_test(image: Path | bytes) -> bool:
        size = _size(image)
        if size not in sizes:
            return False
        if size not in hashes:
            hashes[size] = set(map(_image_sha256, sizes[size]))
        return _image_sha256(image) in hashes[size]

    shared = [row for row in plan.train if size_bytes(row) and any(map(is_in_test, row.images))]
    if not shared:
        return plan
    ids = {row.id for row in shared}
    return dataclasses.replace(
        plan,
        train=[row for row in plan.train if row.id not in ids],
        drops={**plan.drops, IN_BOTH_SPLITS: [row.public_name for row in shared]},
    )


def _size(image: Path | bytes) -> int:
    return len(image) if isinstance(image, bytes) else image.stat().st_size


def _image_sha256(image: Path | bytes) -> str:
    return sha256_file(image) if isinstance(image, Path) else sha256_bytes(image)


def _remove_leftovers(work: Path, manifest: Manifest, files: Iterable[str]) -> None:
    """Remove the notes, and files of an earlier run with other settings."""
    belongs = {*manifest.files, *files, CARD_NAME, EVAL_NAME, MANIFEST_NAME}
    for path in sorted(work.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(work).as_posix() not in belongs:
            path.unlink()


def _manifest(plan: SourcePlan, seed: int, written: Sequence[WrittenShard]) -> Manifest:
    rows = [
        (file.shard, placed.row, image)
        for file in written
        for placed, image in zip(file.shard.rows, file.images, strict=True)
    ]
    _refuse_shared_images((shard.split, row, image) for shard, row, image in rows)
    looks: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    seen: set[tuple[str, str]] = set()
    for shard, row, image in rows:
        if (shard.split, image.sha256) not in seen:  # an image may have many rows
            seen.add((shard.split, image.sha256))
            looks[shard.split] += [(row.id, look) for look in image.look.split()]
    near, near_pairs = near_duplicates(
        looks["train"], [look for split in plan.tests for look in looks[split]]
    )
    in_split = Counter(shard.split for shard, _, _ in rows)
    counts = {split: in_split[split] for split in ("train", *plan.tests) if in_split[split]}
    paper = plan.spec.paper_counts
    spec = json.loads(json.dumps(plan.spec.to_json()))
    content = rows_sha256(
        (shard.split, shard.name, row.id, image.sha256, gold_text(_gold(row, image)))
        for shard, row, image in rows
    )
    return Manifest(
        schema_version=SCHEMA_VERSION,
        spec=spec,
        images="embed",
        categories=plan.categories,
        seed=seed,
        counts=counts,
        paper_counts={"train": paper[0], "test": paper[1]} if paper else None,
        differences=tuple(
            map(printable, _differences(plan, counts, (*_thin_images(rows), *_contradictions(rows))))
        ),
        drops={printable(name): tuple(map(printable, of)) for name, of in sorted(plan.drops.items()) if of},
        partial=bool(plan.shortfalls),
        options=dict(plan.options),
        versions=versions(),
        near_duplicates=tuple(
            NearDuplicate(train_id=a, test_id=b, distance_bits=bits) for a, b, bits in near
        ),
        near_duplicate_pairs=near_pairs,
        rows_sha256=content,
        content_sha256=identity_sha256(content, spec, plan.categories),
        files={file.shard.path: file.entry for file in written},
        images_sha256={row.id: image.sha256 for _, row, image in rows},
    )


def _gold(row: SourceRow, image: ImageFacts) -> Gold:
    return Gold(row.id, row.annotation, image.width_px, image.height_px, row.category, row.question)


def _refuse_shared_images(rows: Iterable[tuple[str, SourceRow, ImageFacts]]) -> None:
    """Refuse an image in train and a test, e.g. of a file that changed while it was read."""
    first: dict[str, tuple[str, SourceRow]] = {}
    for split, row, sha256 in (
        (s, row, sha) for s, row, image in rows for sha in picture_hashes(image.sha256)
    ):
        other_split, other = first.setdefault(sha256, (split, row))
        if (other_split == "train") != (split == "train"):
            raise DataError(f"{row} and {other} are one image in both splits; build again")


def _thin_images(rows: Sequence[tuple[Shard, SourceRow, ImageFacts]]) -> list[str]:
    """Return a warning about images that the processors of Qwen refuse."""
    thin = [
        row.id
        for _, row, image in rows
        if max(image.width_px, image.height_px) > MAX_ASPECT * min(image.width_px, image.height_px)
    ]
    if not thin:
        return []
    return [
        f"{len(thin)} images are more than {MAX_ASPECT} times as long as wide, e.g. {thin[0]}: the "
        "processors of Qwen models refuse them"
    ]


def _contradictions(rows: Sequence[tuple[Shard, SourceRow, ImageFacts]]) -> list[str]:
    """Return a warning about equal images, asked the same, that have different annotations."""
    first: dict[tuple[str, str, str], tuple[SourceRow, str]] = {}
    pairs: list[tuple[SourceRow, SourceRow]] = []
    for _, row, image in rows:
        stated = gold_text(_gold(row, image))
        other, known = first.setdefault((image.sha256, row.category, row.question), (row, stated))
        if known != stated:
            pairs.append((other, row))
    if not pairs:
        return []
    earlier, later = pairs[0]
    return [
        f"{len(pairs)} images are the same as another and have another annotation, e.g. {later.public_name} "
        f"as {earlier.public_name}: correct or remove one of each two"
    ]


def _differences(plan: SourcePlan, counts: dict[str, int], thin: Sequence[str]) -> tuple[str, ...]:
    """Return where and why the counts differ from the paper's, and what else a reader has to know."""
    differences: list[str] = []
    for split, expected in zip(("train", "test"), plan.spec.paper_counts or (), strict=False):
        have = counts.get(split, 0)
        if have != expected:
            differences.append(f"{split} has {have} rows, the paper {expected}")
    differences += [f"{INCOMPLETE}{reason}" for reason in plan.shortfalls]
    if differences or not plan.spec.paper_counts:
        differences += [
            f"{len(names)} left out of the source: {reason}"
            for reason, names in sorted(plan.drops.items())
            if names
        ]
    return tuple(dict.fromkeys((*differences, *plan.notes, *thin)))
