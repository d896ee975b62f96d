"""Strict JSON for data from strangers: ambiguous text is refused, not repaired.

Refused are bytes that are not UTF-8, a key that appears twice, NaN and infinities (also 1e400), halves of a
surrogate pair, and nesting too deep for the parser.
"""

import json
import math
from collections import Counter
from typing import Any


class StrictJsonError(ValueError):
    """The text is not strict JSON; the message says why."""


def loads(data: bytes) -> Any:
    """Read a JSON value from UTF-8 without a byte order mark.

    >>> loads(b'{"a": 1}')
    {'a': 1}
    """
    try:
        text = data.decode("utf-8")
        value = _DECODER.decode(text)
    except UnicodeDecodeError as error:
        raise StrictJsonError(f"not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise StrictJsonError("nested too deep") from error
    except ValueError as error:
        raise StrictJsonError(str(error)) from error
    if "\\u" in text:
        _refuse_surrogates(value)
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        double = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise StrictJsonError(f"key {double[:80]!r} appears twice")
    return data


def _constant(name: str) -> float:
    raise StrictJsonError(f"{name} is not JSON")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise StrictJsonError(f"number {text[:40]} is out of range")
    return number


def _refuse_surrogates(value: Any) -> None:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            try:
                item.encode("utf-8")
            except UnicodeEncodeError:
                raise StrictJsonError("a string holds half of a surrogate pair") from None
        elif isinstance(item, dict):
            stack += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            stack += item


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float)
