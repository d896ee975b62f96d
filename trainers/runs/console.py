"""What a training run tells its user, on stderr."""

from __future__ import annotations

from contextlib import suppress

from rich.console import Console

from rise_bench.errors import ConfigError
from rise_bench.trainers.runs.run_folder import is_main_process


def say(line: str) -> None:
    """Print a line, on rank 0 only."""
    with suppress(ConfigError):  # a rank that makes no sense is a finding of pre-flight, which says it here
        if not is_main_process():
            return
    Console(stderr=True).print(line, highlight=False, markup=False, soft_wrap=True)
