"""A dataset of the user's own: pictures with annotations in one of the formats of `formats.detect`.

Each (image, class) pair of boxes is a row. Without splits in the source, the share `test_fraction` of the
images, by rank, is the test split.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from rise_bench.annotations.average_precision import MAX_STATED
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.builders.formats.box_table import NO_BOX, BoxTable
from rise_bench.builders.formats.detect import read_source
from rise_bench.builders.formats.label_table import LabelTable
from rise_bench.builders.formats.picture_files import picture_file
from rise_bench.catalog.benchmarks import BENCHMARKS
from rise_bench.catalog.spec import BenchmarkSpec, ImagePolicy
from rise_bench.data.build_plan import SourcePlan, SourceRow
from rise_bench.data.splits import by_rank
from rise_bench.errors import ConfigError, DataError
from rise_bench.files.plain_text import text_problem
from rise_bench.rendering.markdown import web_address

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_BOXES_QUESTION = "Locate every {category} in this image."
_CLASSES_QUESTION = "Which of the classes fits this image?"


def plan(
    source: Path,
    *,
    name: str,
    annotations: Path | None = None,
    format_name: str = "",
    keep_empty: bool = False,
    seed: int = 0,
    question: str = "",
    classes: tuple[str, ...] = (),
    metric: str | None = None,
    test_fraction: float = 0.3,
    images: ImagePolicy = "reference",
    license_id: str = "other",
    title: str = "",
    citation: str = "",
    source_url: str = "",
) -> SourcePlan:
    """Read a folder of images and its annotations.

    Args:
        source: Folder of the images.
        name: Short name of the new benchmark: a-z, 0-9 and _, starting with a letter.
        annotations: File or folder of the annotations, relative to `source` unless it exists as given; looked
            for in `source` when None.
        format_name: Format of the annotations, a name in `formats.detect.FORMATS`; detected when empty.
        keep_empty: Whether a picture without any box is a row without an object for each class; else it is
            left out.
        seed: Seed of the split.
        question: Task sentence of the prompts of rows without a question; a default of the kind if empty.
        classes: Class names in order; if empty, those of the source.
        metric: Ranking metric of a distribution; JSD for probabilities and accuracy for labels when None.
        test_fraction: Share of the images in the test split, 0 to 1, of a source without splits.
        images: Whether the images may be republished (`embed`) or not (`reference`).
        license_id: Licence identifier for the card.
        title: Title of the card; from the name if empty.
        citation: Citation of the source, in one line.
        source_url: Web address of the source.

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
    _check_about(title=title, citation=citation, source_url=source_url, licence=license_id)
    table = read_source(source, annotations, format_name, classes)
    about: dict[str, Any] = {
        "images": images,
        "license": license_id,
        "title": title,
        "citation": citation,
        "source_url": source_url,
    }
    if isinstance(table, BoxTable):
        if "{question}" in question:
            raise ConfigError("boxes have no questions of their own; write --question without {question}")
        spec = BenchmarkSpec(name, table.kind, metric or "ap50", question or _BOXES_QUESTION, **about)
        rows, drops = _box_rows(source, table, name, keep_empty)
        return _split(spec, rows, table, seed, test_fraction, table.classes, drops)
    if keep_empty:
        raise ConfigError("--keep-empty is for boxes, and these annotations are classes; drop it")
    if "{category}" in question:
        raise ConfigError("{category} is the class of boxes; write --question without it")
    template, rows = _asked(_label_rows(source, table, name), question)
    default = "accuracy" if table.labelled else "jsd"
    spec = BenchmarkSpec(name, table.kind, metric or default, template, classes=table.classes, **about)
    return _split(spec, rows, table, seed, test_fraction, drops=table.drops)


def _check_about(**texts: str) -> None:
    """Refuse texts of the card that a manifest could not hold."""
    for name, text in texts.items():
        if problem := text_problem(text) or ("it has several lines" if "\n" in text else ""):
            raise ConfigError(f"--{name.replace('_', '-')}: {problem}; write one line of plain text")
    if texts["source_url"] and not web_address(texts["source_url"]):
        raise ConfigError(
            f"--source-url {texts['source_url']!r} is not a web address; write https://…, with %-codes for "
            "blanks and for letters outside ASCII"
        )


def _split(
    spec: BenchmarkSpec,
    rows: Sequence[SourceRow],
    table: LabelTable | BoxTable,
    seed: int,
    test_fraction: float,
    categories: tuple[str, ...] = (),
    drops: Mapping[str, Sequence[str]] | None = None,
) -> SourcePlan:
    """Split by image: as the source does if it names a test picture, else by rank, the first to test."""
    splits, source_ids = table.splits, list(dict.fromkeys(row.source_id for row in rows))
    test = {i for i in source_ids if splits.get(i) == "test"}
    drawn = not test
    if drawn:
        test = set(by_rank(seed, spec.name, source_ids)[: round(len(source_ids) * test_fraction)])
    return SourcePlan(
        spec,
        train=[row for row in rows if row.source_id not in test],
        test=[row for row in rows if row.source_id in test],
        categories=categories,
        drops=drops or {},
        notes=[*([f"columns not used: {', '.join(table.unused)}"] if table.unused else []), *table.notes],
        options={"test_fraction": f"{test_fraction:g}"} if drawn else {},
    )


def _box_rows(
    source: Path, table: BoxTable, name: str, keep_empty: bool
) -> tuple[list[SourceRow], dict[str, Sequence[str]]]:
    """Return a row for each (image, class) pair, and what is left out."""
    _refuse_full(table)
    ids = _ids([file for file, _ in table.files])
    rows = []
    for picture in table.pictures:
        bare = dict.fromkeys(table.classes, ()) if picture.bare and keep_empty else {}
        for category, boxes in (bare or picture.boxes).items():
            where = f"{picture.where}, {category}"
            rows.append(
                SourceRow(
                    id=f"{name}/{ids[picture.file]}/{category.replace(' ', '_')}",
                    source_id=picture.file,
                    image=picture_file(source, picture.file, where),
                    annotation=Boxes(boxes),
                    category=category,
                    license=picture.license,
                    where=where,
                    size_px=picture.size_px,
                )
            )
    bare_files = [picture.file for picture in table.pictures if picture.bare]
    return rows, {**table.drops, NO_BOX: [] if keep_empty else bare_files}


def _refuse_full(table: BoxTable) -> None:
    full = [
        (picture, category, len(boxes))
        for picture in table.pictures
        for category, boxes in picture.boxes.items()
        if len(boxes) > MAX_STATED
    ]
    if full:
        picture, category, count = full[0]
        raise DataError(
            f"{table.path}: {len(full)} (image, class) pairs have more than {MAX_STATED} boxes "
            f"({picture.where}, {category}: {count}), and AP looks at {MAX_STATED}, so that no answer can be "
            "right; cut the image into parts, or leave it out (COCO: mark one of the pair's annotations as a "
            "crowd)"
        )


def _label_rows(source: Path, table: LabelTable, name: str) -> list[SourceRow]:
    ids = _ids([row.file for row in table.rows])
    return [
        SourceRow(
            image=picture_file(source, row.file, row.where),
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
