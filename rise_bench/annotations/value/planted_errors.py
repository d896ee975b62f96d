"""Wrong labels made of a value, to test what finds them."""

import random

from rise_bench.annotations.value.similarity import are_equal
from rise_bench.annotations.value.values import Value, number_value

_LETTERS = "ABCD"


def planted_errors(value: Value, other: Value, rng: random.Random) -> dict[str, Value]:
    """Return wrong labels by the name of their error.

    - `shifted`: a whole number is one too large or too small (a count stays at least 0), another number off
      by a tenth to a half;
    - `swapped`: the value of another image, where it differs; for a letter another one of A to D.
    """
    errors = {}
    number = value.number
    if number is not None:
        errors["shifted"] = number_value(_shifted(value, number, rng), percentage=value.is_percentage)
    if value.is_letter:
        errors["swapped"] = Value(rng.choice([letter for letter in _LETTERS if letter != value.text]))
    elif not are_equal(value, other):
        errors["swapped"] = other
    return errors


def _shifted(value: Value, number: float, rng: random.Random) -> float:
    sign = rng.choice((-1, 1))
    if value.is_whole:
        return number + (1 if number == 0 else sign)
    return number * (1 + sign * rng.uniform(0.1, 0.5)) if number else 1.0
