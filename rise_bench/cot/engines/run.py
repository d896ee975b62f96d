"""Running a work on an engine, and what came of it."""

from collections.abc import Callable
from pathlib import Path

from rise_bench.catalog.extras import require_extra
from rise_bench.cot.engines.settings import EngineSettings
from rise_bench.cot.engines.work import ENGINE_FOLDER, REFUSED_FOLDER, Work, pending_counts
from rise_bench.errors import PrerequisiteError
from rise_bench.models.loading import EndpointSettings

#: Folder of the markers of datatrove: an empty file for each rank that has ended well.
_COMPLETIONS = "completions"


def run_engine(
    work: Work,
    settings: EngineSettings,
    endpoints: EndpointSettings,
    *,
    allow_missing: bool = False,
    rows_per_sample: int = 1,
    progress: Callable[[int], None] = lambda samples: None,  # noqa: ARG005
) -> None:
    """Ask for what is left of a work, on as many ranks as are needed, and wait for them.

    Args:
        work: The work.
        settings: Settings of the engine.
        endpoints: The model, how to sample it, and its servers if they run already.
        allow_missing: Go on however many samples the model refuses.
        rows_per_sample: Rows of the log for each sample.
        progress: Called with the number of samples just done.

    Raises:
        PrerequisiteError: The extra is not installed, the model cannot be reached, or a rank was killed.
        ConfigError: The options of the executor are wrong, or ranks of an earlier start are still at work.
        DataError: The model refuses everything, or a sample cannot be read.
    """
    require_extra("scale")
    from rise_bench.cot.engines.executors import EXECUTORS, Ranks
    from rise_bench.cot.engines.failures import failure_of, forget_failures
    from rise_bench.cot.engines.runner import pipeline

    folder = work.log_folder / ENGINE_FOLDER
    (folder / _COMPLETIONS).mkdir(parents=True, exist_ok=True)
    forget_failures(work)
    ranks = _open_ranks(folder, pending_counts(work, settings.tasks))
    grown = _Growth(work.log_folder, rows_per_sample)
    steps = pipeline(work, settings, endpoints, allow_missing=allow_missing)
    started = Ranks(steps, folder, settings.tasks, ranks, settings.sbatch)
    for _ in EXECUTORS[settings.executor](started):
        progress(grown.samples())
    progress(grown.samples())
    stopped = [rank for rank in ranks if not _marker(folder, rank).exists()]
    for rank in stopped:
        if (failure := failure_of(work, rank)) is not None:
            raise failure
    if stopped:
        raise PrerequisiteError(
            f"{len(stopped)} of {len(ranks)} ranks were killed, first rank {stopped[0]}; their logs are in "
            f"{folder}. Start the same command again: it continues where they stopped."
        )


def _open_ranks(folder: Path, counts: list[int]) -> list[int]:
    """Return the ranks with something to do, and have datatrove skip the others."""
    for path in (folder / _COMPLETIONS).iterdir():
        path.unlink()
    for rank, count in enumerate(counts):
        if not count:
            _marker(folder, rank).touch()
    return [rank for rank, count in enumerate(counts) if count]


def _marker(folder: Path, rank: int) -> Path:
    return folder / _COMPLETIONS / f"{rank:05d}"


class _Growth:
    """Counter of the samples that ranks add to the logs."""

    def __init__(self, log_folder: Path, rows_per_sample: int) -> None:
        self._folders = ((log_folder, rows_per_sample), (log_folder / REFUSED_FOLDER, 1))
        self._read: dict[Path, int] = {}
        self._rows = {folder: 0 for folder, _ in self._folders}
        self._told = 0
        self.samples()

    def samples(self) -> int:
        """Return how many samples were added since the last call."""
        for folder, _ in self._folders:
            for path in folder.glob("rank*.jsonl"):
                with path.open("rb") as file:
                    file.seek(self._read.get(path, 0))
                    while data := file.read(1 << 20):
                        self._rows[folder] += data.count(b"\n")
                    self._read[path] = file.tell()
        new, self._told = self._total() - self._told, self._total()
        return new

    def _total(self) -> int:
        return sum(self._rows[folder] // rows for folder, rows in self._folders)
