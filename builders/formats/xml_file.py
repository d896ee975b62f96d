"""Reading XML of annotations: elements one at a time, without document types and so without entities."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from rise_bench.errors import DataError

Element = ElementTree.Element

_CHUNK_BYTES = 1 << 16


class _Begun(Exception):  # noqa: N818 - a signal
    """The first element was reached."""


def root_name(path: Path) -> str:
    """Return the name of the outermost element.

    Raises:
        DataError: If a file is not XML, or declares a document type, whose entities can fill the memory or
            name other files.
    """
    parser = expat.ParserCreate()
    names: list[str] = []

    def begin(name: str, attributes: dict[str, str]) -> None:  # noqa: ARG001
        names.append(name)
        raise _Begun

    def refuse(*declared: object) -> None:  # noqa: ARG001
        raise DataError(f"{path} declares a document type (<!DOCTYPE …>); remove it, annotations need none")

    parser.StartElementHandler, parser.StartDoctypeDeclHandler = begin, refuse
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                parser.Parse(chunk, False)
            parser.Parse(b"", True)
    except _Begun:
        return names[0]
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise DataError(f"{path} is not XML ({error}); export it again") from error
    raise DataError(f"{path} is not XML; export it again")


def iter_elements(path: Path) -> Iterator[tuple[str, Element]]:
    """Yield ("start" or "end", element) in file order.

    Raises:
        DataError: As `root_name`.
    """
    root_name(path)
    try:
        yield from ElementTree.iterparse(path, events=("start", "end"))
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise DataError(f"{path} is not XML ({error}); export it again") from error


def read_element(path: Path) -> Element:
    """Return the outermost element of a small file.

    Raises:
        DataError: As `root_name`.
    """
    for event, element in iter_elements(path):
        last, ended = element, event == "end"
    assert ended
    return last


def number(text: str | None, name: str, where: str) -> float:
    """Read a finite number.

    Raises:
        DataError: If it is missing or none.
    """
    try:
        value = float(text or "")
    except ValueError:
        value = float("nan")
    if not abs(value) < 1e9:
        raise DataError(f"{where}: {name} is {text!r}; write a number of pixels")
    return value
