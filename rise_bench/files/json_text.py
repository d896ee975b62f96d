"""Valid JSON for printing and storing: NaN and infinities become null."""

import json
import math
from typing import Any


def json_text(value: Any) -> str:
    """Return a value as indented JSON with sorted keys.

    >>> json_text({"low": float("nan"), "value": 1.0}).split()
    ['{', '"low":', 'null,', '"value":', '1.0', '}']
    """
    return json.dumps(finite(value), indent=1, ensure_ascii=False, sort_keys=True, allow_nan=False)


def finite(value: Any) -> Any:
    """Return a value in which NaN and infinities are None."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
