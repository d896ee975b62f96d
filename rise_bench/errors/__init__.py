"""Errors that a user can act on.

Bad model output is data: it is scored zero and counted, it never raises. Bad gold, bad input and bad
configuration raise one of these; the message says what is wrong, where, what was expected, and ends with
the way to fix it.
"""

import errno
import sys
from collections.abc import Callable

from rise_bench.errors.redaction import safe_text

_HINTS = {
    errno.ENOSPC: "Free some space",
    errno.EDQUOT: "Free some space",
    errno.EACCES: "Give this user the right to it, or name another place",
    errno.EPERM: "Give this user the right to it, or name another place",
    errno.EROFS: "Name a place that can be written to",
    errno.EMFILE: "Raise the limit on open files (ulimit -n)",
}


class RiseError(Exception):
    """Base of every error that rise-bench raises on purpose; the CLI prints its message and exits with 1.

    The message may quote servers, file names and settings, so it goes through `safe_text`.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(safe_text(str(message)))


class PrerequisiteError(RiseError):
    """Something outside the data is missing: an extra, a file of the user's, a server, disk space."""


class DataError(RiseError):
    """Gold data or a dataset folder breaks the schema; the message names the file and the row."""


class ConfigError(RiseError):
    """An option, a recipe or a combination of both makes no sense."""


class BusyError(ConfigError):
    """Another process works in the same folder."""


class SubmissionError(RiseError):
    """A leaderboard submission breaks the rules of the board."""


def of_os_error(error: OSError, path: object = None) -> PrerequisiteError:
    """Return the error for a refusal of the operating system, with the file and the fix.

    Args:
        error: The refusal.
        path: The file, if the refusal does not name it.
    """
    where = f"{error.filename or path}: " if error.filename or path else ""
    hint = _HINTS.get(error.errno or 0, "See to that")
    return PrerequisiteError(f"{where}{error.strerror or error}. {hint}, then start the same command again.")


def is_of_disk(error: OSError) -> bool:
    """Whether the file system refused, not a connection."""
    return error.errno is not None and not isinstance(error, ConnectionError | TimeoutError)


def run_program(main: Callable[[], None]) -> None:
    """Run the `main` of a module; a `RiseError` becomes one message, without a traceback, and exit code 1."""
    try:
        main()
    except RiseError as error:
        sys.exit(f"error: {error}")
