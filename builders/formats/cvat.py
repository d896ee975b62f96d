"""Boxes or tags of an export "CVAT for images 1.1": one `annotations.xml`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rise_bench.builders.formats.box_collector import BoxCollector, FoundBox
from rise_bench.builders.formats.box_table import BoxTable
from rise_bench.builders.formats.csv_file import SPLITS
from rise_bench.builders.formats.label_table import LabelRow, LabelTable, one_hot
from rise_bench.builders.formats.picture_index import PictureIndex
from rise_bench.builders.formats.problems import Problems
from rise_bench.builders.formats.xml_file import Element, iter_elements, number
from rise_bench.errors import DataError

#: Reason under which a picture is left out.
NO_TAG = "the picture has no tag"

_SIDES = ("xtl", "ytl", "xbr", "ybr")
_OTHER_SHAPES = ("polygon", "polyline", "points", "ellipse", "cuboid", "mask", "skeleton")


def read_cvat(
    source: Path, annotations: Path, classes: tuple[str, ...] = (), problems: Problems | None = None
) -> BoxTable | LabelTable:
    """Read an export of CVAT.

    Args:
        source: Folder of the pictures.
        annotations: `annotations.xml`.
        classes: Class names in order; if empty, the labels of the task or project.
        problems: Takes what is wrong with an image; raised when None.

    Returns:
        Boxes; classes if no image has a box, and some have tags.

    Raises:
        DataError: The file is not such XML, a picture is missing, or a shape is not a box; names the image.
    """
    problems = problems or Problems()
    images, labels = _read(annotations)
    if not images:
        raise DataError(f"{annotations} has no image; export the task as CVAT for images 1.1")
    classes, index = classes or labels, PictureIndex(source)
    has = {shape.tag for image in images for shape in image}
    if "tag" in has and "box" in has:
        raise DataError(
            f"{annotations} has boxes and tags, either of which could be the ground truth; export one"
        )
    if "tag" in has:
        return _tags(images, classes, index, problems, annotations)
    collector = BoxCollector(annotations, classes)
    for image in images:
        with problems:
            where = _where(image, annotations)
            size = tuple(int(number(image.get(side), side, where)) for side in ("width", "height"))
            file = index.find(image.get("name") or "", where)
            collector.add(file, _boxes(image, where), where, (size[0], size[1]), split=_split(image, where))
    return collector.table()


def _read(path: Path) -> tuple[list[Element], tuple[str, ...]]:
    """Return the images and the names of the labels."""
    images: list[Element] = []
    labels: tuple[str, ...] = ()
    for event, element in iter_elements(path):
        if event == "end" and element.tag == "image":
            images.append(element)
        elif event == "end" and element.tag == "labels" and not labels:
            labels = tuple(filter(None, (name.text for name in element.iterfind("label/name"))))
        elif element.tag == "track":
            raise DataError(f"{path} is of a video (it has a track); export the task as CVAT for images 1.1")
    return images, labels


def _where(image: Element, path: Path) -> str:
    return f"{path.name} image {image.get('id', '?')} ({image.get('name')})"


def _split(image: Element, where: str) -> str:
    """Return the split of an image's subset; of `default`, which CVAT writes where nobody chose one, none."""
    subset = image.get("subset") or "default"
    if subset.lower() == "default":
        return ""
    if subset.lower() not in SPLITS:
        raise DataError(f"{where}: subset {subset!r} is neither train, test nor default; rename it")
    return SPLITS[subset.lower()]


def _boxes(image: Element, where: str) -> Iterator[FoundBox]:
    for position, shape in enumerate(image, 1):
        place = f"{where} shape {position} ({shape.get('label')})"
        if shape.tag in _OTHER_SHAPES:
            raise DataError(
                f"{place}: it is a {shape.tag}; draw a rectangle, or export COCO 1.0, which has its bbox"
            )
        if shape.tag != "box":
            continue
        if number(shape.get("rotation", "0"), "rotation", place) % 360:
            raise DataError(f"{place}: the box is rotated; draw an upright one")
        if not shape.get("label"):
            raise DataError(f"{place}: it has no label; choose its class")
        left, top, right, bottom = (number(shape.get(side), side, place) for side in _SIDES)
        yield FoundBox(shape.get("label", ""), (left, top, right - left, bottom - top), place)


def _tags(
    images: Sequence[Element],
    classes: tuple[str, ...],
    index: PictureIndex,
    problems: Problems,
    path: Path,
) -> LabelTable:
    rows: list[LabelRow] = []
    bare: list[str] = []
    for image in images:
        with problems:
            where = _where(image, path)
            labels = [tag.get("label", "") for tag in image.iterfind("tag")]
            file = index.find(image.get("name") or "", where)
            if len(labels) > 1:
                raise DataError(f"{where}: it has {len(labels)} tags ({', '.join(labels)}); keep one")
            if labels:
                split = _split(image, where)
                rows.append(LabelRow(file, one_hot(labels[0], classes, where), split, "", "", where))
            else:
                bare.append(file)
    return LabelTable(rows, classes, True, {NO_TAG: bare})
