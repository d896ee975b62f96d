"""Messages of a training run to its user, on stderr."""

from __future__ import annotations

from rich.console import Console

from rise_bench.cot.launcher import place_among_processes
from rise_bench.errors import ConfigError


def is_heard(*pairs: tuple[str, str]) -> bool:
    """Whether this process prints: rank 0, or an impossible rank, which pre-flight reports.

    `pairs` are the variables of rank and number of processes, by default those of the whole run.
    """
    try:
        return place_among_processes(*pairs)[0] == 0
    except ConfigError:
        return True


def is_heard_on_its_machine() -> bool:
    """Whether this is the first process of its machine: other machines may have other problems."""
    return is_heard(("LOCAL_RANK", "LOCAL_WORLD_SIZE"), ("RANK", "WORLD_SIZE"))


def say(line: str) -> None:
    """Print a line, on rank 0 only."""
    if is_heard():
        Console(stderr=True).print(line, highlight=False, markup=False, soft_wrap=True)
