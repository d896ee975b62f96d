"""Boxes here are upright: one that a tool has turned is refused, whatever its format calls the angle."""

from collections.abc import Mapping
from typing import Any

#: Names of an angle beside a box.
ANGLES = ("rotation", "angle", "theta")


def turned_by(fields: Mapping[str, Any]) -> str:
    """Return the angle of a box as "rotation 90.0"; empty for an upright box.

    Args:
        fields: Fields beside the box; numbers may be texts.
    """
    for name in ANGLES:
        try:
            if float(fields.get(name) or 0) % 360:
                return f"{name} {fields[name]}"
        except (TypeError, ValueError):
            continue  # the angle of a camera, in words
    return ""
