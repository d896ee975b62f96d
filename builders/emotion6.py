"""Emotion6 (Peng et al., CVPR 2015): 1,980 photos with the share of viewers for each of seven emotions.

Official layout: `ground_truth.txt` (a header, then tab-separated file, valence, arousal, seven probabilities)
beside `images/<keyword>/<n>.jpg`. The folder is the search keyword of a photo and not its label; sums are off
by 1e-6; 85 rows have a tied most probable class (the first in class order counts for few-shot sets).
"""

import math
from pathlib import Path

from rise_bench.annotations.distribution.kind import SUM_TOLERANCE
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.data.build_plan import SourcePlan, SourceRow, inside
from rise_bench.data.splits import rank_order, train_share
from rise_bench.errors import DataError

LABELS = "ground_truth.txt"
IMAGES = 1980
TRAIN, TEST = 1386, 594
_FIELDS = 10


def plan(source: Path, *, seed: int = 0) -> SourcePlan:
    """Read the official folder and split it 70:30 by rank.

    Args:
        source: The folder `Emotion6` of the official archive, or its parent.
        seed: Seed of the split.

    Raises:
        DataError: If the layout, a line or a number is wrong; names the file and the line.
    """
    spec = get_benchmark("emotion6")
    root = _root(source)
    rows, missing = _rows(root, spec.classes)
    shortfalls = []
    if len(rows) + len(missing) != IMAGES:
        shortfalls.append(f"{LABELS} lists {len(rows) + len(missing)} images, the official file {IMAGES}")
    if missing:
        shortfalls.append(f"{len(missing)} images are missing, e.g. {missing[0]}")
    ordered = [rows[i] for i in rank_order(seed, spec.name, [row.source_id for row in rows])]
    cut = train_share(len(rows), TRAIN, TEST)
    return SourcePlan(
        spec,
        train=ordered[:cut],
        test=ordered[cut:],
        drops={"the image file is missing": missing},
        shortfalls=shortfalls,
    )


def _root(source: Path) -> Path:
    for folder in (source, source / "Emotion6"):
        if (folder / LABELS).is_file():
            inside(source, folder / LABELS)
            return folder
    raise DataError(
        f"{source} has no {LABELS} (nor has its folder Emotion6); unpack Emotion6.zip and give its folder "
        "as --source"
    )


def _rows(root: Path, classes: tuple[str, ...]) -> tuple[list[SourceRow], list[str]]:
    """Return the rows with an image, and the places of those without."""
    path = root / LABELS
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text ({error}); unpack Emotion6.zip again") from error
    rows, missing, seen = [], [], dict[str, int]()
    for number, line in enumerate(lines, 1):
        if not line.strip() or (number == 1 and line.startswith("[")):
            continue
        where = f"{LABELS} line {number}"
        file, probs = _parse(line, f"{path} line {number}")
        if file in seen:
            raise DataError(f"{path} line {number}: {file} appears in line {seen[file]} already; remove one")
        seen[file] = number
        image = root / "images" / file
        if not image.is_file():
            missing.append(f"images/{file} ({where})")
            continue
        stem = Path(file).with_suffix("").as_posix()
        annotation = Distribution(classes, probs)
        rows.append(SourceRow(f"emotion6/{stem}", file, inside(root, image), annotation, where=where))
    return rows, missing


def _parse(line: str, where: str) -> tuple[str, tuple[float, ...]]:
    fields = line.split("\t") if "\t" in line else line.split()
    if len(fields) != _FIELDS:
        raise DataError(f"{where}: {len(fields)} fields, expected {_FIELDS}; unpack Emotion6.zip again")
    file = fields[0].strip()
    if Path(file).is_absolute() or ".." in Path(file).parts:
        raise DataError(f"{where}: image name {file!r} leaves the folder images; unpack Emotion6.zip again")
    try:
        probs = tuple(float(field) for field in fields[3:])
    except ValueError as error:
        raise DataError(f"{where}: {error}; unpack Emotion6.zip again") from None
    if not all(math.isfinite(p) and p >= 0 for p in probs) or abs(math.fsum(probs) - 1) > SUM_TOLERANCE:
        raise DataError(
            f"{where}: probabilities {probs} must be at least 0 and sum to 1 within {SUM_TOLERANCE:g}; "
            "unpack Emotion6.zip again"
        )
    return file, probs
