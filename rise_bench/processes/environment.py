"""The environment of this process, replaced for a while."""

import contextlib
import os
from collections.abc import Iterator, Mapping


@contextlib.contextmanager
def replaced_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Replace the environment by these variables within the block."""
    before = dict(os.environ)
    set_environment(variables)
    try:
        yield
    finally:
        set_environment(before)


def set_environment(variables: Mapping[str, str]) -> None:
    """Replace the environment by these variables, which may be those of `os.environ` itself."""
    copy = dict(variables)
    os.environ.clear()
    os.environ.update(copy)
