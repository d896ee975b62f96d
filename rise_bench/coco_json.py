"""Reading boxes from a COCO instances file: streamed, checked, and held in flat arrays.

The official train2017 file has 860,000 annotations with segmentations; only image, class and box are kept.
"""

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rise_bench.errors import DataError
from rise_bench.json_stream import iter_members
from rise_bench.schema import EDGE_TOLERANCE_PX
from rise_bench.values import Box


@dataclass(frozen=True, slots=True)
class CocoImage:
    """An entry of `images`."""

    file_name: str
    width_px: int
    height_px: int
    license: str


@dataclass(frozen=True, slots=True)
class CocoBoxes:
    """Boxes of a file, by image and class.

    Attributes:
        path: The file.
        images: Image id -> image.
        categories: Category id (official ids have gaps in 1..90) -> name, in id order.
        crowd: (image id, category id) of the pairs with a crowd annotation.
        degenerate: Annotations left out because their box is empty, e.g. "annotation 918 (image 200365)".
    """

    path: Path
    images: Mapping[int, CocoImage]
    categories: Mapping[int, str]
    crowd: frozenset[tuple[int, int]]
    degenerate: Sequence[str]
    _pairs: NDArray[np.int64]
    _starts: NDArray[np.int64]
    _boxes_xywh_px: NDArray[np.float64]

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Yield every (image id, category id) with at least one box that is not of a crowd."""
        yield from zip(self._pairs[:, 0].tolist(), self._pairs[:, 1].tolist(), strict=True)

    def boxes(self, image_id: int, category_id: int) -> tuple[Box, ...]:
        """Return the boxes of a pair, in file order, in pixels."""
        left = np.searchsorted(self._pairs[:, 0], image_id, side="left")
        right = np.searchsorted(self._pairs[:, 0], image_id, side="right")
        at = int(left + np.flatnonzero(self._pairs[left:right, 1] == category_id)[0])
        part = self._boxes_xywh_px[self._starts[at] : self._starts[at + 1]]
        return tuple((x, y, w, h) for x, y, w, h in part.tolist())


def read_coco_boxes(path: Path) -> CocoBoxes:
    """Read a COCO instances file.

    Raises:
        DataError: If it is missing, is not such JSON, an id is unknown or stands twice, or a box is not four
            finite numbers or leaves its image by more than `EDGE_TOLERANCE_PX`; names the annotation.
    """
    reader = _Reader(path)
    for key, value in iter_members(path, {"images", "annotations"}):
        reader.take(key, value)
    return reader.finish()


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._images: dict[int, CocoImage] = {}
        self._license_ids: dict[int, Any] = {}
        self._categories: dict[int, str] | None = None
        self._licenses: dict[Any, str] = {}
        self._ids, self._boxes = array("q"), array("d")
        self._crowd: set[tuple[int, int]] = set()
        self._degenerate: list[str] = []

    def take(self, key: str, value: Any) -> None:
        """Take one member of the file, or one element of `images` or `annotations`."""
        try:
            if key == "images":
                self._image(value)
            elif key == "annotations":
                self._annotation(value)
            elif key == "categories":
                named = {int(entry["id"]): str(entry["name"]) for entry in value}
                self._categories = dict(sorted(named.items()))
            elif key == "licenses":
                self._licenses = {e["id"]: str(e.get("url") or e.get("name") or "") for e in value}
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            text = repr(value)[:120]
            raise DataError(
                f"{self._path}: {key}: {text}: not a COCO entry ({error!r}); mend the file"
            ) from error

    def _image(self, entry: dict[str, Any]) -> None:
        image_id = int(entry["id"])
        if image_id in self._images:
            raise DataError(f"{self._path}: image id {image_id} stands twice; remove one")
        width, height = int(entry["width"]), int(entry["height"])
        self._images[image_id] = CocoImage(str(entry["file_name"]), width, height, "")
        self._license_ids[image_id] = entry.get("license")

    def _annotation(self, entry: dict[str, Any]) -> None:
        image_id, category_id = int(entry["image_id"]), int(entry["category_id"])
        if entry.get("iscrowd", 0):
            self._crowd.add((image_id, category_id))
            return
        box = [float(side) for side in entry["bbox"]]
        if len(box) != 4 or not all(map(math.isfinite, box)):
            raise ValueError(f"bbox {entry['bbox']} is not four finite numbers")
        if box[2] <= 0 or box[3] <= 0:
            self._degenerate.append(f"annotation {entry.get('id')} (image {image_id})")
            return
        self._ids.extend((image_id, category_id, int(entry.get("id", -1))))
        self._boxes.extend(box)

    def finish(self) -> CocoBoxes:
        """Check what refers to what, and sort the boxes by image and class."""
        if not self._images or not self._categories:
            missing = "images" if not self._images else "categories"
            raise DataError(f"{self._path} has no {missing}; give a COCO instances file")
        ids = np.array(self._ids, dtype=np.int64).reshape(-1, 3)
        boxes = np.array(self._boxes, dtype=np.float64).reshape(-1, 4)
        self._check(ids, boxes)
        order = np.lexsort((ids[:, 1], ids[:, 0]))
        pairs, starts = np.unique(ids[order, :2], axis=0, return_index=True)
        images = {
            i: CocoImage(m.file_name, m.width_px, m.height_px, self._licenses.get(self._license_ids[i], ""))
            for i, m in self._images.items()
        }
        return CocoBoxes(
            self._path,
            images,
            self._categories,
            frozenset(self._crowd),
            self._degenerate,
            pairs,
            np.append(starts, len(order)),
            boxes[order],
        )

    def _check(self, ids: NDArray[np.int64], boxes: NDArray[np.float64]) -> None:
        """Refuse the first annotation that names no image or category, or leaves its image."""
        assert self._categories is not None
        image_ids = np.array(sorted(self._images), dtype=np.int64)
        sizes = np.array(
            [(self._images[i].width_px, self._images[i].height_px) for i in image_ids.tolist()],
            dtype=np.int64,
        )
        at = np.searchsorted(image_ids, ids[:, 0]).clip(max=len(image_ids) - 1)
        no_image = image_ids[at] != ids[:, 0]
        no_category = ~np.isin(ids[:, 1], list(self._categories))
        over = np.maximum(-boxes[:, :2], boxes[:, :2] + boxes[:, 2:] - sizes[at]).max(axis=1, initial=-np.inf)
        bad = np.flatnonzero(no_image | no_category | (over > EDGE_TOLERANCE_PX))
        if not bad.size:
            return
        first = int(bad[0])
        image_id, category_id, annotation_id = ids[first].tolist()
        width, height = sizes[at[first]].tolist()
        problem = (
            f"box {boxes[first].tolist()} leaves the image of {width} x {height} px by {over[first]:.3g} px"
        )
        if no_image[first]:
            problem = "there is no such image"
        elif no_category[first]:
            problem = f"there is no category {category_id}"
        raise DataError(
            f"{self._path}: annotation {annotation_id} (image {image_id}): {problem}; mend the file"
        )
