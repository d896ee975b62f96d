"""Boxes of a YOLO dataset: a text file beside each picture, `class x_centre y_centre width height` in shares.

Read are the layouts of Ultralytics and Roboflow (`data.yaml`), of supervision, and of LabelImg, Darknet and
Label Studio (`classes.txt` or `obj.names`). The labels of `images/a/1.jpg` are `labels/a/1.txt`, or `1.txt`
beside the picture. A picture without a text file, or with an empty one, shows no object.
"""

import re
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from rise_bench.builders.formats.box_collector import BoxCollector, FoundBox
from rise_bench.builders.formats.box_table import BoxTable
from rise_bench.builders.formats.csv_file import SPLITS
from rise_bench.builders.formats.picture_index import PictureIndex, folder_splits
from rise_bench.builders.formats.problems import Problems
from rise_bench.builders.formats.text_file import utf8_text
from rise_bench.data.build_plan import inside
from rise_bench.errors import DataError
from rise_bench.files.images import open_image, shown_size

#: Reason for pictures that are left out.
IN_NO_SPLIT = "the picture is in no split of data.yaml"

#: Files that name the classes.
NAME_FILES = ("data.yaml", "data.yml", "dataset.yaml", "classes.txt", "obj.names", "_darknet.labels")

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
_YAML = (".yaml", ".yml")


def read_yolo(
    source: Path, annotations: Path, classes: tuple[str, ...] = (), problems: Problems | None = None
) -> BoxTable:
    """Read a YOLO dataset.

    Args:
        source: Folder of the pictures.
        annotations: `data.yaml`, `classes.txt` or `obj.names`, or the folder that holds it.
        classes: Class names in order of their numbers, where no file names them; else the same names in the
            order of the dataset.
        problems: Takes what is wrong with a picture's labels; raised when None.

    Raises:
        DataError: If the classes or the labels are missing, or a line is wrong; names it.
    """
    problems = problems or Problems()
    path = _names_file(annotations) or annotations
    content = _yaml(path) if path.suffix.lower() in _YAML else {}
    names = _names(path, content) if path.is_file() else ()
    if not (classes or names):
        raise DataError(
            f"{annotations}: no file names the classes; add data.yaml or classes.txt, or pass --classes"
        )
    if classes and names and set(classes) != set(names):
        raise DataError(
            f"{path} names the classes {', '.join(names)}, and --classes {', '.join(classes)}; give the same "
            "names, in whatever order, or leave --classes out"
        )
    index = PictureIndex(source)
    everything = index.files
    splits = _yaml_splits(source, path, content, index) or folder_splits(everything)
    files = [file for file in everything if file in splits] if content and splits else everything
    collector = BoxCollector(path, tuple(dict.fromkeys(classes or names)))
    used: dict[Path, str] = {}
    for file in files:
        with problems:
            labels = _label_file(source, file, index)
            if labels and used.setdefault(labels, file) != file:
                raise DataError(
                    f"{file}: its labels {labels.relative_to(source).as_posix()} are those of {used[labels]} "
                    "too; remove one of the pictures, or rename it with labels of its own"
                )
            _add(collector, source, file, labels, names or classes, splits.get(file, ""))
    if not used:
        raise DataError(
            f"{source}: none of {len(files)} pictures has a text file of labels; put that of "
            "images/1.jpg at labels/1.txt, or beside it"
        )
    listed = set(files)
    others = [file for file in everything if file not in listed]
    for file in others:
        collector.leave_out(IN_NO_SPLIT, file)
    known = used.keys() | {labels for file in others if (labels := _label_file(source, file, index))}
    for folder in sorted({labels.parent for labels in used}):
        for labels in sorted(folder.glob("*.[tT][xX][tT]")):
            with problems:
                _refuse_orphan(source, labels, known, index)
    return collector.table()


def _names_file(annotations: Path) -> Path | None:
    if annotations.is_file():
        return annotations
    return next((annotations / name for name in NAME_FILES if (annotations / name).is_file()), None)


def _yaml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        content = yaml.safe_load(text)
        if isinstance(content, dict) and "names" in content:
            # names as they are written: `off` and `no` are classes, not false
            content["names"] = yaml.load(text, Loader=yaml.BaseLoader).get("names", content["names"])
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise DataError(f"{path} is not YAML ({str(error)[:200]}); correct it") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} has no names; write names: [cat, dog]")
    return content


def _names(path: Path, content: dict[str, Any]) -> tuple[str, ...]:
    if path.suffix.lower() not in _YAML:
        names: list[Any] = [line.strip() for line in utf8_text(path).splitlines()]
        names = names[: next((n for n in range(len(names), 0, -1) if names[n - 1]), 0)]
    else:
        given = content.get("names")
        if isinstance(given, dict):
            of = {str(number): name for number, name in given.items()}
            numbers = [str(number) for number in range(len(given))]
            given = [of[number] for number in numbers] if of.keys() == set(numbers) else given
        if not isinstance(given, list):
            raise DataError(
                f"{path}: names is neither a list of classes nor a mapping from 0, 1, …; write one"
            )
        names = [name if isinstance(name, str) else str(name) for name in given]
    for number, name in enumerate(names):
        if not name.strip() or name in names[:number]:
            problem = "is empty" if not name.strip() else f"{name!r} appears twice"
            raise DataError(f"{path}: the name of class {number} {problem}; write another")
    return tuple(names)


