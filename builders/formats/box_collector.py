"""Gathering the boxes of a source, picture by picture, with the checks that all formats share."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from rise_bench.annotations.boxes.values import Box
from rise_bench.builders.formats.box_table import BoxPicture, BoxTable, check_box
from rise_bench.builders.formats.coco_json import REPEATED_BOX
from rise_bench.errors import DataError


class FoundBox(NamedTuple):
    """A box as its source has it: class, box in pixels, place in the source."""

    category: str
    box: Box
    where: str


class BoxCollector:
    """Boxes of a source; a box that appears twice counts once."""

    def __init__(self, path: Path, classes: tuple[str, ...] = ()) -> None:
        """Begin without a picture; without classes, those of the boxes (sorted) are taken."""
        self._path, self._classes = path, classes
        self._pictures: list[BoxPicture] = []
        self._places: dict[str, str] = {}
        self._drops: dict[str, list[str]] = {REPEATED_BOX: []}

    def add(
        self,
        file: str,
        boxes: Iterable[FoundBox],
        where: str,
        size_px: tuple[int, int] | None,
        *,
        sized: tuple[int, int] | None = None,
        split: str = "",
    ) -> None:
        """Add a picture.

        Args:
            file: Path in the source.
            boxes: Its boxes.
            where: Place of the picture in the source.
            size_px: Width and height that the source states, None if it states none.
            sized: Width and height of the picture itself, where the source states none.
            split: "train" or "test", if the source says so.

        Raises:
            DataError: If the picture was there before, or a box is wrong.
        """
        if file in self._places:
            raise DataError(
                f"{where}: {file} was annotated in {self._places[file]} before; remove one of the two"
            )
        kept: dict[str, tuple[Box, ...]] = {}
        for category, box, place in boxes:
            if self._classes and category not in self._classes:
                raise DataError(
                    f"{place}: unknown class {category!r}; expected one of {', '.join(self._classes)}"
                )
            if size := size_px or sized:
                check_box(box, size, place)
            if box in kept.get(category, ()):
                self._drops[REPEATED_BOX].append(place)
            else:
                kept[category] = (*kept.get(category, ()), box)
        self._places[file] = where
        self._pictures.append(BoxPicture(file, kept, where, size_px, split, bare=not kept))

    def leave_out_class(self, reason: str, file: str, category: str) -> None:
        """Leave out a class of the last picture, whose boxes are not all of its objects."""
        picture = self._pictures[-1]
        kept = {name: boxes for name, boxes in picture.boxes.items() if name != category}
        self._pictures[-1] = replace(picture, boxes=kept, bare=False)
        self.leave_out(reason, f"{file} {category}")

    def leave_out(self, reason: str, name: str) -> None:
        """Note something that is left out."""
        self._drops.setdefault(reason, []).append(name)

    def table(self) -> BoxTable:
        """Return what was gathered.

        Raises:
            DataError: If no picture has a box.
        """
        classes = self._classes or tuple(sorted({name for p in self._pictures for name in p.boxes}))
        if not any(picture.boxes for picture in self._pictures):
            raise DataError(f"{self._path}: none of {len(self._pictures)} pictures has a box; add boxes")
        pictures = [
            BoxPicture(
                p.file,
                {name: p.boxes[name] for name in classes if name in p.boxes},
                p.where,
                p.size_px,
                p.split,
                bare=p.bare,
            )
            for p in self._pictures
        ]
        return BoxTable(self._path, pictures, classes, self._drops)
