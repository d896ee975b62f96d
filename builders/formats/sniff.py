"""The format of annotations, by names of files and by how they begin."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from rise_bench.builders.formats.csv_file import FILE_COLUMNS, csv_header
from rise_bench.builders.formats.picture_files import files_below, is_picture
from rise_bench.builders.formats.xml_file import root_name
from rise_bench.builders.formats.yolo import NAME_FILES
from rise_bench.data.build_plan import inside
from rise_bench.errors import DataError

#: Endings of files with the annotations of one picture, whose name they have.
_BESIDE = (".txt", ".xml", ".json", ".jsonl", ".csv")
#: Keys at the beginning of files of other programs -> the program.
_NOT_READ = {
    (b'"_via_settings"',): "VIA, the VGG Image Annotator",
    (b'"regions"', b'"shape_attributes"'): "VIA, the VGG Image Annotator",
    (b'"shapes"', b'"imagePath"'): "LabelMe",
    (b'"image"', b'"annotations"', b'"coordinates"'): "CreateML",
}
#: Names of folders that hold pictures of annotations.
_MASKS = frozenset({
    "mask", "masks", "label", "labels", "annotation", "annotations", "seg", "segmentation", "segmentations",
    "segmentationclass", "segmentationobject", "gt", "groundtruth", "ground_truth",
})  # fmt: skip


def find_format(source: Path, annotations: Path | None, *, sure: bool = False) -> tuple[str, Path | None]:
    """Return the name of the format, and the annotations; empty and None where there are only pictures.

    Args:
        source: Folder of the pictures.
        annotations: File or folder of the annotations; None if they are looked for.
        sure: Whether the format was stated, so that folders are classes whatever else is there.

    Raises:
        DataError: If the annotations are missing or of no known format, several files could be meant, or
            folders would be classes although something looks like annotations.
    """
    path = _annotations(source, annotations)
    if path is None:
        name, file = _look(source)
        if name == "folders" and not sure and (doubt := _doubt(source)) is not None:
            raise DataError(
                f"{doubt} looks like annotations and cannot be taken for any; name it (--annotations, or "
                "--labels of init) to see why. If each folder is a class, move it elsewhere, or say so by "
                "--format folders"
            )
        return name, file
    if path.is_file():
        return _format_of_file(path), path
    names = {entry.name for entry in path.iterdir()}
    if names & set(NAME_FILES):
        return "yolo", path
    suffixes = {file.suffix.lower() for file in files_below(path)}
    if ".xml" in suffixes or ".txt" in suffixes:
        return ("voc" if ".xml" in suffixes else "yolo"), path
    raise DataError(
        f"{path} holds no annotations: no XML, {' or '.join(NAME_FILES[:4:3])}; name another folder or a file"
    )


def _annotations(source: Path, annotations: Path | None) -> Path | None:
    if annotations is None:
        return None
    if annotations.exists():
        return annotations
    there = source / annotations
    if there.exists():
        # a path with ".." leaves the source on purpose
        return there if ".." in annotations.parts else inside(source, there)
    raise DataError(
        f"neither {annotations.absolute()} nor {there} is there; name the annotations by --annotations "
        "(`init`: --labels)"
    )


def _look(source: Path) -> tuple[str, Path | None]:
    """Look for annotations in a folder: files first, then folders as classes."""
    names = [place / name for place in (source, source / "labels") for name in NAME_FILES]
    names = [path for path in names if path.is_file()]
    if names and (names[0].suffix.lower() in (".yaml", ".yml") or _has_label_texts(source)):
        return "yolo", inside(source, names[0])
    places = [source, *(source / name for name in ("annotations", "Annotations") if (source / name).is_dir())]
    files = [
        file
        for place in places
        for file in sorted(place.iterdir())
        if file.is_file() and not file.name.startswith(".")
    ]
    named = [(file, _sniffed(file)) for file in files]
    single = [(file, name) for file, name in named if name not in ("", "voc")]
    if len(single) > 1:
        listed = ", ".join(str(file.relative_to(source)) for file, _ in single[:4])
        raise DataError(f"{source} holds several annotations ({listed}); name one with --annotations")
    if single:
        return single[0][1], inside(source, single[0][0])
    below = (path for path in source.glob("*/*.xml") if not _is_hidden(path.relative_to(source)))
    if any(name == "voc" for _, name in named) or any(root_name(path) == "annotation" for path in below):
        return "voc", source
    folders = [entry for entry in source.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    if names and len(folders) < 2:
        return "yolo", inside(source, names[0])
    return ("folders" if len(folders) > 1 else ""), None


def _has_label_texts(source: Path) -> bool:
    """Whether a picture has a text file of labels: beside it, or in a folder `labels`."""
    files = list(files_below(source))
    pictures = {path.with_suffix("") for path in files if is_picture(path)}
    texts = (path for path in files if path.suffix.lower() == ".txt")
    return any(
        "labels" in path.relative_to(source).parts or path.with_suffix("") in pictures for path in texts
    )


def _doubt(source: Path) -> Path | None:
    """Return what folders may not be classes for: a table, annotations of pictures, or masks of pictures."""
    files = list(files_below(source))
    stems: defaultdict[str, set[str]] = defaultdict(set)  # of the pictures in each folder of the source
    for path in filter(is_picture, files):
        stems[path.relative_to(source).parts[0]].add(path.stem)
    every = set().union(*stems.values())
    for path in files:
        depth, suffix = len(path.relative_to(source).parts), path.suffix.lower()
        if (
            (depth == 1 and suffix in (".csv", ".jsonl"))
            or (suffix == ".json" and _sniffed(path) == "coco")
            or (suffix in _BESIDE and path.stem in every)
        ):
            return path
    return next((source / name for name in stems if name.lower() in _MASKS and _shared(stems, name)), None)


def _shared(stems: Mapping[str, set[str]], name: str) -> bool:
    """Whether pictures of a folder have the names of those in another."""
    return any(len(stems[name] & others) > 1 for other, others in stems.items() if other != name)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _format_of_file(path: Path) -> str:
    """Return the format of a file that is named as annotations; a CSV if nothing else fits."""
    if path.name in NAME_FILES or path.suffix.lower() in (".yaml", ".yml", ".names"):
        return "yolo"
    if path.suffix.lower() == ".xml" and root_name(path) == "annotation":
        raise DataError(f"{path} is of one picture; give the folder of the XML files as --annotations")
    if path.suffix.lower() == ".json":
        return _json_format(path)
    if path.suffix.lower() == ".jsonl":
        raise DataError(
            f"{path} is JSON lines, which is not read; write a CSV with the columns file and label"
        )
    return "cvat" if path.suffix.lower() == ".xml" else "csv"


def _json_format(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(1 << 16).removeprefix(b"\xef\xbb\xbf").lstrip()
    is_read = any(key in start for key in (b'"data"', b'"images"'))  # whatever else its entries hold
    for keys, name in _NOT_READ.items():
        if not is_read and all(key in start for key in keys):
            raise DataError(f"{path} is of {name}, which is not read; export it as COCO, or as CSV")
    return "label-studio" if start.startswith(b"[") else "coco"


def _sniffed(path: Path) -> str:
    """Return the format of a file that lies in a source; empty if it may be something else."""
    suffix = path.suffix.lower()
    if suffix == ".csv":
        header = csv_header(path)
        names = {cell.lower() for cell in header}
        return "csv" if names.intersection(FILE_COLUMNS) and len(header) > 1 else ""
    if suffix == ".json":
        with path.open("rb") as file:
            start = file.read(1 << 16)
        known = any(key in start for key in (b'"data"', b'"images"', b'"annotations"'))
        return _json_format(path) if known else ""
    if suffix == ".xml":
        return {"annotation": "voc", "annotations": "cvat"}.get(root_name(path), "")
    return ""
