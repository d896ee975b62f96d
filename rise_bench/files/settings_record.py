"""Record of the settings of results."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rise_bench.errors import ConfigError
from rise_bench.files.atomic import atomic_write_text

SETTINGS_NAME = "settings.json"
_ABSENT = "not there"


def settings_text(settings: dict[str, Any]) -> str:
    """Return the content of the record."""
    return json.dumps(settings, indent=1, sort_keys=True) + "\n"


def same_settings(
    folder: Path, settings: dict[str, Any], made: Sequence[str] = ("rank*.jsonl",), *, kept: bool = False
) -> None:
    """Record settings in a folder of results, and refuse a folder with other settings.

    Settings without results yet (e.g. the model could not be loaded) may be changed.

    Args:
        folder: Folder of settings and results.
        settings: Settings to record.
        made: Patterns of the files and folders of results.
        kept: There are results elsewhere, which have to stay.

    Raises:
        ConfigError: The settings differ; the message holds the first difference.
    """
    text = settings_text(settings)
    path = folder / SETTINGS_NAME
    begun = kept or any(any(folder.rglob(pattern)) for pattern in made)
    if not path.exists() or not begun:
        atomic_write_text(path, text)
        return
    before = path.read_text(encoding="utf-8", errors="replace")
    before = before.replace('"config": "default"', '"config": "full"')  # as version 0.1.0 called it
    if before != text and (first := _difference(_tree(before), json.loads(text))):
        or_delete = "" if kept else ", or delete it"
        raise ConfigError(
            f"{folder} was begun with other settings ({first}). Choose another --out{or_delete}."
        )


def _tree(text: str) -> dict[str, Any]:
    try:
        tree: Any = json.loads(text)
    except ValueError:
        tree = {}
    return tree if isinstance(tree, dict) else {}


def _difference(before: dict[str, Any], now: dict[str, Any], prefix: str = "") -> str:
    """Return the first difference; records of before have no `weights`."""
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name, _ABSENT), now.get(name, _ABSENT)
        if isinstance(old, dict) and isinstance(new, dict):
            if inner := _difference(old, new, f"{prefix}{name}."):
                return inner
        elif old != new and not (name == "weights" and old == _ABSENT):
            return f"{prefix}{name} was {json.dumps(old)}, is {json.dumps(new)}"
    return ""
