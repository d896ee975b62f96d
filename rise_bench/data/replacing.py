"""Folders that a command may not delete, whatever it was told to replace."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rise_bench.data.card import CARD_NAME, EVAL_NAME
from rise_bench.data.manifest import CORRECTIONS_NAME, DECISIONS_NAME, MANIFEST_NAME
from rise_bench.errors import ConfigError

#: Files of a dataset that its manifest does not list.
_BESIDE = {CARD_NAME, EVAL_NAME, MANIFEST_NAME, CORRECTIONS_NAME}

#: Files and folders beside it that programs make again: of file managers, of a download, of a card.
_MADE_AGAIN = {".DS_Store", ".cache", ".gitattributes", "assets"}


def refuse_decided(folder: Path) -> None:
    """Refuse to delete a folder in which, or below which, people have decided.

    Raises:
        ConfigError: It holds decisions.
    """
    for path in sorted(folder.rglob(DECISIONS_NAME)):
        _refuse_if_decided(path)


def refuse_to_replace(folder: Path, *, cots: bool = False) -> None:
    """Refuse to replace a folder that is something else than a dataset, or holds more than that.

    Args:
        folder: Folder that would be replaced; nothing is refused where it is missing or empty.
        cots: Whether a CoT dataset would replace it, which takes no benchmark's place, nor the other way.

    Raises:
        ConfigError: It has no manifest of such a dataset, holds other files, or people have decided there.
    """
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    _refuse_if_decided(folder / DECISIONS_NAME)
    wanted = "a CoT dataset" if cots else "a benchmark"
    files = _files_of_dataset(folder, cots=cots)
    if files is None:
        raise ConfigError(
            f"{folder} has no {MANIFEST_NAME} of {wanted}, and replacing it would delete what it holds; "
            "choose another --out, or empty it first"
        )
    refuse_decided(folder)
    others = {DECISIONS_NAME, *files, *_BESIDE}
    if strange := next((name for name in _files_below(folder) if name not in others), ""):
        raise ConfigError(
            f"{folder / strange} is not a file of {wanted}, and would be deleted with the folder; move it "
            "elsewhere, or choose another --out"
        )


def refuse_to_replace_unless(folder: Path, name: str, text: str) -> None:
    """Refuse to replace a folder whose file of a name does not hold a text, as every earlier result has it.

    Args:
        folder: Folder that would be replaced; nothing is refused where it is missing or empty.
        name: Name of the file.
        text: Text that it has to hold.

    Raises:
        ConfigError: It does not.
    """
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    path = folder / name
    if not path.is_file() or text not in path.read_text(encoding="utf-8", errors="replace"):
        raise ConfigError(
            f"{folder} was not made by this command (its {name} would say {text!r}), and replacing it would "
            "delete what it holds; choose another folder, or empty it first"
        )
    refuse_decided(folder)


def _refuse_if_decided(path: Path) -> None:
    if not path.is_file():
        return
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        count = sum(1 for _ in csv.reader(file)) - 1
    if count > 0:
        decisions = "1 decision" if count == 1 else f"{count} decisions"
        raise ConfigError(
            f"{path} holds {decisions}, which would be deleted with the folder; move the file elsewhere, or "
            "choose another output folder"
        )


def _files_of_dataset(folder: Path, *, cots: bool) -> set[str] | None:
    """Return the files that a dataset of this kind lists, of whatever version; None for anything else."""
    try:
        tree: Any = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
        shards = {entry["shard"] for entry in tree["files"].values()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    return set(tree["files"]) if (shards <= {"high", "low"}) == cots else None


def _files_below(folder: Path) -> Iterator[str]:
    """Yield the files below a folder, but for those that programs make again."""
    for path in sorted(folder.rglob("*")):
        below = path.relative_to(folder)
        if not path.is_dir() and _MADE_AGAIN.isdisjoint((below.parts[0], below.name)):
            yield below.as_posix()
