"""Die like a process that is killed, at a chosen step that changes the disk; for scripts that tests run."""

import gc
import os
import signal
import sys
from collections.abc import Callable

STEPS = {"os.mkdir", "os.rename", "os.remove", "os.rmdir"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def kill_at_step(n: int) -> None:
    """Arrange that this process dies before its n-th step that changes the disk.

    That is a mkdir, rename, removal or opening for writing, heard of through Python's audit events.
    """
    steps = 0

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal steps
        flags = arguments[2] if event == "open" else 0
        if event in STEPS or (isinstance(flags, int) and flags & WRITING):
            steps += 1
            if steps == n:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hear)


def in_child(work: Callable[[], object]) -> bool:
    """Run in a forked child; return whether it was killed. Any other failure ends the test."""
    gc.freeze()  # a collection in the child would copy every page that it walks
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            sys.stderr.write(f"child failed: {error!r}\n")
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status) == signal.SIGKILL
    if os.WEXITSTATUS(status):
        raise SystemExit("a child failed")
    return False
