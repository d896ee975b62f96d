"""Work that an engine splits over ranks, and which part of it is left to each.

A rank has a contiguous part of the samples, so that it reads its own part of the pictures. What is done is
read from the log that the rank itself writes: a rank that is started again, with as many ranks or another
number, asks only for what is not there.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from rise_bench.cot.row_log import read_rows
from rise_bench.cot.share import Share
from rise_bench.models.sampler import AsyncSampler, TokenCount

#: Folder in that of the log: locks, caches and logs of the ranks.
ENGINE_FOLDER = "engine"
#: Folder in that of the log: samples that the model refused.
REFUSED_FOLDER = "refused"

#: Where a sample is read from, in values that JSON can hold.
Place = list[Any]


class Work(Protocol):
    """Questions to a model; pickled with the engine, so that each rank reads its own samples."""

    @property
    def log_folder(self) -> Path:
        """Folder of the log of rows."""
        ...

    def places(self) -> Iterator[tuple[str, Place]]:
        """Yield the ids of all samples in a fixed order, and where each is read from."""
        ...

    def done(self) -> Container[str]:
        """Return the ids that need not be asked for."""
        ...

    async def answer(self, sampler: AsyncSampler, uid: str, place: Place) -> Sequence[Mapping[str, Any]]:
        """Read the pictures of a sample, ask the model, and return the rows of the log.

        Raises:
            SampleError: The model refuses the sample.
        """
        ...

    def row(self, row: Mapping[str, Any], tokens: TokenCount) -> Mapping[str, Any]:
        """Return a row as it is written, with the tokens that the rank has used so far."""
        ...


def pending(work: Work, share: Share) -> Iterator[tuple[str, Place]]:
    """Yield the samples of a rank that are not done."""
    total, done = sum(1 for _ in work.places()), work.done()
    start, end = (total * rank // share.of for rank in (share.rank, share.rank + 1))
    return (sample for sample in islice(work.places(), start, end) if sample[0] not in done)


def pending_counts(work: Work, tasks: int) -> list[int]:
    """Return how many samples are left to each rank."""
    total, done = sum(1 for _ in work.places()), work.done()
    counts = [0] * tasks
    for position, (uid, _) in enumerate(work.places()):
        counts[((position + 1) * tasks - 1) // total] += uid not in done
    return counts


def refusals(work: Work) -> dict[str, str]:
    """Return the reason of each sample that the model refused and that is not done."""
    done = work.done()
    return {uid: reason for uid, reason in refused_in(work.log_folder).items() if uid not in done}


def refused_in(log_folder: Path) -> dict[str, str]:
    """Return the reason of each sample that was refused when it was last asked about, of all processes.

    A row without a reason says that the sample is asked about again.
    """
    last: dict[str, dict[str, Any]] = {}
    for row, *_ in read_rows([log_folder / REFUSED_FOLDER]):
        if row["id"] not in last or row["attempt"] >= last[row["id"]]["attempt"]:
            last[row["id"]] = row
    return {uid: str(row["reason"]) for uid, row in last.items() if row["reason"] is not None}
