"""What a training run tells its user, on stderr."""

from __future__ import annotations

from rich.console import Console

from rise_bench.trainers.run_folder import is_main_process


def say(line: str) -> None:
    """Print a line, on rank 0 only."""
    if is_main_process():
        Console(stderr=True).print(line, highlight=False, markup=False, soft_wrap=True)
