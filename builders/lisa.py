"""LISA: ReasonSeg (Lai et al., CVPR 2024) made into single-target boxes; 4-shot is 4 samples in all.

Official layout: `train/` and `val/` with `<name>.jpg` beside `<name>.json`, which holds the texts (up to 6;
the first is the question) and labelled polygons. The box is the half-open bounds of the official mask: `flag`
shapes are skipped, the others painted with their borders, largest first, so an `ignore` region covers larger
targets. Official val is the test split. Rows without a target in the mask are dropped: 200 val rows leave the
paper's 196.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rise_bench.annotations.boxes.values import Box, Boxes
from rise_bench.builders.formats.polygon_mask import Point, fill_polygon
from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.data.build_plan import SourcePlan, SourceRow, inside
from rise_bench.errors import ConfigError, DataError
from rise_bench.files.images import open_image, shown_size

Targets = Literal["union", "largest", "first", "split"]

TARGETS: tuple[Targets, ...] = ("union", "largest", "first", "split")
OFFICIAL_ROWS = {"train": 239, "val": 200}
NO_TARGET = "the official mask holds no target"
NO_IMAGE = "the image file is missing"
_TARGET, _IGNORE = 1, 255


@dataclass(frozen=True, slots=True)
class Polygon:
    """Labelled polygon; points in whole pixels, truncated as in the official code."""

    points: tuple[Point, ...]
    ignore: bool


def plan(source: Path, *, seed: int = 0, targets: Targets = "union") -> SourcePlan:  # noqa: ARG001
    """Read the official folders.

    Args:
        source: The folder `ReasonSeg`, or its parent.
        seed: Not used here (the split is official); it ranks the few-shot rows later.
        targets: Box of an image with several target polygons: around all, of the largest, of the first in
            the file, or a row for each.

    Raises:
        ConfigError: If `targets` is unknown.
        DataError: If the layout, a file or a shape is wrong; names the file.
    """
    if targets not in TARGETS:
        raise ConfigError(f"targets {targets!r} is unknown; choose one of {', '.join(TARGETS)}")
    root = source / "ReasonSeg" if (source / "ReasonSeg").is_dir() else source
    drops: dict[str, list[str]] = {NO_TARGET: [], NO_IMAGE: []}
    shortfalls: list[str] = []
    rows: dict[str, list[SourceRow]] = {}
    for split, official in OFFICIAL_ROWS.items():
        files = sorted((root / split).glob("*.json"))
        if not files:
            raise DataError(
                f"{root / split} holds no *.json; unpack ReasonSeg and give its folder as --source"
            )
        if len(files) != official:
            shortfalls.append(f"{split} has {len(files)} annotations, the official one {official}")
        rows[split] = [
            row for path in files for row in _rows(inside(source, path), split, targets, drops, source)
        ]
    if drops[NO_IMAGE]:
        shortfalls.append(f"{len(drops[NO_IMAGE])} images are missing, e.g. {drops[NO_IMAGE][0]}")
    return SourcePlan(
        get_benchmark("lisa"),
        train=rows["train"],
        test=rows["val"],
        drops=drops,
        shortfalls=shortfalls,
        options={"targets": targets},
    )


def _rows(
    path: Path, split: str, targets: Targets, drops: dict[str, list[str]], source: Path
) -> list[SourceRow]:
    question, polygons = read_annotation(inside(source, path))
    image, name = path.with_suffix(".jpg"), f"{split}/{path.stem}"
    if not image.is_file():
        drops[NO_IMAGE].append(image.name)
        return []
    boxes = boxes_xywh_px(polygons, _size_px(inside(source, image)), targets)
    if not boxes:
        drops[NO_TARGET].append(name)
        return []
    ids = [f"lisa/{name}"] if targets != "split" else [f"lisa/{name}/{i}" for i in range(1, len(boxes) + 1)]
    return [
        SourceRow(row_id, name, image, Boxes((box,)), question=question, where=f"{split}/{path.name}")
        for row_id, box in zip(ids, boxes, strict=True)
    ]


def read_annotation(path: Path) -> tuple[str, list[Polygon]]:
    """Return the question and the polygons of an annotation file (UTF-8, or else cp1252).

    Raises:
        DataError: If the file has another layout, has no text, or a point is not two finite numbers.
    """
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    try:
        content = json.loads(text)
        question = str(content["text"][0]).strip()
        polygons = [_polygon(s) for s in content["shapes"] if str(s["label"]).lower() != "flag"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: not a ReasonSeg annotation ({error!r}); get the file again") from error
    if not question:
        raise DataError(f"{path}: the first text is empty; get the file again")
    return question, polygons


def _polygon(shape: dict[str, Any]) -> Polygon:
    points = [(float(x), float(y)) for x, y in shape["points"]]
    if not points or not all(math.isfinite(c) and abs(c) < 1e6 for point in points for c in point):
        raise ValueError("a polygon without points, or with a point that is not finite")
    whole = tuple((int(x), int(y)) for x, y in points)
    return Polygon(whole, ignore="ignore" in str(shape["label"]).lower())


def _size_px(image: Path) -> tuple[int, int]:
    with open_image(image, str(image)) as opened:
        return shown_size(opened)


def boxes_xywh_px(polygons: list[Polygon], size_px: tuple[int, int], targets: Targets) -> list[Box]:
    """Return the boxes of an annotation: half-open bounds of its visible targets in the official mask.

    Args:
        polygons: Targets and ignore regions, in file order.
        size_px: Width and height of the image as shown.
        targets: As for `plan`; with `split` there is a box for each visible target.
    """
    mask = np.zeros(size_px[::-1], dtype=np.uint8)
    drawn = [fill_polygon(polygon.points, size_px) for polygon in polygons]
    for i in sorted(range(len(drawn)), key=lambda i: int(drawn[i].pixels.sum()))[::-1]:
        drawn[i].window(mask)[drawn[i].pixels] = _IGNORE if polygons[i].ignore else _TARGET
    if targets == "union":
        return _bounds(mask == _TARGET)
    seen = [
        (patch.pixels & (patch.window(mask) == _TARGET), patch)
        for polygon, patch in zip(polygons, drawn, strict=True)
        if not polygon.ignore
    ]
    seen = [(pixels, patch) for pixels, patch in seen if pixels.any()]
    if targets == "largest":
        seen.sort(key=lambda part: -int(part[0].sum()))
    return [
        box
        for pixels, patch in (seen if targets == "split" else seen[:1])
        for box in _bounds(pixels, patch.left, patch.top)
    ]


def _bounds(pixels: NDArray[np.bool_], left: int = 0, top: int = 0) -> list[Box]:
    """Return the half-open bounds of the set pixels, shifted; empty if none is set."""
    columns, rows = np.flatnonzero(pixels.any(axis=0)), np.flatnonzero(pixels.any(axis=1))
    if not columns.size:
        return []
    x, y = int(columns[0]), int(rows[0])
    width, height = int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y
    return [(float(x + left), float(y + top), float(width), float(height))]
