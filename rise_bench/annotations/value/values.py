"""One number, letter or short word."""

import math
from dataclasses import dataclass
from typing import ClassVar

from rise_bench.annotations.base import Annotation

#: Pattern of a number in digits, with decimals and marks of thousands.
DIGITS = r"(?:\d{1,3}(?:,\d{3})++(?:\.\d++)?|\d{1,3}(?:[ '’]\d{3})++(?![\d.,])|\d++(?:\.\d*+)?|\.\d++)"

#: From here on whole numbers are written with an exponent.
_LARGE = 1e15


@dataclass(frozen=True, slots=True)
class Value(Annotation):
    """One value, as `read_value` writes it.

    Attributes:
        text: A number in digits with a point ("7", "-0.5", "12.5%"), a capital letter, or up to three words
            in small letters.
    """

    kind: ClassVar[str] = "value"
    text: str

    @property
    def is_percentage(self) -> bool:
        """Whether it is a number of hundredths."""
        return self.text.endswith("%")

    @property
    def number(self) -> float | None:
        """The number, a percentage as written (50 of "50%"); None of a letter or word."""
        if not (self.text[:1].isdigit() or self.text[:1] in "+-."):
            return None
        try:
            return float(self.text.removesuffix("%"))
        except ValueError:
            return None

    @property
    def is_whole(self) -> bool:
        """Whether it is a whole number, such as a count."""
        number = self.number
        return number is not None and not self.is_percentage and number.is_integer()

    @property
    def is_letter(self) -> bool:
        """Whether it is the letter of a choice."""
        return len(self.text) == 1 and self.text.isalpha()


def number_value(number: float, *, percentage: bool = False) -> Value:
    """Return the value of a finite number.

    >>> number_value(7.0), number_value(0.5, percentage=True)
    (Value(text='7'), Value(text='0.5%'))
    """
    if not math.isfinite(number):
        raise ValueError(f"{number} is not finite")
    whole = number.is_integer() and abs(number) < _LARGE
    return Value((str(int(number)) if whole else repr(number)) + "%" * percentage)
