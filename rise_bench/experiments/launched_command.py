"""Function that submitit runs for a job: the command of rise-bench, its seconds and its exit code."""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rise_bench.experiments.jobs import inherited_environment
from rise_bench.files.atomic import atomic_write_text
from rise_bench.files.locks import locked_file

#: Files of a job in its folder: exit code, and seconds of all starts.
CODE, SECONDS = "code", "seconds"

_NOTE_S = 5.0


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

        Two starts of a job, of which the first was taken for lost, run one after the other.
        """
        with locked_file(self.log.with_suffix(".lock")):
            clock = self.place / SECONDS
            before = float(clock.read_text(encoding="ascii")) if clock.exists() else self.before_s
            started, code = time.monotonic(), None
            with self.output.open("wb") as output, self.log.open("ab") as log:
                process = self._start(output, log)
                while code is None:
                    atomic_write_text(clock, f"{before + time.monotonic() - started:.1f}")
                    try:
                        code = process.wait(_NOTE_S)
                    except subprocess.TimeoutExpired:
                        continue
            atomic_write_text(clock, f"{before + time.monotonic() - started:.1f}")
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
