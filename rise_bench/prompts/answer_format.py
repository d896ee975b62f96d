"""How a run asks for answers: one value, without which no answer can be read or scored."""

import os
import re
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from rise_bench.annotations.boxes.values import MAX_PIXELS, BoxUnit
from rise_bench.catalog.families import FAMILIES
from rise_bench.errors import ConfigError


def max_pixels() -> int:
    """Return the largest image of the processor, in pixels: `RISE_BENCH_MAX_PIXELS`, or the paper's.

    Raises:
        ConfigError: If the variable holds no whole number of at least one patch (784 pixels).
    """
    text = os.environ.get(MAX_PIXELS_VARIABLE)
    if not text:
        return MAX_PIXELS
    if not text.isascii() or not text.isdigit() or int(text) < 28 * 28:
        raise ConfigError(
            f"{MAX_PIXELS_VARIABLE} is {text!r}; use a whole number of pixels, e.g. {MAX_PIXELS}"
        )
    return int(text)


Style = Literal["think_answer", "answer_only"]


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


#: Environment variable with the form.
STYLE_VARIABLE = "RISE_BENCH_STYLE"


DEFAULT_STYLE: Style = "think_answer"


def asked_style() -> Style:
    """Return what `RISE_BENCH_STYLE` says, or think_answer.

    Raises:
        ConfigError: If the variable holds no form.
    """
    return as_style(os.environ.get(STYLE_VARIABLE) or DEFAULT_STYLE, STYLE_VARIABLE)


def as_style(text: str, where: str) -> Style:
    """Check that a text names a form; see `declared`."""
    form: Style = declared(text, Style, where)
    return form


#: Environment variable that declares the unit when the name of the model does not (a server, vLLM).
UNIT_VARIABLE = "RISE_BENCH_BOX_UNIT"


#: Environment variable with the largest image of the processor in pixels, where it is not the paper's.
MAX_PIXELS_VARIABLE = "RISE_BENCH_MAX_PIXELS"


DEFAULT_UNIT: BoxUnit = "norm1000"


def box_unit_of(model: str) -> BoxUnit:
    """Return the unit for a model, from its lmms-eval name, Hub id or `model_type`.

    Args:
        model: Name in any spelling.

    Returns:
        What `RISE_BENCH_BOX_UNIT` says if it is set, else the unit of the family.

    Raises:
        ConfigError: If the variable holds no unit.

    >>> box_unit_of("Qwen/Qwen2.5-VL-3B-Instruct"), box_unit_of("qwen2_vl")
    ('resized_px', 'norm1000')
    """
    declared = os.environ.get(UNIT_VARIABLE)
    if declared:
        return as_box_unit(declared, UNIT_VARIABLE)
    name = _letters(model)
    units = (family.box_unit for family in FAMILIES.values() if _letters(family.name) in name)
    return next(units, DEFAULT_UNIT)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def as_box_unit(text: str, where: str) -> BoxUnit:
    """Check that a text names a unit; see `declared`."""
    unit: BoxUnit = declared(text, BoxUnit, where)
    return unit


def declared(text: str, words: Any, where: str) -> Any:
    """Check that a text is one of some words, and return it.

    Args:
        text: What was given.
        words: A `Literal`.
        where: Option or variable that it came from, for the message.

    Raises:
        ConfigError: If it is none of them.
    """
    if text in get_args(words):
        return text
    raise ConfigError(f"{where} is {text!r}; use one of {', '.join(get_args(words))}")
