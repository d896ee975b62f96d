"""Pictures of a source by names without folders."""

import contextlib
import functools
from collections import defaultdict
from pathlib import Path, PurePosixPath

from rise_bench.builders.formats.csv_file import SPLITS
from rise_bench.builders.formats.picture_files import files_below, is_picture, picture_file
from rise_bench.errors import DataError


class PictureIndex:
    """Pictures below a folder, by name."""

    def __init__(self, source: Path) -> None:
        """Look at nothing yet: the folder is listed when a name asks for it."""
        self._source = source

    @functools.cached_property
    def files(self) -> list[str]:
        """Paths of all pictures, relative to the folder, in order."""
        return [
            path.relative_to(self._source).as_posix()
            for path in files_below(self._source)
            if is_picture(path)
        ]

    @functools.cached_property
    def _by_name(self) -> dict[str, list[str]]:
        names: defaultdict[str, list[str]] = defaultdict(list)
        for file in self.files:
            names[PurePosixPath(file).name].append(file)
        return names

    @functools.cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        stems: defaultdict[str, list[str]] = defaultdict(list)
        for file in self.files:
            stems[PurePosixPath(file).stem].append(file)
        return stems

    def find(self, name: str, where: str) -> str:
        """Return the picture of a name, as `candidates` gives it.

        Args:
            name: Path as the annotations give it.
            where: Place of the annotation, for errors.

        Raises:
            DataError: If there is none, or several.
        """
        files = self.candidates(name)
        if len(files) > 1:
            raise DataError(f"{where}: {name!r} may be {files[0]} or {files[1]}; rename one of them")
        if not files:
            picture_file(self._source, name, where)
        return files[0] if files else name

    def candidates(self, name: str) -> list[str]:
        """Return the picture of that path; without one, those whose path ends so."""
        path = PurePosixPath(name.replace("\\", "/"))
        direct = path.as_posix()
        if not path.name or path.is_absolute() or ".." in path.parts or "\0" in direct:
            return []
        with contextlib.suppress(OSError):  # a name longer than the file system takes
            if (self._source / direct).is_file():
                return [direct]
        return [file for file in self._by_name.get(path.name, ()) if f"/{file}".endswith(f"/{direct}")]

    def find_stem(self, stem: str) -> str:
        """Return the only picture of a name without its suffix; empty if there is none, or several."""
        files = self._by_stem.get(stem, [])
        return files[0] if len(files) == 1 else ""

    def has_stem(self, stem: str) -> bool:
        """Whether a picture, or several, has that name without its suffix."""
        return stem in self._by_stem


def folder_splits(files: list[str]) -> dict[str, str]:
    """Return file -> split by folders called train, val or test; nothing unless every file is in one."""
    splits = {
        file: SPLITS[part.lower()]
        for file in files
        for part in PurePosixPath(file).parts[:-1]
        if part.lower() in SPLITS
    }
    return splits if len(splits) == len(files) else {}
