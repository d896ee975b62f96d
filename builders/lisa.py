"""LISA: ReasonSeg (Lai et al., CVPR 2024) as boxes or outlines of its targets; 4-shot is 4 samples in all.

Official layout: `train/` and `val/` with `<name>.jpg` beside `<name>.json`, which holds the texts (up to 6;
the first is the question) and labelled polygons. The box is the half-open bounds of the official mask: `flag`
shapes are skipped, the others painted with their borders, largest first, so an `ignore` region covers larger
targets. Official val is the test split. Rows without a target in the mask are dropped: 200 val rows leave the
paper's 196. Outlines are those of the same mask, simplified.
"""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rise_bench.annotations.base import Annotation, Outline
from rise_bench.annotations.boxes.values import Box, Boxes
from rise_bench.annotations.polygons.values import Polygons
from rise_bench.builders.formats.mask_outline import Simplification, outlines_of, simplify
from rise_bench.builders.formats.polygon_mask import Patch, Point, fill_polygon
from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.data.build_plan import SourcePlan, SourceRow, inside
from rise_bench.data.manifest import RANKED_AS
from rise_bench.errors import ConfigError, DataError
from rise_bench.files.images import open_image, shown_size

Targets = Literal["union", "largest", "first", "split"]

TARGETS: tuple[Targets, ...] = ("union", "largest", "first", "split")
OFFICIAL_ROWS = {"train": 239, "val": 200}
NO_TARGET = "the official mask holds no target"
NO_IMAGE = "the image file is missing"
_TARGET, _IGNORE = 1, 255

#: Benchmark of each kind of annotation.
BENCHMARKS = {Boxes.kind: "lisa", Polygons.kind: "lisa_polygons"}

#: Largest distance of the official mask's border from its outline.
TOLERANCE_PX = 1.0


@dataclass(frozen=True, slots=True)
class Polygon:
    """Labelled polygon; points in whole pixels, truncated as in the official code."""

    points: tuple[Point, ...]
    ignore: bool


def plan(
    source: Path,
    *,
    seed: int = 0,  # noqa: ARG001
    targets: Targets = "union",
    kind: str = Boxes.kind,
    tolerance_px: float = TOLERANCE_PX,
) -> SourcePlan:
    """Read the official folders.

    Args:
        source: The folder `ReasonSeg`, or its parent.
        seed: Not used here (the split is official); it ranks the few-shot rows later.
        targets: Box of an image with several target polygons: around all, of the largest, of the first in
            the file, or a row for each. Outlines are of the same targets.
        kind: `boxes`, or `polygons` for the outlines of the official masks.
        tolerance_px: Largest distance of the masks' borders from the outlines.

    Raises:
        ConfigError: If `targets` or `kind` is unknown, or the tolerance below 0.
        DataError: If the layout, a file or a shape is wrong; names the file.
    """
    if targets not in TARGETS:
        raise ConfigError(f"targets {targets!r} is unknown; choose one of {', '.join(TARGETS)}")
    if kind not in BENCHMARKS:
        raise ConfigError(f"kind {kind!r} is unknown; choose one of {', '.join(BENCHMARKS)}")
    if not 0 <= tolerance_px < math.inf:
        raise ConfigError(f"a tolerance of {tolerance_px} px makes no outline; choose 0 or more")
    root = source / "ReasonSeg" if (source / "ReasonSeg").is_dir() else source
    reader = _Reader(source, targets, Simplification(tolerance_px) if kind == Polygons.kind else None)
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
        rows[split] = [row for path in files for row in reader.rows(inside(source, path), split)]
    if missing := reader.drops[NO_IMAGE]:
        shortfalls.append(f"{len(missing)} images are missing, e.g. {missing[0]}")
    simplification = reader.simplification
    return SourcePlan(
        get_benchmark(BENCHMARKS[kind]),
        train=rows["train"],
        test=rows["val"],
        drops=reader.drops,
        shortfalls=shortfalls,
        notes=(simplification.summary(),) if simplification else (),
        options={"targets": targets} | (_options(simplification) if simplification else {}),
    )


def _options(simplification: Simplification) -> dict[str, str]:
    return {"tolerance_px": f"{simplification.tolerance_px:g}", RANKED_AS: BENCHMARKS[Boxes.kind]}


