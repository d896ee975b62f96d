"""Pictures of Pascal VOC files: beside them, in the folder of the same name, or below the nearest folder."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from rise_bench.builders.formats.picture_files import picture_file
from rise_bench.builders.formats.picture_index import PictureIndex
from rise_bench.errors import DataError


class _Names(NamedTuple):
    """Pictures by stem and by name."""

    stems: dict[str, list[PurePosixPath]]
    names: dict[str, list[PurePosixPath]]

    @classmethod
    def of(cls, files: Sequence[PurePosixPath]) -> "_Names":
        names = cls(defaultdict(list), defaultdict(list))
        for file in files:
            names.stems[file.stem].append(file)
            names.names[file.name].append(file)
        return names


class VocPictures:
    """Pictures by XML file. Where one file of a folder has its picture beside it, all have."""

    def __init__(
        self, source: Path, index: PictureIndex, xml_files: Sequence[PurePosixPath], *, inside: bool
    ) -> None:
        """Take the XML files, by their path in the source or, if not inside, in the folder of annotations."""
        self._source, self._index = source, index
        self._files = [PurePosixPath(file) for file in index.files]
        stems = {path.with_suffix("") for path in xml_files}
        self._beside = {file.parent for file in self._files if file.with_suffix("") in stems}
        if not inside:  # flat files beside the source lie beside none of its pictures
            self._beside.discard(PurePosixPath())
        self._of_folder: dict[PurePosixPath, _Names] = {}

    def find(self, xml: PurePosixPath, filename: str) -> str:
        """Return the picture called like the XML file, else the one of its `filename`.

        Whoever renames pictures renames their XML files with them, and seldom what these say.

        Raises:
            DataError: If there is none, or several.
        """
        folder = xml.parent
        if folder not in self._of_folder:
            self._of_folder[folder] = _Names.of(self._possible(folder))
        stems, names = self._of_folder[folder]
        name = filename.replace("\\", "/").rpartition("/")[2] or f"{xml.stem}.jpg"
        called = stems.get(xml.stem, [])
        exact = [file for file in called if file.parent == folder]
        for files in (exact, called, named := names.get(name, [])):
            if len(files) == 1:
                return files[0].as_posix()
        if several := called or named:
            raise DataError(f"{xml}: its picture may be {several[0]} or {several[1]}; rename one of them")
        if not self._index.has_stem(PurePosixPath(name).stem):
            picture_file(self._source, str(folder / name if folder in self._beside else name), str(xml))
        raise DataError(
            f"{xml}: {name} lies where pictures of other XML files do; put the XML file beside its picture, "
            "or remove it"
        )

    def _possible(self, folder: PurePosixPath) -> list[PurePosixPath]:
        """Return the pictures that XML files of a folder may be of."""
        if folder in self._beside:
            return [file for file in self._files if file.parent == folder]
        above = (folder, *folder.parents)
        below = ([file for file in self._files if file.is_relative_to(place)] for place in above)
        nearest = [file for file in next(filter(None, below), []) if file.parent not in self._beside]
        for start in range(len(folder.parts)):
            end = folder.parts[start:]
            if same := [file for file in nearest if file.parent.parts[-len(end) :] == end]:
                return same
        return nearest
