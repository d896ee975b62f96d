"""Writing that survives `kill -9`: a file or a folder is either complete at its place or not there.

Work happens in a sibling (`.name.partial`) on the same file system and is renamed into place at the end,
after its bytes were flushed to the disk. The sibling's name is fixed, so that a rerun finds and continues it;
a lock on it (released by the kernel, however the process ends) keeps two writers apart.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rise_bench.errors import ConfigError, RiseError

_CHUNK_BYTES = 1 << 20


def sha256_bytes(data: bytes) -> str:
    """Return the sha256 of bytes, as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the sha256 of a file, as 64 hex digits, without loading it whole."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


_HASHED: dict[tuple[int, ...], str] = {}
_SETTLED_S = 2.0


def sha256_once(path: Path) -> str:
    """Return the sha256 of a file, from memory if this process hashed it and nothing touched it since.

    Touching shows in inode, size and times. A file that was touched a moment ago is hashed every time: its
    times may not tell the next change apart.

    Raises:
        OSError: If it cannot be read.
    """
    stat = path.stat()
    key = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    if key not in _HASHED:
        sha256 = sha256_file(path)
        if time.time() - max(stat.st_mtime, stat.st_ctime) < _SETTLED_S:
            return sha256
        _HASHED[key] = sha256
    return _HASHED[key]


def atomic_write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Args:
        path: Target; its folder is made if it is missing.
        data: New content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def atomic_write_text(path: Path, text: str) -> None:
    """Write UTF-8 text as `atomic_write_bytes` does."""
    atomic_write_bytes(path, text.encode())


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, so that a rename outlives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def atomic_directory(target: Path, *, overwrite: bool = False, resume: bool = False) -> Iterator[Path]:
    """Give a folder to work in that becomes `target` when the block ends without an error.

    Args:
        target: Folder to make; what is there already is kept until the new one is complete.
        overwrite: Replace a `target` that is not empty.
        resume: Keep what a killed or interrupted run left in the working folder, for the next one to go on
            from; otherwise it is emptied first and removed on any error. A `RiseError` always removes it.

    Yields:
        The working folder, `.<name>.partial` beside the target.

    Raises:
        ConfigError: If the target is not empty and may not be replaced, or another process is writing it.
    """
    target = target.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    work, aside = (target.parent / f".{target.name}.{end}" for end in ("partial", "replaced"))
    with locked_folder(work, target):
        _restore(target, aside)
        _refuse_to_replace(target, overwrite)
        if not resume:
            _empty(work)
        try:
            yield work
        except BaseException as error:
            if not resume or isinstance(error, RiseError):
                shutil.rmtree(work, ignore_errors=True)
            raise
        sync_folder(work)
        if target.exists():
            target.rename(aside)
        work.rename(target)
        sync_folder(target.parent)
        shutil.rmtree(aside, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _refuse_to_replace(target: Path, overwrite: bool) -> None:
    if target.exists() and not target.is_dir():
        raise ConfigError(f"{target} is a file, expected a folder; choose another --out")
    if target.is_dir() and any(target.iterdir()) and not overwrite:
        raise ConfigError(f"{target} is not empty; remove it, choose another --out, or pass --overwrite")


def _restore(target: Path, aside: Path) -> None:
    """Undo a replacement that a kill cut between its two renames; drop a copy that is no longer needed."""
    if aside.exists() and not target.exists():
        aside.rename(target)
    elif aside.exists():
        shutil.rmtree(aside)


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


@contextlib.contextmanager
def locked_folder(work: Path, target: Path) -> Iterator[None]:
    """Make and lock a working folder; the lock is on its inode, so it needs no file of its own.

    Args:
        work: The folder.
        target: What is written, for the message.

    Raises:
        ConfigError: Another process holds the lock.
    """
    import fcntl

    while True:
        work.mkdir(parents=True, exist_ok=True)
        handle = os.open(work, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if work.exists() and work.stat().st_ino == os.fstat(handle).st_ino:
                break
        except BlockingIOError:
            os.close(handle)
            raise ConfigError(
                f"another process is writing {target}; wait for it or choose another --out"
            ) from None
        os.close(handle)
    try:
        yield
    finally:
        os.close(handle)