@dataclass(slots=True)
class _Reader:
    """Reads the rows of a source.

    Attributes:
        source: Folder that no file may lead out of.
        targets: As for `plan`.
        simplification: Settings of the outlines; None for boxes.
        drops: Reason -> names of skipped samples.
    """

    source: Path
    targets: Targets
    simplification: Simplification | None
    drops: dict[str, list[str]] = field(default_factory=lambda: {NO_TARGET: [], NO_IMAGE: []})

    def rows(self, path: Path, split: str) -> list[SourceRow]:
        """Read an annotation file: one row, or one for each target."""
        question, polygons = read_annotation(inside(self.source, path))
        image, name = path.with_suffix(".jpg"), f"{split}/{path.stem}"
        if not image.is_file():
            self.drops[NO_IMAGE].append(image.name)
            return []
        size_px = _size_px(inside(self.source, image))
        patches = visible_targets(polygons, size_px, self.targets)
        if not patches:
            self.drops[NO_TARGET].append(name)
            return []
        ids = [f"lisa/{name}"]
        if self.targets == "split":
            ids = [f"lisa/{name}/{i}" for i in range(1, len(patches) + 1)]
        where, ignored = f"{split}/{path.name}", self._ignored(polygons, size_px)
        return [
            SourceRow(
                row_id,
                name,
                image,
                self._annotation(patch, ignored, row_id),
                question=question,
                where=where,
            )
            for row_id, patch in zip(ids, patches, strict=True)
        ]

    def _ignored(self, polygons: list[Polygon], size_px: tuple[int, int]) -> tuple[Outline, ...]:
        """Return the outlines of what the official evaluation ignores."""
        if self.simplification is None or not any(polygon.ignore for polygon in polygons):
            return ()
        mask = official_mask(polygons, size_px) == _IGNORE
        return tuple(outlines_of(mask, self.simplification.tolerance_px)) if mask.any() else ()

    def _annotation(self, patch: Patch, ignored: tuple[Outline, ...], row_id: str) -> Annotation:
        if self.simplification is None:
            return Boxes((_bounds(patch),))
        outlines = simplify(self.simplification, patch.pixels, row_id)
        moved = (tuple((x + patch.left, y + patch.top) for x, y in outline) for outline in outlines)
        return Polygons(tuple(moved), ignored)


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


def official_mask(polygons: list[Polygon], size_px: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the official mask: 1 in targets, 255 where nothing counts, else 0; shape (height, width)."""
    return _painted(polygons, size_px)[0]


def _painted(polygons: list[Polygon], size_px: tuple[int, int]) -> tuple[NDArray[np.uint8], list[Patch]]:
    """Return the official mask and the pixels of each polygon."""
    mask = np.zeros(size_px[::-1], dtype=np.uint8)
    drawn = [fill_polygon(polygon.points, size_px) for polygon in polygons]
    for i in sorted(range(len(drawn)), key=lambda i: int(drawn[i].pixels.sum()))[::-1]:
        drawn[i].window(mask)[drawn[i].pixels] = _IGNORE if polygons[i].ignore else _TARGET
    return mask, drawn


def visible_targets(polygons: list[Polygon], size_px: tuple[int, int], targets: Targets) -> list[Patch]:
    """Return the targets of an annotation that are visible in the official mask, each with a pixel or more.

    Args:
        polygons: Targets and ignore regions, in file order.
        size_px: Width and height of the image as shown.
        targets: As for `plan`; with `split` there is a patch for each visible target, else one at most.
    """
    mask, drawn = _painted(polygons, size_px)
    if targets == "union":
        seen = [Patch(0, 0, mask == _TARGET)]
    else:
        seen = [
            Patch(patch.left, patch.top, patch.pixels & (patch.window(mask) == _TARGET))
            for polygon, patch in zip(polygons, drawn, strict=True)
            if not polygon.ignore
        ]
    seen = [patch for patch in seen if patch.pixels.any()]
    if targets == "largest":
        seen.sort(key=lambda patch: -int(patch.pixels.sum()))
    return seen if targets == "split" else seen[:1]


def boxes_xywh_px(polygons: list[Polygon], size_px: tuple[int, int], targets: Targets) -> list[Box]:
    """Return the boxes of an annotation: half-open bounds of its `visible_targets`."""
    return list(map(_bounds, visible_targets(polygons, size_px, targets)))


def _bounds(patch: Patch) -> Box:
    """Return the half-open bounds of the set pixels, of which there is at least one."""
    columns, rows = (np.flatnonzero(patch.pixels.any(axis=axis)) for axis in (0, 1))
    x, y = int(columns[0]), int(rows[0])
    width, height = int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y
    return float(x + patch.left), float(y + patch.top), float(width), float(height)
