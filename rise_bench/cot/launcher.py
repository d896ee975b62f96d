"""Rank of this process and number of processes, from the environment of accelerate, torchrun or Slurm."""

import os

from rise_bench.errors import ConfigError


def place_among_processes(*pairs: tuple[str, str]) -> tuple[int, int]:
    """Return rank and number of processes from the environment.

    Args:
        pairs: Names of the variables for rank and number; the first pair that is set is used.

    Returns:
        Rank from 0, and number of processes; (0, 1) if no pair is set.

    Raises:
        ConfigError: The variables hold no valid rank and number.
    """
    for rank, size in pairs or (("RANK", "WORLD_SIZE"),):
        if rank in os.environ:
            here, of = _whole_number(rank, 0), _whole_number(size, 1) if size in os.environ else 1
            if here >= of:
                stated = f"{rank}={here} and {size}={os.environ.get(size, '(not set)')}"
                raise ConfigError(f"{stated}: ranks run from 0 to {size} - 1. {_remedy(rank, size)}")
            return here, of
    return 0, 1


def _whole_number(name: str, least: int) -> int:
    text = os.environ[name].strip()
    if not (text.isascii() and text.isdigit() and int(text) >= least):
        raise ConfigError(
            f"{name}={os.environ[name]!r} in the environment, expected a whole number of at least {least}. "
            f"{_remedy(name)}"
        )
    return int(text)


def _remedy(*names: str) -> str:
    return f"Unset it (unset {' '.join(names)}), or start with torchrun, accelerate or srun, which set it."
