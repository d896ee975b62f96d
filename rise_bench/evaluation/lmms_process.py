"""Process of lmms-eval: output goes to a log, the progress bar to the terminal, failures to the caller.

lmms-eval always exits with 0, so the end of its output is kept to explain a failure.
"""

import os
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO

from rise_bench.errors.redaction import safe_text
from rise_bench.evaluation.confined import Confinement, ended_in_time, kill_all
from rise_bench.processes.warm import Warm, is_warm

LOG_NAME = "lmms_eval.log"

_KEPT_LINES = 200
_BAR_SECONDS = 30
_ON_CPU = "Without a GPU add device=cpu,device_map=cpu to --model_args"
_REASON = re.compile(r"(?:Error during evaluation|: error): (.*?)(?:\. Please set `--verbosity=DEBUG`|$)")
_NOT_SAVED = re.compile(r"\b(\w*Error\(.*\))$")
_EXCEPTION = re.compile(r"^(?:[\w.]+\.)?\w*(?:Error|Exception|Interrupt)\b.*")
_NO_MEMORY = re.compile(r"MemoryError|allocate memory|not enough memory")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_BAR = re.compile(r"^\w[\w ().-]*:\s+\d{1,3}%")


@dataclass(frozen=True, slots=True)
class Ended:
    """End of lmms-eval: its exit code, of which 0 proves nothing, and the reason of a failure, or ""."""

    code: int
    reason: str


def run_lmms_eval(
    arguments: Sequence[str],
    log: Path,
    *,
    processes: int = 1,
    environment: Mapping[str, str] | None = None,
    everything: bool = False,
    confinement: Confinement | None = None,
) -> Ended:
    """Run lmms-eval; it ends when this process ends, even by a kill.

    Args:
        arguments: Its command line.
        log: File for its output.
        processes: Data-parallel processes, one per GPU; more than 1 starts accelerate.
        environment: Variables to add.
        everything: Show its whole output on standard error, not only the progress bar.
        confinement: Bounds for an untrusted model, in one process; None for a trusted one.
    """
    variables = {**(confinement.environment() if confinement else os.environ), **(environment or {})}
    tail: deque[str] = deque(maxlen=_KEPT_LINES)
    process, output = _start(arguments, processes, variables, confinement)
    with log.open("w", encoding="utf-8") as file, output, ended_in_time(process.pid, confinement) as expired:
        try:
            _pass_on(output.fileno(), file, tail, _Bar(everything=everything))
            code = process.wait()
            assert code is not None
        except BaseException:
            kill_all(process.pid)
            process.wait()
            raise
    reason = _reason(tail)
    if confinement and expired.is_set():
        reason = f"stopped after {confinement.time_s:g} s, its limit of time; raise it if the model is slow"
    elif confinement and _NO_MEMORY.search(reason):
        gib = confinement.memory_bytes / 2**30
        reason += f", at its limit of {gib:.1f} GiB of memory; raise it if the model needs more"
    return Ended(code, reason)


def _start(
    arguments: Sequence[str],
    processes: int,
    environment: Mapping[str, str],
    confinement: Confinement | None,
) -> tuple["Warm | subprocess.Popen[bytes]", "Connection | IO[bytes]"]:
    """Start lmms-eval; also return the end of the pipe of its output."""
    if is_warm() and processes == 1 and not confinement:
        output, inlet = Pipe(duplex=False)
        warm = Warm("lmms_eval", arguments, environment=environment, stdout=inlet, stderr=inlet)
        inlet.close()
        return warm, output
    command = [sys.executable, "-m", "rise_bench.processes.tethered"]
    if processes > 1:
        command += ["accelerate.commands.launch", "--num_processes", str(processes), "-m"]
    command += ["lmms_eval", *arguments]
    if confinement:
        command = confinement.command("rise_bench.processes.tethered", ["lmms_eval", *arguments])
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,  # only this process gets Ctrl-C, and ends the others
    )
    assert process.stdout is not None
    return process, process.stdout


def _pass_on(output: int, log: IO[str], tail: deque[str], bar: "_Bar") -> None:
    for line, end in _lines(output):
        text = _passed_on(line)
        if end == "\n":
            log.write(f"{text}\n")
            tail.append(text)
        bar.show(text)
    bar.close()


def _passed_on(line: str) -> str:
    """Return a line of lmms-eval's output, redacted and printable."""
    return safe_text(_COLOUR.sub("", line).strip("\r\n"))


def _lines(output: int) -> Iterator[tuple[str, str]]:
    """Yield lines with their ends; a progress bar ends lines by a carriage return."""
    rest = b""
    while chunk := os.read(output, 65_536):
        *whole, rest = re.split(rb"(?<=[\r\n])", rest + chunk)
        for line in whole:
            yield line[:-1].decode(errors="replace"), line[-1:].decode()
    if rest:
        yield rest.decode(errors="replace"), "\n"


class _Bar:
    """Shows progress bars on standard error: in place on a terminal, every half minute elsewhere."""

    def __init__(self, *, everything: bool) -> None:
        self._everything, self._in_place = everything, sys.stderr.isatty()
        self._last, self._open = -float(_BAR_SECONDS), False

    def show(self, text: str) -> None:
        """Show a line if it is part of the progress."""
        if self._everything and text:
            self._write(f"{text}\n")
        elif _BAR.search(text):
            self._show_bar(text.strip())

    def close(self) -> None:
        """Continue below the bar."""
        if self._open:
            self._write("\n")

    def _show_bar(self, text: str) -> None:
        if self._in_place:
            self._write(f"\r{text}\x1b[K")
            self._open = True
        elif "100%" in text or time.monotonic() - self._last >= _BAR_SECONDS:
            self._write(f"{text}\n")
            self._last = time.monotonic()

    @staticmethod
    def _write(text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def _reason(tail: Iterable[str]) -> str:
    """Return the most informative exception: of rise-bench, else the last that wraps no other."""
    lines = [line.strip() for line in tail]
    raised = [line for line in lines if _EXCEPTION.match(line)]
    ours = [line for line in raised if line.startswith("rise_bench.errors.")]
    telling = [line for line in raised if "RetryError" not in line]
    logged = [match[1] for line in lines if (match := _REASON.search(line))]
    saving = [match[1] for line in lines if (match := _NOT_SAVED.search(line))]
    reason = next((lines[-1] for lines in (ours, telling, logged, raised, saving) if lines), "")
    return f"{reason}. {_ON_CPU}" if "NVIDIA driver" in reason else reason
