"""Writes that survive `kill -9`: a file or a folder is either complete or absent.

Work happens in a sibling (`.name.partial`) on the same file system, which is flushed to the disk and renamed
into place at the end. Its name is fixed, so that a rerun continues it; a lock, which the kernel releases at
the end of the process, keeps two writers apart.
"""

import contextlib
import hashlib
import io
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

from rise_bench.errors import ConfigError, PrerequisiteError, RiseError, is_of_disk, of_os_error
from rise_bench.files.locks import locked_file, locked_folder

_CHUNK_BYTES = 1 << 20


def sha256_bytes(data: bytes) -> str:
    """Return the sha256 of bytes, as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the sha256 of a file, as 64 hex digits, in little memory."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


_HASHED: dict[tuple[int, ...], str] = {}
_SETTLED_S = 2.0


def sha256_once(path: Path) -> str:
    """Return the sha256 of a file, cached in this process while inode, size and times stay the same.

    Recently changed files are not cached: their times may not show the next change.
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
    """Write a file so that a reader sees the old or the new content, never a part; folders are created.

    Links and devices (`/dev/stdout`) are written through. The partial file of a killed run has a fixed name
    and is replaced by the next run.
    """
    path = path.resolve()
    if path.exists() and not path.is_file() and not path.is_dir():
        path.write_bytes(data)
        return
    with _atomic_file(path) as file:
        file.write(data)


@contextlib.contextmanager
def atomic_text_file(path: Path) -> Iterator[TextIO]:
    """Open UTF-8 text to be written in parts; it is at `path` when the block ends without an error."""
    with _atomic_file(path.resolve()) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        try:
            yield text
            text.flush()
        finally:
            text.detach()


@contextlib.contextmanager
def _atomic_file(path: Path) -> Iterator[BinaryIO]:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.partial")
    with locked_file(part) as file:
        try:
            file.truncate()
            yield file
            file.flush()
            os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    sync_folder(path.parent)


def atomic_write_text(path: Path, text: str) -> None:
    """Write UTF-8 text as `atomic_write_bytes` does."""
    atomic_write_bytes(path, text.encode())


def sync_tree(folder: Path) -> None:
    """Flush all files and folders below a folder to the disk; links are not followed."""
    for root, _, files in os.walk(folder):
        for name in files:
            path = Path(root, name)
            if not path.is_symlink():
                sync_folder(path)
        sync_folder(Path(root))


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, or a file, to the disk, so that a rename survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def atomic_directory(
    target: Path, *, overwrite: bool = False, resume: bool = False, sources: Iterable[Path] = ()
) -> Iterator[Path]:
    """Yield a working folder that becomes `target` when the block ends without an error.

    Args:
        target: Folder to make; an existing folder is kept until the new one is complete. Links are written
            through.
        overwrite: Replace a `target` that is not empty.
        resume: Keep the working folder of a killed or interrupted run for the next run; otherwise it is
            emptied first and removed on any error. A `RiseError` always removes it.
        sources: Folders that the block reads; a target that holds any of them is refused.

    Yields:
        The working folder, `.<name>.partial` beside the target.

    Raises:
        ConfigError: If the target is not empty and may not be replaced, is a mount point, the current folder
            or a source, or another process is writing it.
        PrerequisiteError: If the disk is full or the system refuses; names the file and the fix.
    """
    target = _real(target)
    work, aside = (target.parent / f".{target.name}.{end}" for end in ("partial", "replaced"))
    try:
        _refuse_place(target, sources)
        target.parent.mkdir(parents=True, exist_ok=True)
        if work.is_symlink():
            work.unlink()
        with locked_folder(work, target):
            _restore(target, aside)
            try:
                _refuse_to_replace(target, overwrite)
            except ConfigError:
                if not any(work.iterdir()):
                    work.rmdir()
                raise
            if not resume:
                _empty(work)
            try:
                yield work
            except BaseException as error:
                if not resume or isinstance(error, RiseError):
                    shutil.rmtree(work, ignore_errors=True)
                raise
            sync_tree(work)
            if target.exists():
                target.rename(aside)
            work.rename(target)
            sync_folder(target.parent)
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        if not is_of_disk(error):
            raise
        raise _unwritable(error, target, resume) from error


def _real(target: Path) -> Path:
    try:
        real = target.expanduser().resolve()
    except (OSError, RuntimeError) as error:  # a loop of links
        raise ConfigError(f"{target} leads nowhere ({error}); choose another --out") from error
    if real.is_symlink():  # the same from Python 3.13 on
        raise ConfigError(f"{target} leads nowhere (a loop of links); choose another --out")
    return real


def _unwritable(error: OSError, target: Path, resume: bool) -> PrerequisiteError:
    file = str(error.filename or "")
    if file and not file.startswith(str(target.parent / f".{target.name}.")):
        return of_os_error(error)
    goes_on = ": it goes on where it stopped" if resume else ""
    return PrerequisiteError(
        f"cannot write {target} ({error.strerror or error}); make room or choose another --out, and run the "
        f"command again{goes_on}"
    )


def _refuse_place(target: Path, sources: Iterable[Path]) -> None:
    """Refuse mount points, the current folder and folders of sources."""
    if target.is_dir() and _is_mount(target):
        raise ConfigError(
            f"{target} is a mount point, which a finished folder cannot replace; name a folder in it, "
            f"e.g. --out {target / 'out'}"
        )
    if Path.cwd().is_relative_to(target):
        raise ConfigError(f"{target} holds the folder that you are in; name a folder in it as --out")
    for source in sources:
        if source.resolve().is_relative_to(target):
            raise ConfigError(f"{target} holds {source}, which is read from; choose another --out")


def _is_mount(folder: Path) -> bool:
    """Whether a folder is a mount point; bind mounts of the same disk are only in Linux' list."""
    if os.path.ismount(folder):
        return True
    with contextlib.suppress(OSError):
        mounts = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
        points = {re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), line.split(" ")[4]) for line in mounts}
        return str(folder) in points
    return False


def _refuse_to_replace(target: Path, overwrite: bool) -> None:
    if target.exists() and not target.is_dir():
        raise ConfigError(f"{target} is a file, expected a folder; choose another --out")
    if target.is_dir() and any(target.iterdir()) and not overwrite:
        raise ConfigError(f"{target} is not empty; remove it, choose another folder, or pass --overwrite")


def _restore(target: Path, aside: Path) -> None:
    """Undo a replacement that was killed between its two renames, or delete its replaced copy."""
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
