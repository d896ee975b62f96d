"""Ctrl-C: answered at once, even inside a library, and ends the command soon."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Exit code of a command that Ctrl-C ended.
INTERRUPTED = 130

#: Seconds for the main thread to end by itself.
_GRACE_SECONDS = 5.0


@contextmanager
def stopping(kept: Callable[[], str]) -> Iterator[None]:
    """Answer Ctrl-C inside the block: print a line, interrupt, and end the process if that takes long.

    The block must survive `kill -9`, which is what a second Ctrl-C, or the end of the grace time, comes to.

    Args:
        kept: Returns what is kept and how to continue; nothing is printed for an empty text.
    """
    if threading.current_thread() is not threading.main_thread() or _ignored():
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    answered = threading.Event()
    threading.Thread(target=_answer, args=(reader, kept, answered), daemon=True).start()
    try:
        yield
    except KeyboardInterrupt:
        answered.wait(_GRACE_SECONDS)  # the process may end next, and the thread with it
        raise
    finally:
        signal.set_wakeup_fd(before)
        signal.signal(signal.SIGINT, handler)
        os.close(writer)


def _ignored() -> bool:
    """Whether a shell started this process in the background, where Ctrl-C does not reach it."""
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def _answer(reader: int, kept: Callable[[], str], answered: threading.Event) -> None:
    asked = 0
    while number := os.read(reader, 1):
        if number[0] != signal.SIGINT:
            continue
        asked += 1
        if asked > 1:
            os._exit(INTERRUPTED)
        if text := kept():
            os.write(2, f"\nstopping: {text}\n".encode())
        answered.set()
        timer = threading.Timer(_GRACE_SECONDS, os._exit, [INTERRUPTED])
        timer.daemon = True
        timer.start()
    os.close(reader)
