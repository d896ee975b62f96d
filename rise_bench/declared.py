"""Words that are declared before a run, such as the unit of boxes: one of a few, or an error."""

from typing import Any, get_args

from rise_bench.errors import ConfigError


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
