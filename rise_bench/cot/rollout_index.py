"""Index of rollout logs in a temporary database on the disk, so that memory does not grow with the logs."""

import math
import sqlite3
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, ValuesView
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, Generic, TypeVar

from rise_bench.errors import DataError, PrerequisiteError

Found = TypeVar("Found")
Other = TypeVar("Other")

#: Place of a rollout: step, group, attempt, reward, score of the selection, path of the log, byte offset.
Row = tuple[int, int, str, float, float | None, Path, int]

_FIRST = "SELECT id, MIN(rowid) AS first FROM rollouts GROUP BY id"
_COLUMNS = "id, step, number, attempt, reward, score, path, place"


class RolloutIndex(Mapping[str, Found], Generic[Found]):
    """Mapping from a sample's id to what a function makes of its rollouts, in the order of the logs.

    The database is a file without a name that the operating system deletes; a few MiB of it are in memory.
    Every method raises a `PrerequisiteError` where the disk is full.
    """

    def __init__(
        self,
        rows: Iterable[tuple[str, Row]],
        make: Callable[[list[Row]], Found],
        only: Iterable[str] | None = None,
    ) -> None:
        """Read the rows.

        Args:
            rows: Id of the sample and place of each rollout.
            make: Function from the places of a sample's rollouts to the value of the mapping.
            only: Ids to keep; None for all.

        Raises:
            DataError: A row holds an id or a number that is not one of this project's.
            PrerequisiteError: The temporary database cannot be written.
        """
        self._make = make
        self._paths: list[Path] = []
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        with _on_disk():
            self._fill(rows, only)

    def _fill(self, rows: Iterable[tuple[str, Row]], only: Iterable[str] | None) -> None:
        self._database.execute(f"CREATE TABLE rollouts ({_COLUMNS})")
        self._database.execute("BEGIN")
        for uid, row in rows:
            self._add(uid, row)
        if only is not None:
            self._database.execute("CREATE TABLE kept (id PRIMARY KEY) WITHOUT ROWID")
            self._database.executemany("INSERT OR IGNORE INTO kept VALUES (?)", ((uid,) for uid in only))
            self._database.execute("DELETE FROM rollouts WHERE id NOT IN (SELECT id FROM kept)")
        self._database.execute("COMMIT")
        self._database.execute("CREATE INDEX ids ON rollouts (id)")

    def _add(self, uid: str, row: Row) -> None:
        *numbers, path, place = row
        if not self._paths or self._paths[-1] != path:
            self._paths.append(path)
        values = (uid, *numbers, len(self._paths) - 1, place)
        try:
            self._database.execute("INSERT INTO rollouts VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
        except (OverflowError, UnicodeEncodeError) as error:
            raise DataError(
                f"{path}, byte {place}: a rollout that this program has not written ({error}). Delete that "
                "line, and start the same command again."
            ) from error

    def __getitem__(self, uid: str) -> Found:
        query = f"SELECT {_COLUMNS} FROM rollouts WHERE id = ? ORDER BY rowid"
        if rows := [self._row(row) for row in self._selected(query, uid)]:
            return self._make(rows)
        raise KeyError(uid)

    def __contains__(self, uid: object) -> bool:
        return any(self._selected("SELECT 1 FROM rollouts WHERE id = ?", uid))

    def __iter__(self) -> Iterator[str]:
        return (uid for uid, _ in self._selected(f"{_FIRST} ORDER BY first"))

    def items(self) -> ItemsView[str, Found]:
        """Return a view that reads the database once."""
        return _Items(self)

    def values(self) -> ValuesView[Found]:
        """Return a view that reads the database once."""
        return _Values(self)

    def __len__(self) -> int:
        ((count,),) = self._selected("SELECT COUNT(DISTINCT id) FROM rollouts")
        return int(count)

    def pairs(self) -> Iterator[tuple[str, Found]]:
        """Yield every id with its value, in the order of the logs."""
        rows = self._selected(
            f"SELECT {_COLUMNS} FROM rollouts JOIN ({_FIRST}) USING (id) ORDER BY first, rollouts.rowid"
        )
        for uid, of_sample in groupby(rows, key=lambda row: row[0]):
            yield uid, self._make([self._row(row) for row in of_sample])

    def made(self, make: Callable[[Found], Other]) -> "RolloutIndex[Other]":
        """Return the same index with a function of its values as values."""
        other: RolloutIndex[Other] = object.__new__(RolloutIndex)
        earlier = self._make
        other._make = lambda rows: make(earlier(rows))
        other._paths, other._database = self._paths, self._database
        return other

    def _selected(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        with _on_disk():
            yield from self._database.execute(query, values)

    def _row(self, row: tuple[Any, ...]) -> Row:
        _, step, number, attempt, reward, score, path, place = row
        return step, number, attempt, math.nan if reward is None else reward, score, self._paths[path], place


@contextmanager
def _on_disk() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise PrerequisiteError(
            f"the temporary index of the rollouts: {error}. Free some space, or name another folder for "
            "temporary files by TMPDIR, then start the same command again."
        ) from error


class _Items(ItemsView[str, Found]):
    _mapping: RolloutIndex[Found]

    def __iter__(self) -> Iterator[tuple[str, Found]]:
        return self._mapping.pairs()


class _Values(ValuesView[Found]):
    _mapping: RolloutIndex[Found]

    def __iter__(self) -> Iterator[Found]:
        return (value for _, value in self._mapping.pairs())
