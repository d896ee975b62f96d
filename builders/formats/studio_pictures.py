"""Pictures that the tasks of Label Studio show: uploads, local files, addresses of servers and buckets."""

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from rise_bench.builders.formats.picture_files import picture_file
from rise_bench.builders.formats.picture_index import PictureIndex
from rise_bench.errors import DataError

_UPLOADS, _LOCAL_FILES = "/data/upload/", "/data/local-files"
_UPLOAD, _LOCAL, _SERVERS = "upload", "local", ("http", "https")
_MARK = re.compile(r"[0-9a-f]{8}-")


@dataclass(frozen=True, slots=True)
class Address:
    """Address of a picture.

    Attributes:
        storage: Place in which paths begin: uploads, local files, a server or a bucket; empty for a bare
            path.
        paths: The path in it; two if it may be written in the form of an URL (`%20`) or as it is.
    """

    storage: str
    paths: tuple[str, ...]


def read_address(text: str) -> Address:
    """Return the address that a task gives."""
    try:
        parts = urlsplit(text)
    except ValueError:  # brackets in the place of a host
        parts = SplitResult("", "", text, "", "")
    served = parts.scheme in _SERVERS
    local = parse_qs(parts.query).get("d") if _LOCAL_FILES in parts.path else None
    if _UPLOADS in parts.path and (served or not parts.scheme):
        return Address(_UPLOAD, (unquote(parts.path.rpartition("/")[2]),))
    storage, begins, rest = text.partition("://")
    if local:
        storage, paths = _LOCAL, local[:1]
    elif begins:
        storage = f"{storage}://{parts.netloc}"
        paths = [unquote(parts.path)] if served else [rest.partition("/")[2], unquote(parts.path)]
    else:
        storage, paths = "", [text, unquote(parts.path)]
    return Address(storage, tuple(dict.fromkeys(path.replace("\\", "/").lstrip("/") for path in paths)))


class TaskPictures:
    """Pictures of an export by address.

    The folder of the pictures may be any folder of the paths in a storage, the same one for all.
    """

    def __init__(self, source: Path, addresses: Iterable[Address]) -> None:
        """Take the addresses of all tasks; `source` is the folder of the pictures."""
        self._source, self._index = source, PictureIndex(source)
        self._spellings: defaultdict[str, tuple[list[PurePosixPath], ...]] = defaultdict(lambda: ([], []))
        for address in addresses:
            for spelling, path in zip(
                self._spellings[address.storage], (address.paths[0], address.paths[-1]), strict=True
            ):
                spelling.append(PurePosixPath(path))
        self._cuts: dict[str, int] = {}

    def find(self, address: Address, where: str) -> str:
        """Return the picture of an address.

        Raises:
            DataError: If there is none, or several; names the place of the annotation, `where`.
        """
        if address.storage == _UPLOAD:
            return self._uploaded(address.paths[0], where)
        if address.storage not in self._cuts:
            self._cuts[address.storage] = self._cut(address.storage)
        cut = self._cuts[address.storage]
        paths = [_without(PurePosixPath(path), cut) for path in address.paths]
        files = sorted({file for path in paths for file in self._at(path, address.storage, cut)})
        if len(files) > 1:
            raise DataError(
                f"{where}: {paths[0].as_posix()!r} may be {files[0]} or {files[1]}; rename one of them"
            )
        if files:
            return files[0]
        if others := self._index.candidates(paths[-1].name):
            raise DataError(
                f"{where}: there is no {paths[-1]} in {self._source}, and {others[0]} has only its name; add "
                f"the picture, or if it is that one, give {(self._source / others[0]).parent} as --source"
            )
        picture_file(self._source, paths[-1].as_posix(), where)
        return paths[-1].as_posix()

    def _cut(self, storage: str) -> int:
        """Return how many folders of its paths lie above the source: as few as find a picture.

        Only folders that all paths share are cut off, or all folders of all (-1) if no two names are the
        same. 0 if nothing is found.
        """
        spellings = self._spellings[storage]
        shared = max(
            len(PurePosixPath(posixpath.commonpath([path.parent for path in paths])).parts)
            for paths in spellings
        )
        clear = any(len({path.name for path in paths}) == len(set(paths)) for paths in spellings)
        cuts: list[int] = [*range(shared + 1), *([-1] if clear else [])]
        for cut in cuts:
            if any(self._at(_without(path, cut), storage, cut) for paths in spellings for path in paths):
                return cut
        return 0

    def _at(self, path: PurePosixPath, storage: str, cut: int) -> list[str]:
        """Return the pictures of a path: in the source; a whole path, or of a server, also below it."""
        files = self._index.candidates(path.as_posix())
        below = cut == 0 or (cut > 0 and storage.startswith(_SERVERS))
        return files if below else [file for file in files if file == path.as_posix()]

    def _uploaded(self, name: str, where: str) -> str:
        given = name[mark.end() :] if (mark := _MARK.match(name)) else name
        for candidate in (name, given):
            if self._index.candidates(candidate):
                return self._index.find(candidate, where)
        called = [file for file in self._index.files if _as_uploaded(PurePosixPath(file).name) == given]
        return called[0] if len(called) == 1 else self._index.find(given, where)


def _without(path: PurePosixPath, cut: int) -> PurePosixPath:
    """Return a path without its first folders; -1 is all."""
    return PurePosixPath(path.name) if cut < 0 else PurePosixPath(*path.parts[cut:])


def _as_uploaded(name: str) -> str:
    """Return the name that Label Studio gives to an uploaded file (`get_valid_filename` of Django)."""
    return re.sub(r"(?u)[^-\w.]", "", name.strip().replace(" ", "_"))
