"""How a run asks for answers: one value, without which no answer can be read or scored."""

from dataclasses import asdict, dataclass
from typing import Any

from rise_bench.parsing import Style
from rise_bench.values import MAX_PIXELS, BoxUnit


@dataclass(frozen=True, slots=True)
class AnswerFormat:
    """How answers were asked for.

    Attributes:
        style: With a chain of thought before the answer, or the answer only.
        unit: Unit of boxes.
        max_pixels: Largest image of the processor in pixels; matters for `resized_px` only.
    """

    style: Style = "think_answer"
    unit: BoxUnit = "norm1000"
    max_pixels: int = MAX_PIXELS

    def keywords(self) -> dict[str, Any]:
        """The format as keyword arguments of the functions that read and score a response."""
        return asdict(self)


#: What a text that says nothing of it is taken for.
DEFAULT_FORMAT = AnswerFormat()
