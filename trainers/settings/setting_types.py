"""Types of settings that are read leniently."""

from typing import Annotated, Any

from pydantic import BeforeValidator


def _number(value: Any) -> Any:
    """YAML 1.1 reads 2e-5, which has no dot, as text."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def numbers(tree: Any) -> Any:
    """Return a mapping with its texts read as numbers, where they are."""
    return {name: _number(value) for name, value in tree.items()} if isinstance(tree, dict) else tree


#: Types of settings, read leniently where YAML is not: 2e-5 is a number, an empty value an empty text, and a
#: single value a list of it.
Number = Annotated[float, BeforeValidator(_number)]
Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
Listed = BeforeValidator(lambda value: tuple(value) if isinstance(value, list | tuple) else (value,))
