"""Hint at the nearest name, for errors about an unknown one."""

import difflib
from collections.abc import Sequence


def nearest(name: str, names: Sequence[str]) -> str:
    """Return `; did you mean …?` for an unknown name, or the sections of the known names.

    >>> nearest("grpo.step", ["sft.steps", "grpo.steps"]), nearest("x", ["sft.steps", "grpo.steps"])
    ("; did you mean 'grpo.steps'?", '; there is: sft, grpo')
    """
    by_leaf = {known.rsplit(".", 1)[-1]: known for known in reversed(names)}
    sections = {known.split(".", 1)[0]: known.split(".", 1)[0] for known in names}
    leaf = name.rsplit(".", 1)[-1]
    for wanted, options in ((name, {known: known for known in names}), (leaf, by_leaf), (name, sections)):
        if near := difflib.get_close_matches(wanted, options, n=1):
            return f"; did you mean {options[near[0]]!r}?"
    return f"; there is: {', '.join(sections)}"
