"""Fast parser of the usual answer, a JSON list of boxes; `parsing` reads the same boxes from it."""

import json
import re

from rise_bench.annotations.boxes.values import Box

_LIST = re.compile(r"\s*+\[\s*+(?:\[[\d.,\s-]++\]\s*+,?+\s*+)++\]\s*+")
_JSON = json.JSONDecoder()


def json_boxes(answer: str) -> list[Box]:
    """Return the boxes of an answer that is just a JSON list of them; empty for any other answer."""
    if not _LIST.fullmatch(answer) or "-0" in answer:  # the whole number -0 would lose its sign
        return []
    try:
        return [(float(x), float(y), float(w), float(h)) for x, y, w, h in _JSON.decode(answer)]
    except (ValueError, OverflowError):
        return []