def _yaml_splits(source: Path, path: Path, content: dict[str, Any], index: PictureIndex) -> dict[str, str]:
    """Return file -> split, by the folders and lists of files of `data.yaml`."""
    splits: dict[str, str] = {}
    for key in SPLITS:
        entries = content.get(key)
        for entry in entries if isinstance(entries, list) else [entries]:
            if isinstance(entry, str) and entry:
                for file in _entry_files(source, path, content, entry, index):
                    splits.setdefault(file, SPLITS[key])
    return splits


def _entry_files(
    source: Path, path: Path, content: dict[str, Any], entry: str, index: PictureIndex
) -> list[str]:
    """Return the pictures of a folder, or of a list of files, that `data.yaml` names."""
    root = content.get("path")
    bases = (
        [path.parent / root, source / root, path.parent, source]
        if isinstance(root, str)
        else [path.parent, source]
    )
    trimmed = PurePosixPath(*(part for part in PurePosixPath(entry).parts if part not in ("..", ".")))
    for place in (base / name for base in bases for name in (entry, trimmed)):
        if not place.exists() or not place.resolve().is_relative_to(source.resolve()):
            continue
        if place.is_file():
            lines = utf8_text(place).split("\n")
            named = ((line.strip(), number) for number, line in enumerate(lines, 1))
            return [index.find(line, f"{place.name} line {number}") for line, number in named if line]
        folder = place.resolve().relative_to(source.resolve()).as_posix()
        return [file for file in index.files if folder == "." or file.startswith(f"{folder}/")]
    raise DataError(f"{path}: {entry} is missing in {source}; correct the path, or remove it")


def _label_file(source: Path, file: str, index: PictureIndex) -> Path | None:
    """Return the text file of a picture; one of all folders together, if no other picture has its name."""
    path = PurePosixPath(file).with_suffix(".txt")
    parts = list(path.parts)
    places = [PurePosixPath("labels") / path, path]
    if index.find_stem(path.stem):
        places.append(PurePosixPath("labels") / path.name)
    if "images" in parts[:-1]:
        at = len(parts) - 1 - parts[::-1].index("images")
        places.insert(0, PurePosixPath(*parts[:at], "labels", *parts[at + 1 :]))
    there = (source / place.with_suffix(end) for place in places for end in (".txt", ".TXT"))
    return next((inside(source, place) for place in there if place.is_file()), None)


def _add(
    collector: BoxCollector,
    source: Path,
    file: str,
    labels: Path | None,
    names: tuple[str, ...],
    split: str,
) -> None:
    where = labels.relative_to(source).as_posix() if labels else file
    size: tuple[int, int] | None = None
    boxes: list[FoundBox] = []
    lines = list(_lines(labels, where)) if labels else []
    if lines:
        with open_image(source / file, str(source / file)) as image:
            size = shown_size(image, image.size)
        boxes = [_box(values, names, size, place) for place, values in lines]
    collector.add(file, boxes, where, None, sized=size, split=split)


def _lines(labels: Path, where: str) -> Iterator[tuple[str, list[str]]]:
    for number, line in enumerate(utf8_text(labels, where).split("\n"), 1):
        if line.strip():
            yield f"{where} line {number}", line.split()


def _box(values: list[str], names: tuple[str, ...], size_px: tuple[int, int], where: str) -> FoundBox:
    if len(values) != 5:
        reason = "a prediction with its confidence" if len(values) == 6 else "a polygon or key points"
        extra = f" ({reason}?)" if len(values) > 5 else ""
        raise DataError(
            f"{where}: {len(values)} values{extra}; write class, x and y of the centre, width and height"
        )
    for value in values:
        if not _NUMBER.fullmatch(value):
            raise DataError(
                f"{where}: {value!r} is not a number; write shares of the image with decimal points"
            )
    number = float(values[0])
    if not number.is_integer() or not 0 <= number < len(names):
        raise DataError(
            f"{where}: unknown class {values[0]}; expected a whole number from 0 to {len(names) - 1}, or add "
            "its name"
        )
    x, y, w, h = map(float, values[1:])
    if max(x, y, w, h) > 1.5:
        raise DataError(
            f"{where}: {' '.join(values[1:])} are not shares of the image; divide pixels by its size"
        )
    width, height = size_px
    box = ((x - w / 2) * width, (y - h / 2) * height, w * width, h * height)
    return FoundBox(names[int(number)], box, where)


def _refuse_orphan(source: Path, labels: Path, used: Collection[Path], index: PictureIndex) -> None:
    """Refuse labels whose picture is missing or not clear; lists of files and classes are none."""
    if labels in used or labels.name in NAME_FILES or index.find_stem(labels.stem):
        return
    first = next(iter(labels.read_text(encoding="utf-8", errors="replace").split("\n", 1)), "").split()
    if len(first) >= 5 and _NUMBER.fullmatch(first[0]):
        where = labels.relative_to(source).as_posix()
        if index.has_stem(labels.stem):
            raise DataError(
                f"{where}: several pictures are called {labels.stem}; put it where those of one belong"
            )
        raise DataError(f"{where}: there is no picture called {labels.stem}; add it, or remove the file")
