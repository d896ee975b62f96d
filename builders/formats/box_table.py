"""Boxes of a source, picture by picture, whatever its format."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from rise_bench.annotations.boxes.kind import EDGE_TOLERANCE_PX
from rise_bench.annotations.boxes.values import Box
from rise_bench.errors import DataError

#: Reason under which a picture without any box is left out unless empty pictures are kept.
NO_BOX = "the image has no annotation"


@dataclass(frozen=True, slots=True)
class BoxPicture:
    """Picture with its boxes.

    Attributes:
        file: Path in the source.
        boxes: Class -> boxes in pixels as shown, in file order; none states that there is no such object.
        where: Place in the source, e.g. "boxes.json image 7".
        size_px: Width and height that the source states; None where it states none.
        split: "train" or "test"; empty where the source names no splits.
        license: Licence, where it differs between pictures.
        bare: Whether the source has no annotation of it: no object, or nobody looked.
    """

    file: str
    boxes: Mapping[str, tuple[Box, ...]]
    where: str
    size_px: tuple[int, int] | None = None
    split: str = ""
    license: str = ""
    bare: bool = False


@dataclass(frozen=True, slots=True)
class BoxTable:
    """Pictures of a source, its classes in order, what was left out by reason, columns not used, notes."""

    kind: ClassVar[str] = "boxes"
    path: Path
    pictures: Sequence[BoxPicture]
    classes: tuple[str, ...]
    drops: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def files(self) -> list[tuple[str, str]]:
        """File and place of each picture."""
        return [(picture.file, picture.where) for picture in self.pictures]

    @property
    def splits(self) -> dict[str, str]:
        """File -> split, where the source names one."""
        return {picture.file: picture.split for picture in self.pictures if picture.split}

    def with_splits(self, splits: Mapping[str, str]) -> "BoxTable":
        """Return the table with a split for each picture."""
        return replace(self, pictures=[replace(p, split=splits[p.file]) for p in self.pictures])

    @property
    def class_counts(self) -> dict[str, int]:
        """Class -> pictures that show it."""
        shown = Counter(name for picture in self.pictures for name, boxes in picture.boxes.items() if boxes)
        return {name: shown[name] for name in self.classes}

    @property
    def empty(self) -> int:
        """Pictures without a box."""
        return sum(not any(picture.boxes.values()) for picture in self.pictures)


def check_box(box: Box, size_px: tuple[int, int], where: str) -> Box:
    """Return a box after making sure that it has an area and lies in its picture.

    Raises:
        DataError: If it is empty, or leaves the picture by more than `EDGE_TOLERANCE_PX`.
    """
    x, y, w, h = box
    width, height = size_px
    if w <= 0 or h <= 0:
        raise DataError(f"{where}: the box has no area; write a width and a height above 0, or remove it")
    over = max(-x, -y, x + w - width, y + h - height)
    if over > EDGE_TOLERANCE_PX:
        numbers = ", ".join(f"{side:g}" for side in box)
        raise DataError(
            f"{where}: box [{numbers}] (x, y, width, height) leaves the image of {width} x {height} px by "
            f"{over:.3g} px; correct it"
        )
    return box
