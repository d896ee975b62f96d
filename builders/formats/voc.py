"""Boxes of a Pascal VOC dataset: an XML file for each picture.

Read are the official layout (`Annotations/`, `JPEGImages/`, `ImageSets/Main/`), and that of LabelImg,
Roboflow and supervision, where the XML files are beside the pictures or in another folder. Corners count
from 1 and the last pixel is inside, so a box has its left edge at `xmin - 1` and its right edge at `xmax`.
"""

from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from rise_bench.builders.formats.box_collector import BoxCollector, FoundBox
from rise_bench.builders.formats.box_table import BoxTable
from rise_bench.builders.formats.csv_file import SPLITS
from rise_bench.builders.formats.picture_files import files_below
from rise_bench.builders.formats.picture_index import PictureIndex, folder_splits
from rise_bench.builders.formats.problems import Problems
from rise_bench.builders.formats.text_file import utf8_text
from rise_bench.builders.formats.upright import turned_by
from rise_bench.builders.formats.voc_pictures import VocPictures
from rise_bench.builders.formats.xml_file import Element, number, read_element
from rise_bench.data.build_plan import inside
from rise_bench.errors import DataError

#: Reasons under which pictures and pairs are left out.
NO_XML = "the picture has no XML file"
DIFFICULT = "(image, class) pair with an object marked as difficult"
IN_NO_LIST = "the picture is in no list of ImageSets/Main"

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read_voc(
    source: Path, annotations: Path, classes: tuple[str, ...] = (), problems: Problems | None = None
) -> BoxTable:
    """Read a Pascal VOC dataset.

    Args:
        source: Folder of the pictures.
        annotations: Folder of the XML files, or a folder above it.
        classes: Class names in order; if empty, the sorted ones of the objects.
        problems: Takes what is wrong with a file; raised when None.

    Raises:
        DataError: If a file has another layout, a picture is missing, or a box is wrong; names the file.
    """
    problems = problems or Problems()
    paths = [inside(annotations, path) for path in files_below(annotations) if path.suffix.lower() == ".xml"]
    if not paths:
        raise DataError(f"{annotations} holds no XML file; give the folder Annotations as --annotations")
    index, lists = PictureIndex(source), _lists(annotations, source, {path.stem for path in paths})
    places = {path: _place(path, source, annotations) for path in paths}
    here = annotations.is_relative_to(source)
    pictures = VocPictures(source, index, [*places.values()], inside=here)
    collector = BoxCollector(annotations, classes)
    file_names: dict[str, str] = {}
    folders = folder_splits([path.relative_to(annotations).as_posix() for path in paths])
    for path in paths:
        name = path.relative_to(annotations).as_posix()
        with problems:
            root = read_element(path)
            if root.tag != "annotation":
                raise DataError(
                    f"{path} holds <{root.tag}>, expected <annotation>; give a folder of VOC files only"
                )
            file = pictures.find(places[path], (root.findtext("filename") or "").strip())
            file_names[file] = name
            split = lists.get(path.stem, "") if lists else folders.get(name, "")
            if lists and not split:
                collector.leave_out(IN_NO_LIST, file)
            else:
                collector.add(file, _boxes(root, path.name), path.name, _size(root, path.name), split=split)
                for category in _difficult(root):
                    collector.leave_out_class(DIFFICULT, file, category)
    for file in index.files:
        if file not in file_names:
            collector.leave_out(NO_XML, file)
    return collector.table()


def _lists(annotations: Path, source: Path, stems: Collection[str]) -> dict[str, str]:
    """Return stem -> split, by the lists of the official layout; nothing without both splits.

    A line is a stem, which may hold blanks, or a stem and a number.
    """
    for base in (annotations, annotations.parent, source):
        folder = base / "ImageSets" / "Main"
        files = {name: folder / f"{name}.txt" for name in ("train", "val", "test")}
        if not files["train"].is_file() and (folder / "trainval.txt").is_file():
            files = {"train": folder / "trainval.txt", "test": files["test"]}
        files = {name: file for name, file in files.items() if file.is_file()}
        if "train" in files and len(files) > 1:
            return {
                line if line in stems else line.rsplit(None, 1)[0]: SPLITS[name]
                for name, file in reversed(files.items())
                for line in map(str.strip, utf8_text(file).splitlines())
                if line
            }
    return {}


def _place(path: Path, source: Path, annotations: Path) -> PurePosixPath:
    """Return the path of an XML file in the source; of one outside it, in the folder of annotations."""
    return PurePosixPath(path.relative_to(source if path.is_relative_to(source) else annotations))


def _size(root: Element, where: str) -> tuple[int, int] | None:
    sides = [root.findtext(f"size/{side}") for side in ("width", "height")]
    width, height = (number(side, "size", where) if side else 0 for side in sides)
    return (int(width), int(height)) if width > 0 and height > 0 else None


def _difficult(root: Element) -> list[str]:
    """Return the classes with an object that the official evaluation ignores."""
    marked = (e for e in root.iter("object") if (e.findtext("difficult") or "").strip() in ("1", "true"))
    return sorted({(element.findtext("name") or "").strip() for element in marked})


def _boxes(root: Element, where: str) -> Iterator[FoundBox]:
    for position, element in enumerate(root.iter("object"), 1):
        if (element.findtext("deleted") or "").strip() == "1":
            continue  # LabelMe keeps what was removed
        category = (element.findtext("name") or "").strip()
        place = f"{where} object {position}" + (f" ({category})" if category else "")
        if not category:
            raise DataError(f"{place}: it has no name; write its class")
        corners = element.find("bndbox")
        if corners is None:
            raise DataError(f"{place}: it has no bndbox; write one, or remove the object")
        beside = {part.tag: part.text for part in [*element, *corners]}
        attributes = {part.findtext("name", ""): part.findtext("value") for part in element.iter("attribute")}
        if turned := turned_by(beside, attributes):
            raise DataError(f"{place}: the box is rotated ({turned}); draw an upright one")
        left, top, right, bottom = (number(corners.findtext(side), side, place) for side in _CORNERS)
        left, top = max(0.0, left - 1), max(0.0, top - 1)
        yield FoundBox(category, (left, top, right - left, bottom - top), place)
