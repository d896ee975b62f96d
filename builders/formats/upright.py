"""Boxes here are upright: one that a tool has turned is refused, whatever its format calls the angle."""

import math
from collections.abc import Mapping
from typing import Any

#: Names of an angle beside a box.
_ANGLES = ("rotation", "angle", "theta")
_LEAST = 1e-3  #: smaller angles are rounding


def turned_by(fields: Mapping[str, Any], attributes: Mapping[str, Any]) -> str:
    """Return the angle of a box as "rotation 90.0"; empty for an upright box.

    Args:
        fields: Fields beside the box; numbers may be texts.
        attributes: Those that annotators choose; `rotation` is CVAT's angle, while one called `angle` may be
            that of a camera.
    """
    named = [("rotation", attributes.get("rotation")), *((name, fields.get(name)) for name in _ANGLES)]
    for name, value in named:
        try:
            angle = 0.0 if isinstance(value, bool) else float(value or 0)
        except (TypeError, ValueError, OverflowError):
            continue
        if math.isfinite(angle) and abs(math.remainder(angle, 360)) > _LEAST:
            return f"{name} {value}"
    return ""
