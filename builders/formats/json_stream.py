"""Reader of a JSON object of long lists (COCO's instances file has 450 MB) with little memory.

The standard decoder reads one value at a time from a moving window of the file.
"""

import json
from collections.abc import Container, Iterator
from pathlib import Path
from typing import IO, Any

from rise_bench.errors import DataError

_WINDOW_CHARS = 1 << 20
_SPACE = " \t\n\r"
_AFTER_VALUE = frozenset(_SPACE + ",:]}")


def iter_members(path: Path, streamed: Container[str]) -> Iterator[tuple[str, Any]]:
    """Yield the members of the object in a file, in file order.

    Args:
        path: JSON file whose top level is an object.
        streamed: Keys of lists; each element is yielded as (key, element). Other members are yielded as
            (key, value). A key that appears twice is an error.

    Raises:
        DataError: If the file is missing or has another layout; names the character.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield from _members(_Window(file, path), streamed)
    except FileNotFoundError:
        raise DataError(f"{path} is missing; complete the source") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from error


class _Window:
    """Moving window over the text of a file."""

    def __init__(self, file: IO[str], path: Path) -> None:
        self._file = file
        self._path = path
        self._decoder = json.JSONDecoder()
        self._text = ""
        self._at = 0
        self._passed = 0

    def _read_on(self) -> bool:
        chunk = self._file.read(max(_WINDOW_CHARS, len(self._text) - self._at))
        if not chunk:
            return False
        self._passed += self._at
        self._text, self._at = self._text[self._at :] + chunk, 0
        return True

    def peek(self) -> str:
        """Return the next character after white space; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_on():
                return ""

    def take(self, expected: str) -> str:
        """Consume the next character, which must be one of `expected`."""
        character = self.peek()
        if not character or character not in expected:
            raise self.error(f"found {character!r}, expected one of {' '.join(expected)!r}")
        self._at += 1
        return character

    def value(self) -> Any:
        """Consume and decode the next value."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if not self._read_on():
                    raise self.error(error.msg) from error
                continue
            except (RecursionError, ValueError) as error:  # nested too deeply, or a number of 4,301 digits
                raise self.error(str(error)) from None
            # "1." and "1e" read as 1 until the window shows what follows them.
            if self._text[end : end + 1] in _AFTER_VALUE or not self._read_on():
                self._at = end
                return value

    def error(self, problem: str) -> DataError:
        """Return the error of a problem at the current character."""
        place = self._passed + self._at
        return DataError(
            f"{self._path}: not the expected JSON near character {place}: {problem}; get it again"
        )


def _members(window: _Window, streamed: Container[str]) -> Iterator[tuple[str, Any]]:
    window.take("{")
    more = window.peek() != "}" or window.take("}") != "}"
    keys: set[str] = set()
    while more:
        key = window.value()
        if not isinstance(key, str):
            raise window.error(f"key {key!r} is not a string")
        if key in keys:
            raise window.error(f"key {key!r} appears twice")
        keys.add(key)
        window.take(":")
        if key in streamed:
            for element in _elements(window):
                yield key, element
        else:
            yield key, window.value()
        more = window.take(",}") == ","
    if window.peek():
        raise window.error("text after the end")


def _elements(window: _Window) -> Iterator[Any]:
    window.take("[")
    more = window.peek() != "]" or window.take("]") != "]"
    while more:
        yield window.value()
        more = window.take(",]") == ","
