"""The pictures of a COCO json, with their boxes by class."""

from collections import defaultdict
from pathlib import Path

from rise_bench.annotations.boxes.values import Box
from rise_bench.builders.formats.box_table import BoxPicture, BoxTable
from rise_bench.builders.formats.coco_json import REPEATED_BOX, CocoBoxes, read_coco_boxes
from rise_bench.builders.formats.picture_index import PictureIndex
from rise_bench.builders.formats.problems import Problems
from rise_bench.builders.formats.uncertain import uncertain_note
from rise_bench.errors import DataError

#: Reason under which a pair is left out of which a box surrounds several objects.
CROWD = "(image, class) pair with a crowd annotation, or one to ignore"


def read_coco_table(source: Path, path: Path, problems: Problems | None = None) -> BoxTable:
    """Read a COCO instances file of the user's own.

    Args:
        source: Folder of the pictures; pictures in its subfolders are found by name.
        path: The file.
        problems: Takes what is wrong with an entry; raised when None.

    Raises:
        DataError: As `read_coco_boxes`; also for a box without an area, or if all annotations are crowds.
    """
    coco = read_coco_boxes(path, problems)
    if coco.degenerate:
        raise DataError(
            f"{path}: {coco.degenerate[0]}: the box has no area; write a width and a height above 0, or "
            "remove it"
        )
    boxes: defaultdict[int, dict[str, tuple[Box, ...]]] = defaultdict(dict)
    for image_id, category_id in coco.pairs():
        if (image_id, category_id) not in coco.crowd:
            boxes[image_id][coco.categories[category_id]] = coco.boxes(image_id, category_id)
    if coco.crowd and not boxes:
        raise DataError(
            f"{path}: all annotations are crowds (iscrowd: 1) or to be ignored, and have no box; add boxes"
        )
    crowded = {image_id for image_id, _ in coco.crowd}
    files = _files(PictureIndex(source), coco, path)
    pictures = [
        BoxPicture(
            files[image_id],
            boxes.get(image_id, {}),
            f"{path.name} image {image_id}",
            (image.width_px, image.height_px),
            license=image.license,
            bare=image_id not in boxes and image_id not in crowded,
        )
        for image_id, image in sorted(coco.images.items())
    ]
    crowds = [f"{coco.images[i].file_name} {coco.categories[c]}" for i, c in sorted(coco.crowd)]
    drops = {CROWD: crowds, REPEATED_BOX: list(coco.repeated)}
    notes = uncertain_note(coco.uncertain)
    return BoxTable(path, pictures, tuple(coco.categories.values()), drops, notes=notes)


def _files(index: PictureIndex, coco: CocoBoxes, path: Path) -> dict[int, str]:
    """Return the picture of each image: that of its name, else the only one whose path ends so."""
    files: dict[int, str] = {}
    images: dict[str, int] = {}
    for image_id, image in sorted(coco.images.items()):
        candidates = index.candidates(image.file_name)
        file = candidates[0] if len(candidates) == 1 else image.file_name
        if (other := images.setdefault(file, image_id)) != image_id:
            raise DataError(
                f"{path.name} image {image_id}: {image.file_name!r} is {file}, as is image {other}, "
                f"{coco.images[other].file_name!r}; add the picture that is missing, or remove its image"
            )
        files[image_id] = file
    return files
