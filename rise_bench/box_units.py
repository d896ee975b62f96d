"""Which unit of boxes a model family was trained on.

The unit is declared before a run, written in the prompt and used to read the answer; it is never guessed from
the answer. Families that are not listed are told to use thousandths of the image, and the prompt says so.
"""

import os
import re

from rise_bench.declared import declared
from rise_bench.errors import ConfigError
from rise_bench.values import MAX_PIXELS, BoxUnit

#: Environment variable that declares the unit when the name of the model does not (a server, vLLM).
UNIT_VARIABLE = "RISE_BENCH_BOX_UNIT"

#: Environment variable with the largest image of the processor in pixels, where it is not the paper's.
MAX_PIXELS_VARIABLE = "RISE_BENCH_MAX_PIXELS"

#: Part of a model's name (lower case, `.` and `-` as `_`) -> unit; the rest use norm1000.
FAMILY_UNITS: dict[str, BoxUnit] = {"qwen2_5_vl": "resized_px"}

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
    name = re.sub(r"[.\-]", "_", model.lower())
    return next((unit for family, unit in FAMILY_UNITS.items() if family in name), DEFAULT_UNIT)


def as_box_unit(text: str, where: str) -> BoxUnit:
    """Check that a text names a unit; see `declared`."""
    unit: BoxUnit = declared(text, BoxUnit, where)
    return unit


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
