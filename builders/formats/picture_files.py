"""Picture files of a source: finding them by the names that annotations give, and all of them."""

import unicodedata
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
    if other := [name for name in names if _folded(name) == _folded(PurePosixPath(file).name)]:
        same = other[0].casefold() == PurePosixPath(file).name.casefold()
        form = "" if same else " (in another Unicode form, NFC or NFD)"
        return f"the file is called {other[0]}{form}; write its name as it is"
    for below in sorted(entry for entry in source.iterdir() if entry.is_dir()):
        if (below / file).is_file():
            return f"it is in {below}; give that folder as --source (`init`: its first argument)"
    parts = PurePosixPath(file).parts
    if len(parts) > 1 and source.joinpath(*parts[1:]).is_file():
        first = parts[0]
        if first == source.resolve().name:
            above = source.resolve().parent
            return f"the paths start with {first}/; give {above} as --source (`init`: its first argument)"
        return f"it is there without {first}/; take that off the paths, or move the pictures into {first}"
    return "add the image or remove the row"


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def files_below(
    folder: Path, source: Path | None = None, above: frozenset[Path] = frozenset()
) -> Iterator[Path]:
    """Yield the files below a folder, in order; hidden files are skipped.

    A linked folder is entered if it is a hidden one of the source; the files of others are read in their
    place.

    Args:
        folder: The folder.
        source: Folder that no link may lead out of; `folder` if None.
        above: Folders that are being listed.

    Raises:
        DataError: If a linked folder lies outside the source.
    """
    source, above = source or folder, above | {folder.resolve()}
    for path in sorted(path for path in folder.iterdir() if not path.name.startswith(".")):
        if not path.is_dir():
            yield path
            continue
        if path.is_symlink():
            real = inside(source, path).resolve()
            place = real.relative_to(source.resolve())
            if real in above or not any(part.startswith(".") for part in place.parts):
                continue
        yield from files_below(path, source, above)


def is_picture(path: Path) -> bool:
    """Whether a file is a picture, by its ending."""
    return path.suffix.lower() in IMAGE_ENDINGS
