"""Labels of images from their folders: one per class, optionally inside or around one per split."""

from collections.abc import Sequence
from pathlib import Path

from rise_bench.builders.formats.csv_file import SPLITS
from rise_bench.builders.formats.label_table import LabelRow, LabelTable, one_hot
from rise_bench.builders.formats.picture_files import files_below, is_picture
from rise_bench.builders.formats.problems import Problems
from rise_bench.errors import DataError

NOT_AN_IMAGE = "not an image file, by its ending"
NO_CLASS = "the image is in no folder of a class"


def read_label_folders(
    source: Path, classes: tuple[str, ...] = (), problems: Problems | None = None
) -> LabelTable:
    """Read a folder of folders; hidden files are skipped.

    Args:
        source: Folder of class folders, or of `train` and `test` (or `val`) with class folders; or of class
            folders with `train` and `test` in each.
        classes: Class names in order; if empty, the sorted names of the folders.
        problems: Takes what is wrong with a folder; raised when None.

    Raises:
        DataError: If there are fewer than two folders of classes, or one of them holds no image.
    """
    places = _class_folders(source, classes)
    classes = classes or tuple(sorted({name for _, name, _ in places}))
    rows: list[LabelRow] = []
    drops: dict[str, list[str]] = {NOT_AN_IMAGE: [], NO_CLASS: []}
    for split, name, folder in places:
        with problems or Problems():
            where = f"folder {folder.relative_to(source).as_posix()}"
            probs = one_hot(name, classes, where)
            below = files_below(folder, source)
            files = {path.relative_to(source).as_posix(): is_picture(path) for path in below}
            if not any(files.values()):
                fix = (
                    "name the file of annotations with --annotations (`init`: --labels)"
                    if files
                    else "add some"
                )
                raise DataError(f"{folder} holds no image; {fix}, or move it out of {source}")
            rows += [LabelRow(file, probs, split, "", "", where) for file in files if files[file]]
            drops[NOT_AN_IMAGE] += [file for file in files if not files[file]]
    splits = [folder for folder in _folders(source) if folder.name.lower() in SPLITS and not _folders(folder)]
    for folder in {source, *(folder.parent for *_, folder in places), *(splits if places[0][0] else ())}:
        loose = [path for path in _children(folder) if path.is_file() and is_picture(path)]
        drops[NO_CLASS] += [path.relative_to(source).as_posix() for path in loose]
    return LabelTable(rows, classes, True, {reason: sorted(names) for reason, names in drops.items()})


def _class_folders(source: Path, classes: Sequence[str]) -> list[tuple[str, str, Path]]:
    """Return (split, class, folder) of each folder of a class; the split is empty if the source has none."""
    folders = _folders(source)
    named = [folder for folder in folders if folder.name.lower() in SPLITS]
    others = [folder for folder in folders if folder not in named]
    if others and any(_folders(split) for split in named):
        raise DataError(
            f"{source}: {named[0].name} holds folders, as a split does, and {others[0].name} is none; "
            "move it out, or name the labels in a CSV with --annotations (`init`: --labels)"
        )
    if folders and not others:
        places = [
            (SPLITS[split.name.lower()], folder.name, folder)
            for split in folders
            for folder in _folders(split)
        ]
    elif _hold_splits(folders):
        places = [(SPLITS[split.name.lower()], of.name, split) for of in folders for split in _folders(of)]
    else:
        places = [("", folder.name, folder) for folder in folders]
        if set(classes) != {folder.name for folder in folders}:
            _refuse_repeated(source, folders)
    if len({name for _, name, _ in places}) < 2:
        raise DataError(
            f"{source} holds {len(folders)} folders; without --annotations it must hold one folder of "
            "images for each class, two or more; give that folder as --source (`init`: its first argument), "
            "or a CSV or COCO json as --annotations (`init`: --labels)"
        )
    return places


def _hold_splits(folders: Sequence[Path]) -> bool:
    """Whether each folder holds folders of splits and nothing else, and together at least two splits."""
    inner = [_children(folder) for folder in folders]
    names = {SPLITS.get(path.name.lower(), "") if path.is_dir() else "" for paths in inner for path in paths}
    return all(inner) and "" not in names and len(names) > 1


def _refuse_repeated(source: Path, folders: list[Path]) -> None:
    """Refuse folders that hold no picture but the same folders, as splits of another name do."""
    inner = [{below.name for below in _folders(folder)} for folder in folders]
    loose = any(path.is_file() and is_picture(path) for folder in folders for path in _children(folder))
    shared = set.intersection(*inner) if len(folders) > 1 and not loose else set()
    if len({name for name in shared if name.lower() not in SPLITS}) > 1:
        names = ",".join(folder.name for folder in folders)
        raise DataError(
            f"{source}: {folders[0].name} and {folders[1].name} both hold the folders "
            f"{', '.join(sorted(shared))}, as splits do; call them train and test, or, if they are "
            f"classes, say so by --classes {names}"
        )


def _children(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _folders(folder: Path) -> list[Path]:
    return [path for path in _children(folder) if path.is_dir()]
