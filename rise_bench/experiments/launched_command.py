"""Function that submitit runs for a job: the command of rise-bench, its seconds and its exit code."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rise_bench.experiments.child_process import inherited_environment
from rise_bench.files.atomic import atomic_write_text
from rise_bench.files.locks import locked_file

#: Files of a job in its folder: exit code, seconds of all starts, and a request to stop.
CODE, SECONDS, CANCEL = "code", "seconds", "cancel"

_LOOK_S = 1.0

#: A cluster that ends a job, to run it again or not, kills it within these seconds after SIGTERM.
_KILL_S = 60.0


@dataclass(frozen=True, slots=True)
class LaunchedCommand:
    """Command of rise-bench, to be called on the machine that the cluster gives it.

    Attributes:
        arguments: Arguments of `rise-bench`.
        environment: Additional variables.
        output: File of its standard output.
        log: File of its log.
        place: Folder of its seconds and exit code.
        before_s: Seconds of earlier submissions of the job.
    """

    arguments: tuple[str, ...]
    environment: dict[str, str]
    output: Path
    log: Path
    place: Path
    before_s: float

    def __call__(self) -> int:
        """Run the command and return its exit code, which is written too.

        Two starts of a job, of which the first was taken for lost, run one after the other. A command that
        the cluster ends leaves no exit code: the next start tries it again.

        Raises:
            SystemExit: The starter asked it to stop.
        """
        with locked_file(self.log.with_suffix(".lock")), _noted_termination() as terminated:
            clock = self.place / SECONDS
            before = float(clock.read_text(encoding="ascii")) if clock.exists() else self.before_s
            started, code = time.monotonic(), None
            with self.output.open("wb") as output, self.log.open("ab") as log:
                process = self._start(output, log)
                while code is None:
                    atomic_write_text(clock, f"{before + time.monotonic() - started:.1f}")
                    if (self.place / CANCEL).exists():
                        process.communicate()  # closes its input, which ends it
                        raise SystemExit("cancelled by the starter")
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        code = process.wait(_LOOK_S)
                atomic_write_text(clock, f"{before + time.monotonic() - started:.1f}")
            if code and terminated:
                time.sleep(_KILL_S)
            atomic_write_text(self.place / CODE, str(code))
            return code

    def checkpoint(self) -> Any:
        """Return what submitit queues again at its time limit: the same command, which continues."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def _start(self, output: Any, log: Any) -> "subprocess.Popen[bytes]":
        """Start the command, which ends when this process does."""
        tethered = ("-m", "rise_bench.processes.tethered", "rise_bench")
        return subprocess.Popen(
            [sys.executable, *tethered, *self.arguments],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=log,
            env=inherited_environment() | self.environment,
            start_new_session=True,
        )


@contextlib.contextmanager
def _noted_termination() -> Iterator[list[int]]:
    """Yield a list that gets each SIGTERM to this process, beside what is done about it already."""
    noted: list[int] = []
    usual: Any = signal.getsignal(signal.SIGTERM)

    def note(number: int, frame: Any) -> None:
        noted.append(number)
        if callable(usual):
            usual(number, frame)

    signal.signal(signal.SIGTERM, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGTERM, usual)
