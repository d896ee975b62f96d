"""Share of the work of one of several processes, and the lock that claims it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rise_bench.cot.launcher import place_among_processes
from rise_bench.errors import ConfigError

_BUSY = "Wait for it, or choose another --out."
_START_S = 60.0


@dataclass(frozen=True, slots=True)
class Share:
    """Rank of a process, from 0, and number of processes."""

    rank: int = 0
    of: int = 1

    @classmethod
    def of_environment(cls) -> "Share":
        """Return rank and number as accelerate, torchrun or Slurm set them; one process if they are unset."""
        return cls(*place_among_processes(("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS")))


@contextmanager
def claimed(folder: Path, share: Share, prepare: Callable[[bool], None]) -> Iterator[None]:
    """Hold a lock on this process's share of the work in a folder.

    Processes that were started together have the same `of` and different ranks, and work at the same time.
    The kernel releases the lock of a process that ends for any reason; its file is removed by the next start.

    Args:
        folder: Folder of the work, made if absent and removed if it stays empty.
        share: The share to lock.
        prepare: Called by one process at a time after locking, with whether other processes are at work.

    Raises:
        ConfigError: A process with this share, or one with another number of processes, is at work.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    start = FileLock(folder / ".start.lock", timeout=_START_S)
    own = folder / f".rank{share.rank:05d}-of-{share.of:05d}.lock"
    lock = FileLock(own, timeout=0)
    try:
        with start:
            others = _at_work(folder, own)
            sizes = {int(path.stem.rpartition("-")[2]) for path in others}
            if sizes - {share.of}:
                raise ConfigError(f"{folder}: {len(others)} other processes are at work there. {_BUSY}")
            lock.acquire()
            prepare(bool(others))
        yield
    except Timeout as error:
        raise ConfigError(f"{folder}: another process does the same work there. {_BUSY}") from error
    finally:
        with start:
            if lock.is_locked:
                own.unlink(missing_ok=True)
                lock.release()
            if not any(folder.glob(".rank*.lock")):
                Path(start.lock_file).unlink(missing_ok=True)
                with suppress(OSError):
                    folder.rmdir()


def _at_work(folder: Path, own: Path) -> list[Path]:
    """Return the lock files of running processes; those of ended ones are removed."""
    from filelock import FileLock, Timeout

    living = []
    for path in folder.glob(".rank*-of-*.lock"):
        if path == own:
            continue
        try:
            with FileLock(path, timeout=0):
                path.unlink(missing_ok=True)
        except Timeout:
            living.append(path)
    return living
