"""Processes that start with torch and the other heavy libraries loaded, and end with their starter.

They are forked from a server of `multiprocessing` that has imported them once (`preload`). Where that is not
safe, on systems other than Linux and beside a GPU, each imports them again: CUDA that was touched before a
fork cannot be used after it.
"""

import atexit
import contextlib
import multiprocessing
import os
import runpy
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import ModuleType
from typing import Any

from rise_bench.processes.environment import replaced_environment, set_environment

#: Modules that the server imports once.
PRELOADED = ["rise_bench.processes.preload"]

_GPU_DEVICES = (Path("/dev/nvidiactl"), Path("/dev/kfd"))


class Warm:
    """A running module.

    Attributes:
        pid: Its process, which leads a session of its own.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        stdout: Path | Connection,
        stderr: Path | Connection,
    ) -> None:
        """Start a module as `python -m` does, in the working folder of this process.

        Args:
            module: Name of the module, or path of a Python file.
            arguments: Its command line.
            environment: Its whole environment. What a preloaded library reads when it is imported, such as
                OMP_NUM_THREADS, is that of the first process.
            stdout: File to append to, or end of a pipe, which the caller closes afterwards.
            stderr: The same.
        """
        target = [module, list(arguments), dict(environment), str(Path.cwd()), stdout, stderr]
        with _main_left_out():
            self._process: Any = _context(environment).Process(target=_run, args=target)
            self._process.start()
        self.pid: int = self._process.pid
        self._starter = os.getpid()
        atexit.register(self.kill)  # multiprocessing would wait for its end

    def poll(self) -> int | None:
        """Return the exit code, the negative signal that ended it, or None while it runs."""
        code: int | None = self._process.exitcode
        return code

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait for the end, that long at most, and return what `poll` does."""
        self._process.join(timeout_s)
        return self.poll()

    def kill(self) -> None:
        """Kill it with all that it started, and wait for its end; only its starter can."""
        if os.getpid() != self._starter or self.poll() is not None:
            return  # a fork of the starter has the same exit handlers
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.kill()  # before it led its session
        self._process.join()


def is_warm() -> bool:
    """Whether this process has the heavy libraries loaded and may be forked."""
    return _may_fork() and multiprocessing.parent_process() is not None and "torch" in sys.modules


def _may_fork() -> bool:
    return sys.platform == "linux" and not any(device.exists() for device in _GPU_DEVICES)


def _context(environment: Mapping[str, str]) -> Any:
    if is_warm():
        return multiprocessing.get_context("fork")
    if not _may_fork():
        return multiprocessing.get_context("spawn")
    multiprocessing.set_forkserver_preload(PRELOADED)
    with replaced_environment(environment):
        forkserver.ensure_running()
    return multiprocessing.get_context("forkserver")


@contextlib.contextmanager
def _main_left_out() -> Iterator[None]:
    """Keep multiprocessing from importing the main module again, which may not allow that."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _run(
    module: str,
    arguments: list[str],
    environment: dict[str, str],
    folder: str,
    stdout: Path | Connection,
    stderr: Path | Connection,
) -> None:
    os.setsid()
    threading.Thread(target=_end_with_starter, daemon=True).start()
    for descriptor, target in ((1, stdout), (2, stderr)):
        _redirect(descriptor, target)
    for target in {stdout, stderr}:
        if isinstance(target, Connection):
            target.close()  # its other end is to see the end of this process
    os.chdir(folder)
    set_environment(environment)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()  # all forks would draw the same numbers
    sys.argv = [module, *arguments]
    try:
        if module.endswith(".py"):
            sys.path.insert(0, str(Path(module).parent))
            runpy.run_path(module, run_name="__main__")
        else:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()  # multiprocessing leaves them out


def _redirect(descriptor: int, target: Path | Connection) -> None:
    if isinstance(target, Connection):
        os.dup2(target.fileno(), descriptor)
        return
    opened = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(opened, descriptor)
    os.close(opened)


def _end_with_starter() -> None:
    starter = multiprocessing.parent_process()
    assert starter is not None
    wait([starter.sentinel])
    os.killpg(0, signal.SIGKILL)
