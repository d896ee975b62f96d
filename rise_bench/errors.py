"""Errors that a user can act on.

Bad model output is data: it is scored zero and counted, it never raises. Bad gold, bad input and bad
configuration raise one of these; the message says what is wrong, where, what was expected, and ends with
the way to mend it.
"""


class RiseError(Exception):
    """Base of every error that rise-bench raises on purpose; the CLI prints its message and exits with 1."""


class PrerequisiteError(RiseError):
    """Something outside the data is missing: an extra, a file of the user's, a server, disk space."""


class DataError(RiseError):
    """Gold data or a dataset folder breaks the schema; the message names the file and the row."""


class ConfigError(RiseError):
    """An option, a recipe or a combination of both makes no sense."""


class SubmissionError(RiseError):
    """A leaderboard submission breaks the rules of the board."""
