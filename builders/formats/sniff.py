"""The format of annotations, by names of files and by how they begin."""

from pathlib import Path

from rise_bench.builders.formats.csv_file import FILE_COLUMNS, csv_header
from rise_bench.builders.formats.picture_files import files_below
from rise_bench.builders.formats.xml_file import root_name
from rise_bench.builders.formats.yolo import NAME_FILES
from rise_bench.data.build_plan import inside
from rise_bench.errors import DataError


def find_format(source: Path, annotations: Path | None) -> tuple[str, Path | None]:
    """Return the name of the format, and the annotations; empty and None where there are only pictures.

    Raises:
        DataError: If the annotations are missing or of no known format, or several files could be meant.
    """
    path = _annotations(source, annotations)
    if path is None:
        return _look(source)
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
    raise DataError(f"{there} is missing; name the file or folder of the annotations with --annotations")


def _look(source: Path) -> tuple[str, Path | None]:
    """Look for annotations in a folder: files first, then folders as classes."""
    if names := [source / name for name in NAME_FILES if (source / name).is_file()]:
        return "yolo", names[0]
    places = [source, *(source / name for name in ("annotations", "Annotations") if (source / name).is_dir())]
    files = [file for place in places for file in sorted(place.iterdir()) if file.is_file()]
    named = [(file, _sniffed(file)) for file in files]
    single = [(file, name) for file, name in named if name not in ("", "voc")]
    if len(single) > 1:
        listed = ", ".join(str(file.relative_to(source)) for file, _ in single[:4])
        raise DataError(f"{source} holds several annotations ({listed}); name one with --annotations")
    if single:
        return single[0][1], single[0][0]
    if any(name == "voc" for _, name in named) or any(source.glob("*/*.xml")):
        return "voc", source
    folders = [entry for entry in source.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    return ("folders" if len(folders) > 1 else ""), None


def _format_of_file(path: Path) -> str:
    """Return the format of a file that is named as annotations; a CSV if nothing else fits."""
    if path.name in NAME_FILES or path.suffix.lower() in (".yaml", ".yml", ".names"):
        return "yolo"
    if path.suffix.lower() == ".xml" and root_name(path) == "annotation":
        raise DataError(f"{path} is of one picture; give the folder of the XML files as --annotations")
    return {".json": _json_format(path), ".xml": "cvat"}.get(path.suffix.lower(), "csv")


def _json_format(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
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
