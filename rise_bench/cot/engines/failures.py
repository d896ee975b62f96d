"""Why a rank stopped, as it tells the process that started it."""

import json
from pathlib import Path

from rise_bench.cot.engines.work import ENGINE_FOLDER, Work
from rise_bench.errors import ConfigError, DataError, PrerequisiteError, RiseError
from rise_bench.files.atomic import atomic_write_text

_KINDS = {kind.__name__: kind for kind in (ConfigError, DataError, PrerequisiteError)}


def note_failure(work: Work, rank: int, error: RiseError) -> None:
    """Write the error that stopped a rank."""
    kind = next((name for name, kind in _KINDS.items() if isinstance(error, kind)), "PrerequisiteError")
    atomic_write_text(_path(work, rank), json.dumps({"kind": kind, "message": str(error)}) + "\n")


def failure_of(work: Work, rank: int) -> RiseError | None:
    """Return the error that stopped a rank, if it could tell."""
    try:
        noted = json.loads(_path(work, rank).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return _KINDS[noted["kind"]](noted["message"])


def forget_failures(work: Work) -> None:
    """Remove the errors of an earlier start."""
    for path in (work.log_folder / ENGINE_FOLDER / "failures").glob("*.json"):
        path.unlink(missing_ok=True)


def _path(work: Work, rank: int) -> Path:
    return work.log_folder / ENGINE_FOLDER / "failures" / f"{rank:05d}.json"
