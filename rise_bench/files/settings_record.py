"""Record of the settings of results."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rise_bench.errors import ConfigError
from rise_bench.files.atomic import atomic_write_text

SETTINGS_NAME = "settings.json"


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
        kept: There are results elsewhere.

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
    if before != text:
        pairs = zip(before.splitlines(), text.splitlines(), strict=False)
        first = next((f"{a.strip()} was, {b.strip()} is" for a, b in pairs if a != b), "fewer of them")
        raise ConfigError(
            f"{folder} was begun with other settings ({first}). Choose another --out, or delete it."
        )
