"""A command of this package as a child process, which ends with this one."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rise_bench.processes.warm import Warm

#: Environment variables of a launcher, which jobs do not inherit, and prefixes of more of them.
_OF_A_LAUNCHER = {"RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"}
_PREFIXES_OF_A_LAUNCHER = ("SLURM_", "SUBMITIT_")


class ChildProcess:
    """A running command."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        output: Path,
        log: Path,
        before_s: float = 0.0,
    ) -> None:
        """Start a command.

        Args:
            arguments: Arguments of `rise-bench`.
            environment: Variables beside the inherited ones.
            output: File of its standard output, which is emptied first.
            log: File that its standard error is appended to.
            before_s: Seconds of its earlier starts.
        """
        output.write_bytes(b"")
        self._process = Warm(
            "rise_bench",
            arguments,
            environment=inherited_environment() | dict(environment),
            stdout=output,
            stderr=log,
        )
        self._before_s, self._started = before_s, time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds of all starts of the command."""
        return self._before_s + time.monotonic() - self._started

    def poll(self) -> int | None:
        """Return the exit code; None before its end."""
        return self._process.poll()

    def kill(self) -> None:
        """End it with all that it started."""
        self._process.kill()


def inherited_environment() -> dict[str, str]:
    """Return the environment of this process without what a launcher tells its own processes."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in _OF_A_LAUNCHER
        and (not name.startswith(_PREFIXES_OF_A_LAUNCHER) or name == "SLURM_CONF")
    }
