"""Event loop in a thread of its own, for callers that are not coroutines."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

Result = TypeVar("Result")

#: Seconds that closing waits for the loop.
_CLOSING_S = 2.0


class LoopThread:
    """Event loop that runs in a daemon thread until it is closed."""

    def __init__(self) -> None:
        """Start the thread."""
        self._loop = asyncio.new_event_loop()
        self._open, self._lock = True, threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def start(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Start a coroutine.

        Raises:
            RuntimeError: The loop is closed, or belongs to the process that this one was forked from.
        """
        with self._lock:
            if self._open and self._thread.is_alive():
                return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        raise RuntimeError("the event loop is closed, or that of another process")

    def close(self, last: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Cancel all that runs, run a last coroutine, and wait two seconds at most for the end of the thread.

        Args:
            last: Coroutine function that is called after everything else has ended.
        """
        with self._lock:
            if not self._open or not self._thread.is_alive():
                return
            self._open = False
            asyncio.run_coroutine_threadsafe(self._stop(last), self._loop)
        self._thread.join(_CLOSING_S)

    def _run(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    async def _stop(self, last: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        try:
            if last is not None:
                await last()
        finally:
            self._loop.stop()
