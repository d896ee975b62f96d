"""Folders that a command may not delete, whatever it was told to replace."""

import csv
from pathlib import Path

from rise_bench.data.manifest import DECISIONS_NAME, MANIFEST_NAME
from rise_bench.errors import ConfigError


def refuse_decided(folder: Path) -> None:
    """Refuse to delete a folder in which, or below which, people have decided.

    Raises:
        ConfigError: It holds decisions.
    """
    for path in sorted(folder.rglob(DECISIONS_NAME)):
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            count = sum(1 for _ in csv.reader(file)) - 1
        raise ConfigError(
            f"{path} holds {count} decisions, which would be deleted with the folder; move the file "
            "elsewhere, or choose another output folder"
        )


def refuse_to_replace(folder: Path, made: str = MANIFEST_NAME) -> None:
    """Refuse to replace a folder that is something else than an earlier result, or that holds more than that.

    Args:
        folder: Folder that would be replaced; nothing is refused where it is missing or empty.
        made: Name of a file that every earlier result has.

    Raises:
        ConfigError: The file is missing, a dataset lies below, or people have decided there.
    """
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    refuse_decided(folder)
    if not (folder / made).is_file():
        raise ConfigError(
            f"{folder} has no {made}, so that it was not made by this command, and replacing it would delete "
            "what it holds; choose another --out, or empty it first"
        )
    for path in sorted(folder.glob(f"*/**/{MANIFEST_NAME}")):
        raise ConfigError(
            f"{path.parent} is a dataset in {folder}, and would be deleted with it; choose another --out, or "
            "move it first"
        )
