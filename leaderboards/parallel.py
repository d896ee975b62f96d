"""A job over many submissions, in order, on all cores."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

_T = TypeVar("_T")
_FEW = 8
_CHUNKS_PER_WORKER = 8

_job: Callable[[str], Any] | None = None


def each(job: Callable[[str], _T], folders: Sequence[str], workers: int | None = None) -> Iterator[_T]:
    """Yield `job(folder)` for each folder, in order.

    Args:
        job: Function of a folder; forked processes share its data without copying.
        folders: Folders.
        workers: Processes, all cores if None; with 1, or with few folders, everything runs in this one.
    """
    workers = workers or os.cpu_count() or 1
    if workers == 1 or len(folders) < _FEW:
        yield from map(job, folders)
        return
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
    context = multiprocessing.get_context(method)
    chunk = max(1, min(16, len(folders) // (_CHUNKS_PER_WORKER * workers)))
    with ProcessPoolExecutor(workers, context, initializer=_set, initargs=(job,)) as pool:
        yield from pool.map(_run, folders, chunksize=chunk)


def _set(job: Callable[[str], Any]) -> None:
    global _job
    _job = job


def _run(folder: str) -> Any:
    assert _job is not None
    return _job(folder)
