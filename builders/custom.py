"""A dataset of the user's own: an image folder with a CSV of probabilities or labels, or with a COCO json.

`rise_bench.builders.formats.label_csv` describes the CSV; without annotations each folder of images is a
class. Each (image, class) pair of a COCO json is a row. Without splits in the source, the share
`test_fraction` of the images, by rank, is the test split.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from rise_bench.annotations.boxes.metrics import MAX_STATED
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.builders.formats.coco_json import REPEATED_BOX, CocoBoxes, read_coco_boxes
from rise_bench.builders.formats.label_csv import LabelTable, read_label_csv
from rise_bench.builders.formats.label_folders import read_label_folders
from rise_bench.catalog.benchmarks import BENCHMARKS
from rise_bench.catalog.spec import BenchmarkSpec, ImagePolicy
from rise_bench.data.build_plan import SourcePlan, SourceRow, inside
from rise_bench.data.splits import by_rank
from rise_bench.errors import ConfigError, DataError

CROWD = "(image, class) pair with a crowd annotation"
NO_BOX = "the image has no annotation"

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_BOXES_QUESTION = "Locate every {category} in this image."
_CLASSES_QUESTION = "Which of the classes fits this image?"


def plan(
    source: Path,
    *,
    name: str,
    annotations: Path | None = None,
    seed: int = 0,
    question: str = "",
    classes: tuple[str, ...] = (),
    metric: str | None = None,
    test_fraction: float = 0.3,
    images: ImagePolicy = "reference",
    license_id: str = "other",
) -> SourcePlan:
    """Read a folder of images and its annotations.

    Args:
        source: Folder of the images.
        name: Short name of the new benchmark: a-z, 0-9 and _, starting with a letter.
        annotations: CSV or COCO json, also relative to `source`; None if the folders of `source` are the
            classes.
        seed: Seed of the split.
        question: Task sentence of the prompts of rows without a question; a default of the kind if empty.
        classes: Class names in order; if empty, those of the CSV's columns, its labels (sorted) or the json.
        metric: Ranking metric of a distribution; JSD for probabilities and accuracy for labels when None.
        test_fraction: Share of the images in the test split, 0 to 1, of a source without splits.
        images: Whether the images may be republished (`embed`) or not (`reference`).
        license_id: Licence identifier for the card.

    Raises:
        ConfigError: If an option is invalid.
        DataError: If an image is missing or an annotation is wrong; names the file and the row.
    """
    if not _NAME.fullmatch(name) or name in BENCHMARKS:
        raise ConfigError(
            f"name {name!r} must be new, of a-z, 0-9 and _, and start with a letter; correct --name"
        )
    if not 0 <= test_fraction <= 1:
        raise ConfigError(f"test fraction {test_fraction} is not between 0 and 1; correct --test-fraction")
    path = _annotations(source, annotations)
    if path and path.suffix.lower() == ".json":
        if classes:
            raise ConfigError("a COCO json has its own classes; drop --classes")
        if "{question}" in question:
            raise ConfigError("a COCO json has no questions; write --question without {question}")
        spec = BenchmarkSpec(
            name, "boxes", metric or "ap50", question or _BOXES_QUESTION, images=images, license=license_id
        )
        coco = read_coco_boxes(path)
        rows, drops = _box_rows(source, coco, name)
        return _split(spec, rows, {}, seed, test_fraction, tuple(coco.categories.values()), drops)
    if "{category}" in question:
        raise ConfigError("{category} is the class of boxes; write --question without it")
    table, drops = (read_label_csv(path, classes), {}) if path else read_label_folders(source, classes)
    template, rows = _asked(_label_rows(source, table, name), question)
    spec = BenchmarkSpec(
        name,
        "distribution",
        metric or ("accuracy" if table.labelled else "jsd"),
        template,
        classes=table.classes,
        images=images,
        license=license_id,
    )
    splits = {row.file: row.split for row in table.rows if row.split}
    return _split(spec, rows, splits, seed, test_fraction, drops=drops)


def _annotations(source: Path, annotations: Path | None) -> Path | None:
    if annotations is None:
        return None
    if annotations.is_file():
        return annotations
    if (source / annotations).is_file():
        # a path with ".." leaves the source on purpose
        there = source / annotations
        return there if ".." in annotations.parts else inside(source, there)
    raise DataError(f"{source / annotations} is missing; name the CSV or the COCO json with --annotations")


def _split(
    spec: BenchmarkSpec,
    rows: Sequence[SourceRow],
    splits: Mapping[str, str],
    seed: int,
    test_fraction: float,
    categories: tuple[str, ...] = (),
    drops: Mapping[str, Sequence[str]] | None = None,
) -> SourcePlan:
    """Split by image: by `splits`, else by rank, the first to test."""
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


def _box_rows(source: Path, coco: CocoBoxes, name: str) -> tuple[list[SourceRow], dict[str, list[str]]]:
    if coco.degenerate:
        raise DataError(
            f"{coco.path}: {coco.degenerate[0]}: the box has no area; write a width and a height above 0, or "
            "remove it"
        )
    pairs = [pair for pair in coco.pairs() if pair not in coco.crowd]
    if not pairs:
        raise DataError(f"{coco.path}: all annotations are crowds (iscrowd: 1), which have no box; add boxes")
    _refuse_full(coco, pairs)
    ids = _ids([image.file_name for image in coco.images.values()])
    rows = []
    for image_id, category_id in pairs:
        image, category = coco.images[image_id], coco.categories[category_id]
        where = f"{coco.path.name} image {image_id}, {category}"
        rows.append(
            SourceRow(
                id=f"{name}/{ids[image.file_name]}/{category.replace(' ', '_')}",
                source_id=image.file_name,
                image=_image(source, image.file_name, where),
                annotation=Boxes(coco.boxes(image_id, category_id)),
                category=category,
                license=image.license,
                where=where,
                size_px=(image.width_px, image.height_px),
            )
        )
    crowds = [f"{coco.images[i].file_name} {coco.categories[c]}" for i, c in sorted(coco.crowd)]
    annotated = {image_id for image_id, _ in (*pairs, *coco.crowd)}
    bare = [image.file_name for image_id, image in coco.images.items() if image_id not in annotated]
    return rows, {CROWD: crowds, NO_BOX: bare, REPEATED_BOX: list(coco.repeated)}


def _refuse_full(coco: CocoBoxes, pairs: Sequence[tuple[int, int]]) -> None:
    full = [(pair, count) for pair in pairs if (count := len(coco.boxes(*pair))) > MAX_STATED]
    if full:
        (image_id, category_id), count = full[0]
        raise DataError(
            f"{coco.path}: {len(full)} (image, class) pairs have more than {MAX_STATED} boxes (image "
            f"{image_id}, {coco.categories[category_id]}: {count}), and AP looks at {MAX_STATED}, so that "
            "no answer can be right; cut the image into parts, or mark one of the pair's annotations as a "
            "crowd to leave it out"
        )


def _label_rows(source: Path, table: LabelTable, name: str) -> list[SourceRow]:
    ids = _ids([row.file for row in table.rows])
    return [
        SourceRow(
            image=_image(source, row.file, row.where),
            id=f"{name}/{ids[row.file]}",
            source_id=row.file,
            annotation=Distribution(table.classes, row.probs),
            question=row.question,
            license=row.license,
            where=row.where,
        )
        for row in table.rows
    ]


def _asked(rows: list[SourceRow], question: str) -> tuple[str, list[SourceRow]]:
    """Return the question of the benchmark, and the rows with the default question where they have none."""
    own = any(row.question for row in rows)
    if "{question}" in question:
        return question, rows  # a row without one is refused when it is written
    common = question or _CLASSES_QUESTION
    if not own:
        return common, rows
    return "{question}", [replace(row, question=row.question or common) for row in rows]


def _ids(files: Sequence[str]) -> dict[str, str]:
    """Return each file's name without its suffix, or with it where two files differ only in that."""
    paths = {file: PurePosixPath(file) for file in files}
    stems = {file: (path.with_suffix("") if path.name else path).as_posix() for file, path in paths.items()}
    counts = Counter(stems.values())
    return {
        file: stem if counts[stem] == 1 else PurePosixPath(file).as_posix() for file, stem in stems.items()
    }


def _image(source: Path, file: str, where: str) -> Path:
    path = PurePosixPath(file)
    if not file or path.is_absolute() or ".." in path.parts or "\0" in file:
        raise DataError(f"{where}: image name {file!r} must be a path inside {source}; correct it")
    try:
        if (source / file).is_file():
            return inside(source, source / file)
    except OSError as error:  # a name longer than the file system takes
        raise DataError(f"{where}: {file!r} cannot be opened ({error.strerror}); correct it") from None
    raise DataError(f"{where}: {source / file} is missing; {_advice(source, file)}")


def _advice(source: Path, file: str) -> str:
    """Return where a missing image may be."""
    if "\\" in file:
        return f"the name holds the backslash of Windows; write {file.replace(chr(92), '/')}"
    folder = (source / file).parent
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    if other := [name for name in names if name.casefold() == PurePosixPath(file).name.casefold()]:
        return f"the file is called {other[0]}; write its name as it is"
    for below in sorted(entry for entry in source.iterdir() if entry.is_dir()):
        if (below / file).is_file():
            return f"it is in {below}; give that folder as --source"
    return "add the image or remove the row"
