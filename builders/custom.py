"""A dataset of the user's own: an image folder with a CSV of probabilities or labels, or with a COCO json.

The CSV has a header: a column with the image's file name (`file`, `file_name`, `filename`, `image` or
`path`, relative to the source folder) and either a column `label` or one column of probabilities for each
class. Optional columns: `split` ("train" or "test"), `question`, `license`. Of a COCO json, each (image,
class) pair is a row. Without a `split` column the test split is the share `test_fraction` of the images, by
rank.
"""

import csv
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from rise_bench.coco_json import read_coco_boxes
from rise_bench.errors import ConfigError, DataError
from rise_bench.registry import BENCHMARKS, BenchmarkSpec, ImagePolicy, Metric
from rise_bench.schema import SUM_TOLERANCE
from rise_bench.source import SourcePlan, SourceRow
from rise_bench.splits import by_rank
from rise_bench.values import Boxes, Distribution

FILE_COLUMNS = ("file", "file_name", "filename", "image", "path")
LABEL_COLUMN = "label"
_OPTIONAL_COLUMNS = ("split", "question", "license")
_SPLITS = {"train": "train", "test": "test", "val": "test", "valid": "test", "validation": "test"}
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
        rows, splits, categories, drops = _box_rows(source, path, spec)
        return _split(spec, rows, splits, seed, test_fraction, categories, drops)
    rows, splits, classes, found_metric = _csv_rows(source, path, name, classes)
    spec = BenchmarkSpec(
        name=name,
        kind="distribution",
        metric=metric or found_metric,
        question=question or ("{question}" if rows[0].question else "Which of the classes fits this image?"),
        classes=classes,
        images=images,
        license=license_id,
    )
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
) -> tuple[list[SourceRow], dict[str, str], tuple[str, ...], dict[str, list[str]]]:
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
    return rows, {}, tuple(coco.categories.values()), drops


def _csv_rows(
    source: Path, path: Path, name: str, classes: tuple[str, ...]
) -> tuple[list[SourceRow], dict[str, str], tuple[str, ...], Metric]:
    records = list(_records(path))
    if not records:
        raise DataError(f"{path} has no row under its header; add the annotations")
    header = list(records[0][1])
    file_column = next((column for column in FILE_COLUMNS if column in header), None)
    if file_column is None:
        raise DataError(f"{path}: columns {header} name no image; call that column one of {FILE_COLUMNS}")
    labelled = LABEL_COLUMN in header
    classes = classes or _classes(records, header, file_column, labelled)
    if not labelled and (absent := [c for c in classes if c not in header]):
        raise DataError(f"{path}: there is no column for class {absent[0]!r}; mend the header or --classes")
    rows: list[SourceRow] = []
    splits: dict[str, str] = {}
    for where, record in records:
        file = record[file_column]
        probs = _one_hot(record[LABEL_COLUMN], classes, where) if labelled else _probs(record, classes, where)
        image = _image(source, file, where)
        if "split" in header:
            splits[file] = _split_name(record["split"], where)
        row_id = f"{name}/{_stem(file)}"
        question, licence = record.get("question", ""), record.get("license", "")
        annotation = Distribution(classes, probs)
        rows.append(SourceRow(row_id, file, image, annotation, "", question, licence, where))
    return rows, splits, classes, "accuracy" if labelled else "jsd"


def _records(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield ("labels.csv line 2", column -> text) for each row."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, restkey="", strict=True)
        try:
            for record in reader:
                where = f"{path.name} line {reader.line_num}"
                if "" in record or None in record.values():
                    raise DataError(
                        f"{path} line {reader.line_num}: the row does not fit the header; mend it"
                    )
                yield where, {column.strip(): text.strip() for column, text in record.items()}
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError(f"{path} near line {reader.line_num}: {error}; save it as UTF-8 CSV") from error


def _classes(
    records: list[tuple[str, dict[str, str]]], header: list[str], file_column: str, labelled: bool
) -> tuple[str, ...]:
    if labelled:
        return tuple(sorted({record[LABEL_COLUMN] for _, record in records}))
    return tuple(column for column in header if column not in (file_column, *_OPTIONAL_COLUMNS))


def _one_hot(label: str, classes: tuple[str, ...], where: str) -> tuple[float, ...]:
    if label not in classes:
        raise DataError(f"{where}: unknown class {label!r}; expected one of {', '.join(classes)}")
    return tuple(float(name == label) for name in classes)


def _probs(record: Mapping[str, str], classes: tuple[str, ...], where: str) -> tuple[float, ...]:
    try:
        probs = tuple(float(record[name]) for name in classes)
    except ValueError as error:
        raise DataError(f"{where}: {error}; write a probability for every class") from None
    if not all(math.isfinite(p) and p >= 0 for p in probs) or abs(math.fsum(probs) - 1) > SUM_TOLERANCE:
        raise DataError(f"{where}: probabilities {probs} must be at least 0 and sum to 1; mend the row")
    return probs


def _split_name(text: str, where: str) -> str:
    if text.lower() not in _SPLITS:
        raise DataError(f"{where}: split {text!r} is unknown; write train or test")
    return _SPLITS[text.lower()]


def _stem(file: str) -> str:
    return Path(file).with_suffix("").as_posix()


def _image(source: Path, file: str, where: str) -> Path:
    if not file or Path(file).is_absolute() or ".." in Path(file).parts:
        raise DataError(f"{where}: image name {file!r} must be a path inside {source}; mend it")
    if not (source / file).is_file():
        raise DataError(f"{where}: {source / file} is missing; add the image or remove the row")
    return source / file
