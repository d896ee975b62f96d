"""Folder of an evaluation, so that simultaneous evaluations cannot mix their files.

    OUTPUT/RUN.unfinished   running, or killed; the next evaluation removes it if it is not locked
    OUTPUT/RUN.refused      ended without a valid result; kept for inspection
    OUTPUT/RUN              a result

Only a folder without a suffix holds results; `is_result` tells.
"""

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rise_bench.errors import ConfigError, RiseError
from rise_bench.files.locks import locked_folder

_UNFINISHED, _REFUSED = ".unfinished", ".refused"


def is_result(path: Path) -> bool:
    """Whether a file below an output folder belongs to a finished evaluation."""
    return not any(part.endswith((_UNFINISHED, _REFUSED)) for part in path.parts)


@contextlib.contextmanager
def fresh_folder(output: Path) -> Iterator[Path]:
    """Make an empty folder for an evaluation below `output`.

    After the block, also after a `RiseError`, it is `refused_folder`, until `accept` makes it a result. Other
    exceptions, such as Ctrl-C, remove it.

    Raises:
        ConfigError: If the folder cannot be made.
    """
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    work, unlocked = output / f"{name}{_UNFINISHED}", output / f".{name}"
    try:
        output.mkdir(parents=True, exist_ok=True)
        _remove_killed(output)
        unlocked.mkdir()
    except OSError as error:
        raise ConfigError(f"cannot write to {output}: {error}; choose another --output_path") from error
    with locked_folder(unlocked, work):
        unlocked.rename(work)  # keeps the lock: the folder is never seen without it
        try:
            yield work
        except RiseError:
            work.rename(refused_folder(work))
            raise
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
        work.rename(refused_folder(work))


def refused_folder(work: Path) -> Path:
    """Return the name of a folder of `fresh_folder` after its block."""
    return work.with_name(work.name.removesuffix(_UNFINISHED) + _REFUSED)


def accept(refused: Path) -> Path:
    """Make an evaluation a result; return its folder."""
    return refused.rename(refused.with_name(refused.name.removesuffix(_REFUSED)))


def _remove_killed(output: Path) -> None:
    for left in output.glob(f"*{_UNFINISHED}"):
        with contextlib.suppress(ConfigError), locked_folder(left, left):
            shutil.rmtree(left)
