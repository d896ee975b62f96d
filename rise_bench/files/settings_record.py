"""Comparison of recorded settings."""

import json
from pathlib import Path
from typing import Any

from rise_bench.errors import ConfigError
from rise_bench.files.atomic import atomic_write_text


def same_settings(folder: Path, settings: dict[str, Any], made: str = "rank*.jsonl") -> None:
    """Write what was asked beside what is kept of it, and refuse a folder where something else was asked.

    Settings under which nothing was made yet (the model could not be loaded, say) may be corrected.

    Args:
        folder: Where the settings and what was made under them are kept.
        settings: What is asked now.
        made: Pattern of the files that are made under the settings.

    Raises:
        ConfigError: The settings differ; the message holds the first difference.
    """
    text = _settings_text(settings)
    path = folder / _SETTINGS
    if not path.exists() or not any(folder.rglob(made)):
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


_SAMPLER, _SETTINGS, _REPLACES, _REFUSED = "sampler.json", "settings.json", "replaces", "refused"


def _settings_text(settings: dict[str, Any]) -> str:
    return json.dumps(settings, indent=1, sort_keys=True) + "\n"
