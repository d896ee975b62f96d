"""The form in which a run asks for answers: with a chain of thought, or the answer only.

SFT on annotations alone never learns to reason, so it is asked for what it was taught: the answer. As with
the unit of boxes, the form is declared before a run, written in the prompt and recorded with each sample.
"""

import os

from rise_bench.declared import declared
from rise_bench.parsing import Style

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
