"""Hashes of the pictures of a source, kept in a file, so that a start reads only pictures that changed."""

import json
import time
from pathlib import Path
from typing import Any

from rise_bench.files.atomic import atomic_write_text, sha256_once

_NAME = ".pictures.cache"

#: A file that changed later than this before it was hashed may change again without another time, in seconds.
_SETTLED_S = 2.0


class PictureHashes:
    """Hashes by path; that of a file holds while its inode, size and times stay the same."""

    def __init__(self, folder: Path) -> None:
        """Read what the file in a folder holds, if there is one."""
        self._file = folder / _NAME
        self._known = _read(self._file)
        self._now: dict[str, list[Any]] = {}

    def of(self, path: Path, name: str) -> str:
        """Return the hash of a picture that is called `name` in the source."""
        stat = path.stat()
        key = [stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
        known = self._known.get(name)
        is_same = isinstance(known, list) and known[:-1] == key
        sha256 = str(known[-1]) if known and is_same else sha256_once(path)
        if time.time() - max(stat.st_mtime, stat.st_ctime) >= _SETTLED_S:
            self._now[name] = [*key, sha256]
        return sha256

    def keep(self) -> None:
        """Write down the hashes that were asked for."""
        if self._now and self._now != self._known:
            atomic_write_text(self._file, json.dumps(self._now) + "\n")


def _read(file: Path) -> dict[str, Any]:
    try:
        tree: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return tree if isinstance(tree, dict) else {}
