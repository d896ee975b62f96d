"""Decisions about a run folder that all processes must take alike: rank 0 decides, the others hear of it.

On a cluster the folder is on a network file system whose clients cache what is in a folder: a process may not
see for a minute what another has just renamed into place. Were each process to look for itself, one could
skip a phase that another trains, and both would wait for ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object, parse_flag_from_env

from rise_bench.cot.launcher import place_among_processes
from rise_bench.errors import ConfigError, RiseError
from rise_bench.trainers.runs.run_folder import is_main_process

T = TypeVar("T")

#: Seconds for which a client of a network file system may not see a new folder (NFS: acdirmax).
PATIENCE_S = 90.0
#: What transformers gives processes to find one another, by default.
_TIMEOUT = timedelta(seconds=1800)


def decided_by_rank_0(decide: Callable[[], T], *, use_cpu: bool) -> T:
    """Return, in every process, what `decide` returns in rank 0; a `RiseError` there is raised in all.

    Args:
        decide: Called in rank 0 only; returns a value that can be pickled.
        use_cpu: Whether the run is on CPUs (`compute.use_cpu`).
    """
    if place_among_processes()[1] == 1:
        return decide()
    PartialState(cpu=use_cpu or parse_flag_from_env("ACCELERATE_USE_CPU"), timeout=_TIMEOUT)
    outcome: tuple[T | None, RiseError | None] = (None, None)
    if is_main_process():
        try:
            outcome = (decide(), None)
        except RiseError as error:
            outcome = (None, error)
    value, problem = broadcast_object_list([outcome])[0]
    if problem is not None:
        raise problem
    agreed: T = value
    return agreed


def wait_until_all_see(folder: Path, *, patience_s: float = PATIENCE_S) -> None:
    """Wait until a folder that rank 0 chose is there for every process.

    Raises:
        ConfigError: In all processes, if one does not see it after `patience_s` seconds.
    """
    rank, processes = place_among_processes()
    if processes == 1:
        return
    deadline = time.monotonic() + patience_s
    while not folder.exists() and time.monotonic() < deadline:
        time.sleep(min(1.0, patience_s / 10))
    blind = gather_object([] if folder.exists() else [rank])
    if blind:
        ranks = ", ".join(map(str, sorted(blind)))
        raise ConfigError(
            f"rank 0 goes on from {folder.absolute()}, which rank {ranks} cannot see. Put run.output_dir on "
            "a disk that all machines share, by the same path."
        )
