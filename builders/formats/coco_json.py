"""Boxes of a COCO instances file: streamed, checked, and kept in flat arrays without segmentations."""

import posixpath
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rise_bench.annotations.boxes.kind import EDGE_TOLERANCE_PX
from rise_bench.annotations.boxes.values import Box
from rise_bench.builders.formats.coco_entry import CocoEntry, entry_name
from rise_bench.builders.formats.json_stream import iter_members
from rise_bench.builders.formats.problems import Problems
from rise_bench.data.ground_truth import folded_category
from rise_bench.errors import DataError

#: Reason for dropping a box that another annotation of its image and class has already.
REPEATED_BOX = "box that another annotation has already"


@dataclass(frozen=True, slots=True)
class CocoImage:
    """Entry of `images`."""

    file_name: str
    width_px: int
    height_px: int
    license: str


@dataclass(frozen=True, slots=True)
class CocoBoxes:
    """Boxes of a file, by image and class.

    Attributes:
        path: Path of the file.
        images: Image id -> image.
        categories: Category id (official ids have gaps in 1..90) -> name, in id order.
        crowd: (image id, category id) of the pairs with a crowd annotation, or one to ignore.
        degenerate: Annotations left out for an empty box, e.g. "annotation 918 (image 200365)".
        repeated: Annotations left out for the box of an earlier annotation of their image and class.
        uncertain: Number of annotations with a score below 1.
    """

    path: Path
    images: Mapping[int, CocoImage]
    categories: Mapping[int, str]
    crowd: frozenset[tuple[int, int]]
    degenerate: Sequence[str]
    repeated: Sequence[str]
    uncertain: int
    _pairs: NDArray[np.int64]
    _starts: NDArray[np.int64]
    _boxes_xywh_px: NDArray[np.float64]

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Yield every (image id, category id) with at least one box outside crowds."""
        yield from zip(self._pairs[:, 0].tolist(), self._pairs[:, 1].tolist(), strict=True)

    def boxes(self, image_id: int, category_id: int) -> tuple[Box, ...]:
        """Return the boxes of a pair, in file order, in pixels."""
        left = np.searchsorted(self._pairs[:, 0], image_id, side="left")
        right = np.searchsorted(self._pairs[:, 0], image_id, side="right")
        at = int(left + np.flatnonzero(self._pairs[left:right, 1] == category_id)[0])
        part = self._boxes_xywh_px[self._starts[at] : self._starts[at + 1]]
        return tuple((x, y, w, h) for x, y, w, h in part.tolist())


def read_coco_boxes(path: Path, problems: Problems | None = None) -> CocoBoxes:
    """Read a COCO instances file.

    Args:
        path: The file.
        problems: Takes what is wrong with an image, category or annotation; raised when None.

    Raises:
        DataError: If it is missing or has another layout; an id is not a whole number, is unknown or appears
            twice; two images name one file; two categories have one name; or a box is not four finite
            numbers, leaves its image by more than `EDGE_TOLERANCE_PX` or is not in pixels. Names the
            annotation.
    """
    reader, problems = _Reader(path), problems or Problems()
    for key, value in iter_members(path, {"images", "annotations"}):
        with problems:
            reader.take(key, value)
    if problems.count:
        raise DataError(f"{path}: {problems.count} of its entries cannot be read; fix them first")
    return reader.finish()


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._images: dict[int, CocoImage] = {}
        self._files: dict[str, int] = {}
        self._license_ids: dict[int, str] = {}
        self._categories: dict[int, str] = {}
        self._licenses: dict[str, str] = {}
        self._annotation_ids = array("q")
        self._unnamed: set[int] = set()  # positions of the annotations without an id
        self._refers, self._boxes = array("q"), array("d")  # (image id, category id, position), box
        self._crowd: dict[tuple[int, int], int] = {}
        self._degenerate: dict[int, int] = {}  # position -> image id
        self._degenerate_categories: set[int] = set()
        self._uncertain = 0
        self._roots: dict[int, str] = {}  # categories that are the supercategory of others

    def take(self, key: str, value: Any) -> None:
        """Read a member of the file, or an element of `images` or `annotations`."""
        if key == "images":
            self._image(value)
        elif key == "annotations":
            self._annotation(value)
        elif key == "categories":
            self._take_categories(value)
        elif key == "licenses" and isinstance(value, list):
            entries = [entry for entry in value if isinstance(entry, dict)]
            self._licenses = {str(e.get("id")): str(e.get("url") or e.get("name") or "") for e in entries}

    def _image(self, value: Any) -> None:
        entry = CocoEntry(self._path, "image", len(self._images), value)
        image_id = entry.whole("id")
        if image_id in self._images:
            raise entry.error(f"the id {image_id} appears twice", "remove one")
        name = entry.text("file_name")
        other = self._files.setdefault(posixpath.normpath(name), image_id)
        if other != image_id:
            raise DataError(
                f"{self._path}: images {other} and {image_id} name one file, {name}, so one of the two "
                "pictures is missing; give each image its own file, or join the two entries"
            )
        width, height = entry.whole("width", least=1), entry.whole("height", least=1)
        self._images[image_id] = CocoImage(name, width, height, "")
        self._license_ids[image_id] = str(entry.get("license"))

    def _take_categories(self, value: Any) -> None:
        if not isinstance(value, list):
            raise DataError(
                f"{self._path}: categories is not a list; write a list of objects with id and name"
            )
        names: dict[str, str] = {}
        named = (element.get("supercategory") for element in value if isinstance(element, dict))
        parents = {name for name in named if isinstance(name, str)}
        for position, element in enumerate(value):
            entry = CocoEntry(self._path, "category", position, element)
            category_id, name = entry.whole("id"), entry.text("name").strip()
            if category_id in self._categories:
                raise entry.error(f"the id {category_id} appears twice", "remove one")
            if name in parents and entry.get("supercategory") in (None, "", "none"):
                self._roots[category_id] = name
                continue
            folded = folded_category(name)
            if folded in names:
                raise entry.error(f"its name {name!r} is that of another, {names[folded]!r}", "join the two")
            names[folded] = name
            self._categories[category_id] = name
        self._categories = dict(sorted(self._categories.items()))

    def _annotation(self, value: Any) -> None:
        position = len(self._annotation_ids)
        entry = CocoEntry(self._path, "annotation", position, value)
        if entry.get("id") is None:
            self._unnamed.add(position)
        self._annotation_ids.append(-1 if position in self._unnamed else entry.whole("id"))
        image_id, category_id = entry.whole("image_id"), entry.whole("category_id")
        crowd = entry.get("iscrowd")
        if crowd in (1, "1") or entry.get("ignore") in (1, "1", True):
            self._crowd.setdefault((image_id, category_id), position)
            return
        if crowd not in (None, 0, "0"):
            raise entry.error(f"iscrowd is {crowd!r}", "write 0 or 1")
        box = entry.box()
        if box[2] <= 0 or box[3] <= 0:
            self._degenerate[position] = image_id
            self._degenerate_categories.add(category_id)
            return
        score = entry.get("score")
        self._uncertain += isinstance(score, int | float) and score < 1
        self._refers.extend((image_id, category_id, position))
        self._boxes.extend(box)

    def finish(self) -> CocoBoxes:
        """Check the references, and sort the boxes by image and class."""
        self._take_roots()
        parts = {
            "images": self._images,
            "categories": self._categories,
            "annotations": self._annotation_ids,
        }
        for name, part in parts.items():
            if not part:
                raise DataError(f"{self._path} has no {name}; give a COCO instances file")
        refers = np.array(self._refers, dtype=np.int64).reshape(-1, 3)
        boxes = np.array(self._boxes, dtype=np.float64).reshape(-1, 4)
        self._check_ids()
        self._check_references(refers)
        self._check_boxes(refers, boxes)
        keep, repeated = self._without_repeated(refers, boxes)
        refers, boxes = refers[keep], boxes[keep]
        order = np.lexsort((refers[:, 1], refers[:, 0]))
        pairs, starts = np.unique(refers[order, :2], axis=0, return_index=True)
        images = {
            i: CocoImage(m.file_name, m.width_px, m.height_px, self._licenses.get(self._license_ids[i], ""))
            for i, m in self._images.items()
        }
        return CocoBoxes(
            self._path,
            images,
            self._categories,
            frozenset(self._crowd),
            [f"{self._name(position)} (image {image})" for position, image in self._degenerate.items()],
            repeated,
            self._uncertain,
            pairs,
            np.append(starts, len(order)),
            boxes[order],
        )

    def _take_roots(self) -> None:
        """Take the categories above others that have annotations.

        Roboflow puts one without any above all others, which may have the name of one of them.
        """
        used = {*self._refers[1::3], *(pair[1] for pair in self._crowd), *self._degenerate_categories}
        roots = {number: name for number, name in self._roots.items() if number in used}
        every = dict(sorted((self._categories | roots).items())) or self._roots
        counts = Counter(map(folded_category, every.values()))
        if twice := [name for name in every.values() if counts[folded_category(name)] > 1]:
            raise DataError(f"{self._path}: two categories are called {twice[0]!r}; join the two")
        self._categories = every

    def _name(self, position: int) -> str:
        named = position not in self._unnamed
        return entry_name("annotation", position, self._annotation_ids[position] if named else None)

    def _check_ids(self) -> None:
        ids = np.array(self._annotation_ids, dtype=np.int64)
        named = np.ones(len(ids), dtype=bool)
        named[list(self._unnamed)] = False
        distinct, counts = np.unique(ids[named], return_counts=True)
        if double := distinct[counts > 1].tolist():
            raise DataError(
                f"{self._path}: annotation id {double[0]} appears twice, so a box may count twice; remove "
                "one, or give it an id of its own"
            )

    def _check_references(self, refers: NDArray[np.int64]) -> None:
        """Refuse the first annotation of an unknown image or category."""
        crowd = [(*pair, position) for pair, position in self._crowd.items()]
        every = np.concatenate([refers, np.array(crowd, dtype=np.int64).reshape(-1, 3)])
        no_image = ~np.isin(every[:, 0], list(self._images))
        no_category = ~np.isin(every[:, 1], list(self._categories))
        bad = np.flatnonzero(no_image | no_category)
        if not bad.size:
            return
        image_id, category_id, position = every[bad[np.argmin(every[bad, 2])]].tolist()
        problem = (
            f"there is no category {category_id}" if image_id in self._images else "there is no such image"
        )
        name = f"{self._name(position)} (image {image_id})"
        raise DataError(f"{self._path}: {name}: {problem}; correct the id or remove the annotation")

    def _check_boxes(self, refers: NDArray[np.int64], boxes: NDArray[np.float64]) -> None:
        """Refuse the first box that leaves its image or has relative coordinates."""
        images = (self._images[i] for i in refers[:, 0].tolist())
        sizes = np.array([(m.width_px, m.height_px) for m in images], dtype=np.float64).reshape(-1, 2)
        ends = boxes[:, :2] + boxes[:, 2:]
        over = np.maximum(-boxes[:, :2], ends - sizes).max(axis=1, initial=-np.inf)
        shares = (ends.max(axis=1, initial=0) <= 1) & (boxes.min(axis=1, initial=0) >= 0)
        shares &= sizes.min(axis=1, initial=np.inf) > 2
        bad = np.flatnonzero((over > EDGE_TOLERANCE_PX) | shares)
        if not bad.size:
            return
        first = int(bad[0])
        x, y, w, h = box = boxes[first].tolist()
        width, height = sizes[first].astype(int).tolist()
        problem = f"leaves the image of {width} x {height} px by {over[first]:.3g} px; correct it"
        if shares[first]:
            problem = f"lies in the first pixel of {width} x {height}; write pixels, not shares of the image"
        elif x < w <= width and y < h <= height:
            problem += "; if these are corners [x1, y1, x2, y2], write [x1, y1, x2 - x1, y2 - y1]"
        image_id, _, position = refers[first].tolist()
        raise DataError(f"{self._path}: {self._name(position)} (image {image_id}): box {box} {problem}")

    def _without_repeated(
        self, refers: NDArray[np.int64], boxes: NDArray[np.float64]
    ) -> tuple[NDArray[np.bool_], list[str]]:
        """Return which annotations are first of their image, class and box, and the names of the rest."""
        keys = (*boxes.T, refers[:, 1], refers[:, 0])
        order = np.lexsort(keys)  # stable, so equal ones stay in file order
        same = np.ones(max(len(order) - 1, 0), dtype=bool)
        for key in keys:
            same &= key[order[1:]] == key[order[:-1]]
        again = np.sort(order[1:][same])
        keep = np.ones(len(order), dtype=bool)
        keep[again] = False
        return keep, [f"{self._name(at)} (image {image})" for image, _, at in refers[again].tolist()]
