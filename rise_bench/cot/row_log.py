"""Append-only JSONL log of rows with one file per process.

A process writes only its own file, so processes on several machines can log to one folder without talking to
each other; a reader joins the files. A line is with the operating system when `append` returns, so `kill -9`
loses at most the rows that are being written. It is also on disk then, or with the first line after `sync_s`
seconds, or when the log is closed. Readers skip a truncated last line, and the next writer ends it.

Each row has the `id` of its sample and an `attempt`, the name of a start of the program. Later starts have
names that sort after earlier ones.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rise_bench.errors import DataError, of_os_error
from rise_bench.scoring.response_text import response_text

#: Seconds between two flushes to the disk where a lost row is made again: a flush may take 10 ms.
SYNC_S = 1.0

_TEXTS = ("cot", "reconstruction", "reconstruction_blind", "response")


def next_attempt(*folders: Path | str) -> str:
    """Return a name for this start of the program that sorts after every attempt in the logs.

    Args:
        *folders: Folders of the logs.
    """
    last = max((located.row["attempt"] for located in read_rows(folders)), default="")
    now = f"{time.time_ns():020d}"
    return now if now > last else f"{last}0"  # the clock went back; a longer text sorts after its beginning


class RowLog:
    """Log writer of one process; the file is opened at the first row and stays open."""

    def __init__(self, folder: Path | str, rank: int, *, attempt: str, sync_s: float = 0.0) -> None:
        """Prepare to write `folder`/rankNNNNN.jsonl.

        Args:
            folder: Folder of the logs, made if absent.
            rank: Rank of this process, from 0.
            attempt: Name of this start of the program, from `next_attempt`.
            sync_s: Smallest number of seconds between two flushes to the disk; 0 flushes in each `append`.
        """
        self.path = Path(folder) / f"rank{rank:05d}.jsonl"
        self.attempt = attempt
        self._descriptor = -1
        self._sync_s, self._synced_s = sync_s, time.monotonic()

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write rows, and wait for the disk if that is due.

        After an error the next call begins a line of its own, whatever was written of this one.

        Raises:
            PrerequisiteError: The disk is full, or the file cannot be written.
        """
        lines = [json.dumps({"attempt": self.attempt, **row}) + "\n" for row in rows]
        if not lines:
            return
        try:
            if self._descriptor < 0:
                self._descriptor = _open_at_line_start(self.path)
            _write_all(self._descriptor, "".join(lines).encode())
            if time.monotonic() - self._synced_s >= self._sync_s:
                self._sync()
        except OSError as error:
            self._let_go()
            raise of_os_error(error, self.path) from error

    def close(self) -> None:
        """Close the file, whose rows are on disk then; a later `append` opens it again.

        Raises:
            PrerequisiteError: The rows cannot be written to the disk.
        """
        if self._descriptor < 0:
            return
        try:
            self._sync()
        except OSError as error:
            raise of_os_error(error, self.path) from error
        finally:
            self._let_go()

    def _let_go(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _sync(self) -> None:
        os.fsync(self._descriptor)
        self._synced_s = time.monotonic()


class LocatedRow(NamedTuple):
    """Row and the byte offset of its line."""

    row: dict[str, Any]
    path: Path
    offset: int


def read_rows(folders: Iterable[Path | str]) -> Iterator[LocatedRow]:
    """Yield every row of the logs in the folders; truncated lines are skipped.

    Raises:
        DataError: A row has no text for `id` or `attempt`.
    """
    for folder in folders:
        for path in sorted(Path(folder).glob("rank*.jsonl")):
            offset = 0
            with path.open("rb") as file:
                for line in file:
                    if (row := _parse(line)) is not None:
                        if not isinstance(row.get("id"), str) or not isinstance(row.get("attempt"), str):
                            raise DataError(
                                f"{path}, byte {offset}: a row without id or attempt; delete the file"
                            )
                        yield LocatedRow(row, path, offset)
                    offset += len(line)


def read_at(path: Path, offset: int) -> dict[str, Any]:
    """Return the row whose line begins at byte `offset`."""
    with path.open("rb") as file:
        file.seek(offset)
        row = _parse(file.readline())
    if row is None:
        raise DataError(f"{path} changed while it was read; start the same command again")
    return row


def _parse(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict):
        return None
    return row | {
        name: response_text(row[name]) for name in _TEXTS if isinstance(row.get(name, 0), str | None)
    }


def _open_at_line_start(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        os.write(descriptor, b"\n")
    return descriptor


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
