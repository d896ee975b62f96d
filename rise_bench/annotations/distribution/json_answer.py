"""Fast parser of the usual answer, a JSON object; `parsing` reads the same numbers from it."""

import json
import re
from collections.abc import Mapping

from rise_bench.annotations.plain_numbers import LARGEST

_OBJECT = re.compile(r'\s*+\{(?:\s*+"[A-Za-z][A-Za-z -]*+" ?: ?-?+[0-9]++(?:\.[0-9]++)?+\s*+,?+)++\s*+\}\s*+')


def json_numbers(answer: str, exact: Mapping[str, int]) -> dict[int, float]:
    """Return the numbers by class of an answer that is just a JSON object of classes and usual numbers.

    Args:
        answer: Text of the answer.
        exact: Name to position of the class.

    Returns:
        Position to number; empty for any other answer.
    """
    if not _OBJECT.fullmatch(answer) or "-0" in answer:  # the whole number -0 would lose its sign
        return {}
    try:
        stated = {exact[name]: float(number) for name, number in json.loads(answer).items()}
    except (ValueError, OverflowError, KeyError):
        return {}
    return stated if all(abs(number) <= LARGEST for number in stated.values()) else {}
