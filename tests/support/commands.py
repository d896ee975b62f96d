"""Commands in processes of their own that have torch loaded: importing it takes longer than most tests."""

import contextlib
import os
import signal
import socket
import subprocess
from multiprocessing import Pipe
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any

from rise_bench.processes.warm import Warm


class Command:
    """A running module, to be used like `subprocess.Popen` with pipes and texts."""

    def __init__(self, module: str | Path, *arguments: Any, env: dict[str, str] | None = None) -> None:
        self.args = [str(module), *map(str, arguments)]
        pipes = [Pipe(duplex=False) for _ in range(2)]
        inlets = [inlet for _, inlet in pipes]
        self._process = Warm(
            self.args[0],
            self.args[1:],
            environment=env or dict(os.environ),
            stdout=inlets[0],
            stderr=inlets[1],
        )
        for inlet in inlets:
            inlet.close()
        self.pid = self._process.pid
        self._texts: list[list[bytes]] = [[], []]
        self._readers = [
            Thread(target=_read, args=(outlet, text), daemon=True)
            for (outlet, _), text in zip(pipes, self._texts, strict=True)
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> "Command":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    def poll(self) -> int | None:
        return self._process.poll()

    def wait(self, timeout: float | None = None) -> int | None:
        return self._process.wait(timeout)

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        if self._process.wait(timeout) is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        for reader in self._readers:
            reader.join(30)
        out, err = (b"".join(text).decode() for text in self._texts)
        return out, err


def run_command(
    module: str | Path, *arguments: Any, env: dict[str, str] | None = None, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run a module to its end."""
    with Command(module, *arguments, env=env) as command:
        out, err = command.communicate(timeout)
        return subprocess.CompletedProcess(command.args, command.returncode or 0, out, err)


def run_processes(
    script: Path, *arguments: Any, env: dict[str, str] | None = None, timeout: float = 550
) -> None:
    """Run a script on two processes, as torchrun starts them; the test fails if one of them does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    with contextlib.ExitStack() as stack:
        commands = [
            stack.enter_context(
                Command(
                    str(script),
                    *arguments,
                    env={**os.environ, **(env or {}), **shared, "RANK": rank, "LOCAL_RANK": rank},
                )
            )
            for rank in "01"
        ]
        for command in commands:
            _, err = command.communicate(timeout)
            assert command.returncode == 0, err[-3000:]


def _read(outlet: Any, text: list[bytes]) -> None:
    while data := os.read(outlet.fileno(), 65_536):
        text.append(data)
    outlet.close()


def is_running(pid: int) -> bool:
    """Whether a process of any starter is still there, and not only waits to be reaped."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False).stdout
    return bool(state) and not state.startswith(b"Z")
