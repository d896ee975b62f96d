"""Picture files of a source: finding them by the names that annotations give, and all of them."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from rise_bench.data.build_plan import inside
from rise_bench.errors import DataError
from rise_bench.files.images import IMAGE_ENDINGS


def picture_file(source: Path, file: str, where: str) -> Path:
    """Return the picture that an annotation names.

    Args:
        source: Folder of the pictures.
        file: Path in it.
        where: Place of the annotation, for errors.

    Raises:
        DataError: If the name leads out of the source, or there is no such file.
    """
    path = PurePosixPath(file)
    if not file or path.is_absolute() or ".." in path.parts or "\0" in file:
        raise DataError(f"{where}: image name {file!r} must be a path inside {source}; correct it")
    if any("\ud800" <= sign <= "\udfff" for sign in file):
        raise DataError(f"{where}: the file name {file!r} is not UTF-8; rename the file")
    try:
        if (source / file).is_file():
            return inside(source, source / file)
    except OSError as error:  # a name longer than the file system takes
        raise DataError(f"{where}: {file!r} cannot be opened ({error.strerror}); correct it") from None
    raise DataError(f"{where}: {source / file} is missing; {_advice(source, file)}")


def _advice(source: Path, file: str) -> str:
    """Return where a missing image may be."""
    if "\\" in file:
        return f"the name holds the backslash of Windows; write {file.replace(chr(92), '/')}"
    folder = (source / file).parent
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    if other := [name for name in names if name.casefold() == PurePosixPath(file).name.casefold()]:
        return f"the file is called {other[0]}; write its name as it is"
    for below in sorted(entry for entry in source.iterdir() if entry.is_dir()):
        if (below / file).is_file():
            return f"it is in {below}; give that folder as --source"
    return "add the image or remove the row"


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, in order; hidden files are skipped, linked folders not entered."""
    for path in sorted(path for path in folder.iterdir() if not path.name.startswith(".")):
        if path.is_dir() and not path.is_symlink():
            yield from files_below(path)
        else:
            yield path


def is_picture(path: Path) -> bool:
    """Whether a file is a picture, by its ending."""
    return path.suffix.lower() in IMAGE_ENDINGS
