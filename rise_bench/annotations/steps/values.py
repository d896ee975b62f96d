"""Calls `name(object, value)`, and the closed vocabulary that they are from.

A class of such a benchmark is a function with its values, `change_size(small|large)`; without values any
value fits.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

from rise_bench.annotations.base import Annotation

_FUNCTION = re.compile(r"\s*+([^\W\d]\w*+)\s*+(?:\(([^()]*+)\)\s*+)?+")
_JOIN = re.compile(r"[\s_-]+")
_NUMBERED = re.compile(r"(?:object|obj|id)_?(?:#_?)?(?=\d)|\A#_?(?=\d)")


class Call(NamedTuple):
    """One step: what is done, with which object, to which value; in small letters."""

    name: str
    object: str
    value: str

    def __str__(self) -> str:
        """Write the call."""
        return f"{self.name}({self.object}, {self.value})"


@dataclass(frozen=True, slots=True)
class Steps(Annotation):
    """Calls in the order that they were stated, and the classes of their benchmark."""

    kind: ClassVar[str] = "steps"
    classes: tuple[str, ...]
    calls: tuple[Call, ...]


def folded(text: str) -> str:
    """Return a name, object or value as it is compared.

    >>> folded("Front-Left"), folded(" 'red' ")
    ('front_left', 'red')
    """
    return _JOIN.sub("_", text.strip().strip("\"'`*").strip().casefold())


def folded_call(name: str, object_: str, value: str) -> Call:
    """Return a call as it is compared.

    >>> str(folded_call("Change_Color", "object 3", "'Red'")), str(folded_call("remove", "#3", "red"))
    ('change_color(3, red)', 'remove(3, red)')
    """
    return Call(folded(name), _NUMBERED.sub("", folded(object_)), folded(value))


@lru_cache(maxsize=64)
def vocabulary(classes: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return the values of each function, none where any value fits; other classes are skipped.

    >>> vocabulary(("change_size(small|Large)", "remove"))
    {'change_size': ('small', 'large'), 'remove': ()}
    """
    return {name: values for name, values in _functions(classes) if name}


def vocabulary_problem(classes: tuple[str, ...]) -> str:
    """Return why classes are not a vocabulary; empty if they are one."""
    names = [name for name, _ in _functions(classes)]
    for text, name in zip(classes, names, strict=True):
        if not name:
            return f"class {text!r} is not a function; write name(value|value), like change_size(small|large)"
        if names.count(name) > 1:
            return f"function {name!r} appears twice; give all its values at once"
    return ""


def _functions(classes: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for text in classes:
        match = _FUNCTION.fullmatch(text)
        values = tuple(filter(None, map(folded, (match[2] or "").split("|")))) if match else ()
        yield (folded(match[1]) if match else ""), values
