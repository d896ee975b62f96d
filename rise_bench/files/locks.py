"""Locks on files and folders without a lock file; the kernel releases them at the end of the process."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rise_bench.errors import BusyError, PrerequisiteError, is_of_disk, of_os_error

_POLL_S = 0.01


def _hold(path: Path, flags: int = os.O_RDONLY, *, wait: bool = False) -> int | None:
    """Open and lock a file or folder; return the descriptor, or None if the path was replaced meanwhile.

    Raises:
        BlockingIOError: Another process holds it, and `wait` is off.
    """
    from filelock import lock_descriptor

    handle = os.open(path, flags, 0o666)
    try:
        if not lock_descriptor(handle, blocking=wait, poll_interval=_POLL_S):
            raise BlockingIOError
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(handle)):
                return handle
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None


@contextlib.contextmanager
def locked_file(path: Path) -> Iterator[BinaryIO]:
    """Wait for the lock of a file and open it for writing."""
    while (handle := _hold(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, wait=True)) is None:
        pass
    with os.fdopen(handle, "r+b") as file:
        yield file


@contextlib.contextmanager
def locked_folder(work: Path, target: Path) -> Iterator[None]:
    """Make and lock the working folder of `target`.

    Raises:
        BusyError: Another process holds the lock.
    """
    handle = None
    while handle is None:
        work.mkdir(parents=True, exist_ok=True)
        try:
            handle = _hold(work)
        except BlockingIOError:
            raise BusyError(
                f"another process is writing {target}; wait for it or choose another --out"
            ) from None
    try:
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def scratch_folder(purpose: str) -> Iterator[Path]:
    """Make a locked, empty temporary folder with `purpose` in its name; delete those of killed processes.

    Raises:
        PrerequisiteError: If the disk is full or the system refuses; names the folder and the fix.
    """
    prefix = f"rise-bench-{purpose}-"
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        _remove_if_dead(left)
    handle = None
    while handle is None:
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        handle = _hold(folder)
    try:
        yield folder
    except OSError as error:
        if not is_of_disk(error):
            raise
        if error.filename and not str(error.filename).startswith(str(folder)):
            raise of_os_error(error) from error
        raise PrerequisiteError(
            f"cannot write to {folder} ({error.strerror or error}); make room there, or name another place "
            "by TMPDIR, and run the command again"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _remove_if_dead(folder: Path) -> None:
    with contextlib.suppress(OSError):
        if folder.lstat().st_uid != os.getuid():
            return
        handle = _hold(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        if handle is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(handle)
