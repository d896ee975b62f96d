"""Text files of a source."""

from pathlib import Path

from rise_bench.errors import DataError


def utf8_text(path: Path, where: str = "") -> str:
    """Return the text of a file, with or without a byte order mark; errors name `where`, or the file.

    Raises:
        DataError: It is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{where or path} is not UTF-8 text ({error}); save it as UTF-8") from error
