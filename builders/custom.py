"""A dataset of the user's own: an image folder with a CSV of probabilities or labels, or with a COCO json.

The form of the CSV is that of `rise_bench.label_csv`. Of a COCO json, each (image, class) pair is a row.
Without a `split` column the test split is the share `test_fraction` of the images, by rank.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from rise_bench.coco_json import read_coco_boxes
from rise_bench.errors import ConfigError, DataError
from rise_bench.label_csv import LabelTable, read_label_csv
from rise_bench.registry import BENCHMARKS, BenchmarkSpec, ImagePolicy, Metric
from rise_bench.source import SourcePlan, SourceRow, inside
from rise_bench.splits import by_rank
from rise_bench.values import Boxes, Distribution

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def plan(
    source: Path,
    *,
    name: str,
    annotations: Path,
    seed: int = 0,
    question: str = "",
    classes: tuple[str, ...] = (),
    metric: Metric | None = None,
    test_fraction: float = 0.3,
    images: ImagePolicy = "reference",
    license_id: str = "other",
) -> SourcePlan:
    """Read a folder of images and its annotations.

    Args:
        source: Folder of the images.
        name: Short name of the new benchmark: a-z, 0-9 and _, starting with a letter.
        annotations: CSV or COCO json; relative to `source` unless it exists as given.
        seed: Seed of the split.
        question: Task sentence of the prompts; a default fits the kind.
        classes: Class names in order; from the CSV's columns, its labels (sorted) or the json when empty.
        metric: Ranking metric of a distribution; JSD for probabilities and accuracy for labels when None.
        test_fraction: Share of the images that is the test split, 0 to 1, where the CSV has no `split`.
        images: Whether the images may be republished (`embed`) or not (`reference`).
        license_id: Licence identifier for the card.

    Raises:
        ConfigError: If an option makes no sense.
        DataError: If an image is missing or an annotation is wrong; names the file and the row.
    """
    if not _NAME.fullmatch(name) or name in BENCHMARKS:
        raise ConfigError(
            f"name {name!r} must be new, of a-z, 0-9 and _, and start with a letter; mend --name"
        )
    if not 0 <= test_fraction <= 1:
        raise ConfigError(f"test fraction {test_fraction} is not between 0 and 1; mend --test-fraction")
    path = annotations if annotations.is_file() else source / annotations
    if not path.is_file():
        raise DataError(f"{path} is missing; name the CSV or the COCO json with --annotations")
    if not annotations.is_file() and ".." not in annotations.parts:
        inside(source, path)  # a path that the user gave as it is may lie anywhere
    if path.suffix.lower() == ".json":
        if metric not in (None, "ap50") or classes:
            raise ConfigError(
                "a COCO json has its own classes and is scored by ap50; drop --metric and --classes"
            )
        spec = BenchmarkSpec(
            name=name,
            kind="boxes",
            metric="ap50",
            question=question or "Locate every {category} in this image.",
            images=images,
            license=license_id,
        )
        rows, categories, drops = _box_rows(source, path, spec)
        return _split(spec, rows, {}, seed, test_fraction, categories, drops)
    table = read_label_csv(path, classes)
    rows = _csv_rows(source, table, name)
    spec = BenchmarkSpec(
        name=name,
        kind="distribution",
        metric=metric or ("accuracy" if table.labelled else "jsd"),
        question=question or ("{question}" if rows[0].question else "Which of the classes fits this image?"),
        classes=table.classes,
        images=images,
        license=license_id,
    )
    splits = {row.file: row.split for row in table.rows if row.split}
    return _split(spec, rows, splits, seed, test_fraction)


def _split(
    spec: BenchmarkSpec,
    rows: list[SourceRow],
    splits: Mapping[str, str],
    seed: int,
    test_fraction: float,
    categories: tuple[str, ...] = (),
    drops: Mapping[str, list[str]] | None = None,
) -> SourcePlan:
    """Split by image: as the source says, else by rank, the first ones to test."""
    source_ids = list(dict.fromkeys(row.source_id for row in rows))
    test = {i for i in source_ids if splits.get(i) == "test"}
    if not splits:
        test = set(by_rank(seed, spec.name, source_ids)[: round(len(source_ids) * test_fraction)])
    return SourcePlan(
        spec,
        train=[row for row in rows if row.source_id not in test],
        test=[row for row in rows if row.source_id in test],
        categories=categories,
        drops=drops or {},
        options={} if splits else {"test_fraction": f"{test_fraction:g}"},
    )


def _box_rows(
    source: Path, path: Path, spec: BenchmarkSpec
) -> tuple[list[SourceRow], tuple[str, ...], dict[str, list[str]]]:
    coco = read_coco_boxes(path)
    if coco.degenerate:
        raise DataError(f"{path}: {coco.degenerate[0]}: the box has no area; mend or remove it")
    rows, drops = [], dict[str, list[str]]()
    for image_id, category_id in coco.pairs():
        image, category = coco.images[image_id], coco.categories[category_id]
        if (image_id, category_id) in coco.crowd:
            drops.setdefault("(image, class) pair with a crowd annotation", []).append(
                f"{image.file_name} {category}"
            )
            continue
        where = f"{path.name} image {image_id}, {category}"
        rows.append(
            SourceRow(
                id=f"{spec.name}/{_stem(image.file_name)}/{category.replace(' ', '_')}",
                source_id=image.file_name,
                image=_image(source, image.file_name, where),
                annotation=Boxes(coco.boxes(image_id, category_id)),
                category=category,
                license=image.license,
                where=where,
                size_px=(image.width_px, image.height_px),
            )
        )
    return rows, tuple(coco.categories.values()), drops


def _csv_rows(source: Path, table: LabelTable, name: str) -> list[SourceRow]:
    return [
        SourceRow(
            image=_image(source, row.file, row.where),
            id=f"{name}/{_stem(row.file)}",
            source_id=row.file,
            annotation=Distribution(table.classes, row.probs),
            question=row.question,
            license=row.license,
            where=row.where,
        )
        for row in table.rows
    ]


def _stem(file: str) -> str:
    return Path(file).with_suffix("").as_posix()


def _image(source: Path, file: str, where: str) -> Path:
    if not file or Path(file).is_absolute() or ".." in Path(file).parts:
        raise DataError(f"{where}: image name {file!r} must be a path inside {source}; mend it")
    if not (source / file).is_file():
        raise DataError(f"{where}: {source / file} is missing; add the image or remove the row")
    return inside(source, source / file)
