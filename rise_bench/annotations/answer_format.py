"""Format of answers: style, unit of boxes and largest image, which reading and scoring need."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from rise_bench.annotations.base import Frame, Gold
from rise_bench.annotations.boxes.values import MAX_PIXELS, BoxUnit, frame_of

#: `caption` is the think-answer form after a summary and a caption, of Reason-RFT.
Style = Literal["think_answer", "answer_only", "caption"]


@dataclass(frozen=True, slots=True)
class AnswerFormat:
    """Format of answers.

    Attributes:
        style: With a chain of thought before the answer, or the answer only.
        unit: Unit of boxes.
        max_pixels: Largest image of the processor in pixels, for `resized_px` only.
    """

    style: Style = "think_answer"
    unit: BoxUnit = "norm1000"
    max_pixels: int = MAX_PIXELS

    def frame(self, gold: Gold) -> Frame:
        """Frame in which boxes of the sample are stated."""
        return frame_of(self.unit, gold.width_px, gold.height_px, max_pixels=self.max_pixels)

    def to_json(self) -> dict[str, Any]:
        """The format by the names that documents, samples files and submissions keep it under."""
        return {"style": self.style, "box_unit": self.unit, "max_pixels": self.max_pixels}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`; other names are ignored."""
        return cls(data["style"], data["box_unit"], data["max_pixels"])


#: Format of a response that says nothing of it.
DEFAULT_FORMAT = AnswerFormat()
