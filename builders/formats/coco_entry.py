"""Element of a list in a COCO json; errors of its fields name the element."""

from pathlib import Path
from typing import Any

from rise_bench.annotations.boxes.values import Box
from rise_bench.builders.formats.upright import turned_by
from rise_bench.errors import DataError

_HUGE = 1e305


class CocoEntry:
    """Image, annotation or category of the file."""

    def __init__(self, path: Path, kind: str, position: int, value: Any) -> None:
        self._path, self._kind, self._position = path, kind, position
        self._value: dict[str, Any] = {}
        if not isinstance(value, dict):
            raise self.error(f"{_short(value)} is not an object", "write the fields of COCO's format")
        self._value = value

    def get(self, key: str) -> Any:
        """Return a field, or None."""
        return self._value.get(key)

    def error(self, problem: str, fix: str) -> DataError:
        """Return the error for a problem of this element."""
        name = entry_name(self._kind, self._position, self.get("id"))
        return DataError(f"{self._path}: {name}: {problem}; {fix}")

    def _field(self, key: str, fix: str) -> Any:
        if self.get(key) is None:
            raise self.error(f"it has no {key}", fix)
        return self._value[key]

    def whole(self, key: str, *, least: int = -(1 << 63)) -> int:
        """Return a whole number of at most 64 bits; 3.0 is accepted, 1.7, true and "3" are refused."""
        value = self._field(key, f"write its {key}, a whole number")
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not whole or not least <= value < 1 << 63:
            at_least = f" of at least {least}" if least > 0 else ""
            raise self.error(
                f"{key} {_short(value)} is not a whole number{at_least}", "write one, without quotes"
            )
        return int(value)

    def text(self, key: str) -> str:
        """Return a field that is a text with at least one visible character."""
        value = self._field(key, f"write its {key}")
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"{key} {_short(value)} is not a text", f"write its {key}")
        return value

    def box(self) -> Box:
        """Return `bbox`, four finite numbers of an upright box."""
        only = " (it has a segmentation only)" if self.get("segmentation") and not self.get("bbox") else ""
        value = self._field("bbox", f"write its bbox [x, y, width, height] in pixels{only}")
        numbers = isinstance(value, list) and all(type(side) in (int, float) for side in value)
        if not numbers or len(value) != 4 or not all(-_HUGE < side < _HUGE for side in value):
            raise self.error(
                f"bbox {_short(value)} is not four finite numbers", "write [x, y, width, height] in pixels"
            )
        attributes = self.get("attributes")
        if turned := turned_by(self._value, attributes if isinstance(attributes, dict) else {}):
            raise self.error(f"the box is rotated ({turned})", "draw an upright one")
        x, y, w, h = map(float, value)
        return x, y, w, h


def entry_name(kind: str, position: int, entry_id: Any) -> str:
    """Return the name of an element: its id, or else its place in the list."""
    if entry_id is None:
        return f"{kind} number {position + 1} of the list (it has no id)"
    return f"{kind} {_short(entry_id)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
