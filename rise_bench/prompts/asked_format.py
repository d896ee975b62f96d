"""The answer format as a user states it: by option, by environment variable, by the name of the model."""

import os
from typing import Any, get_args

from rise_bench.annotations.answer_format import DEFAULT_FORMAT, AnswerFormat, Style
from rise_bench.annotations.boxes.values import MAX_PIXELS, BoxUnit
from rise_bench.catalog.families import family_named
from rise_bench.errors import ConfigError

#: Environment variable with the style.
STYLE_VARIABLE = "RISE_BENCH_STYLE"

#: Environment variable with the unit where the name of the model does not tell it (a server, vLLM).
UNIT_VARIABLE = "RISE_BENCH_BOX_UNIT"

#: Environment variable with the largest image of the processor in pixels, where it is not the paper's.
MAX_PIXELS_VARIABLE = "RISE_BENCH_MAX_PIXELS"


def asked_format(unit: BoxUnit) -> AnswerFormat:
    """Return the format of a run: the unit of its task, style and largest image of the environment."""
    style = as_style(os.environ.get(STYLE_VARIABLE) or DEFAULT_FORMAT.style, STYLE_VARIABLE)
    return AnswerFormat(style, unit, max_pixels())


def max_pixels() -> int:
    """Return the largest image of the processor, in pixels: `RISE_BENCH_MAX_PIXELS`, or the paper's."""
    text = os.environ.get(MAX_PIXELS_VARIABLE)
    if not text:
        return MAX_PIXELS
    if not text.isascii() or not text.isdigit() or int(text) < 28 * 28:
        raise ConfigError(
            f"{MAX_PIXELS_VARIABLE} is {text!r}; use a whole number of pixels, e.g. {MAX_PIXELS}"
        )
    return int(text)


def box_unit_of(model: str) -> BoxUnit:
    """Return `RISE_BENCH_BOX_UNIT`, or the unit of a model by its lmms-eval name, Hub id or `model_type`.

    >>> box_unit_of("Qwen/Qwen2.5-VL-3B-Instruct"), box_unit_of("qwen2_vl")
    ('resized_px', 'norm1000')
    """
    stated = os.environ.get(UNIT_VARIABLE)
    if stated:
        return as_box_unit(stated, UNIT_VARIABLE)
    family = family_named(model)
    return family.box_unit if family else DEFAULT_FORMAT.unit


def as_style(text: str, where: str) -> Style:
    """Return a text as a style; errors name `where`, the option or variable."""
    style: Style = _choice(text, Style, where)
    return style


def as_box_unit(text: str, where: str) -> BoxUnit:
    """Return a text as a unit of boxes; arguments and errors as those of `as_style`."""
    unit: BoxUnit = _choice(text, BoxUnit, where)
    return unit


def _choice(text: str, choices: Any, where: str) -> Any:
    if text in get_args(choices):
        return text
    raise ConfigError(f"{where} is {text!r}; use one of {', '.join(get_args(choices))}")
