"""A line of the examination."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["ok", "missing", "problem"]
"""`missing`: optional and not there. `problem`: there, and will not work as it is."""


@dataclass(frozen=True, slots=True)
class Line:
    """Finding about one thing.

    Attributes:
        area: Heading: machine, packages, data, hub or runs.
        name: The thing.
        state: Whether it works.
        value: Finding in a few words.
        fix: Command or advice that fixes it, or gets it; empty if nothing is to be done.
    """

    area: str
    name: str
    state: State
    value: str
    fix: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the line as plain JSON values."""
        return asdict(self)
