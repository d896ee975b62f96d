"""Folders of the user's machine."""

from pathlib import Path, PurePath
from typing import Any


def cache_folder(name: str) -> Path:
    """Return the default folder of a benchmark of `build` and `rehydrate`."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("rise-bench")) / name


def without_folders(value: Any) -> Any:
    """Shorten the absolute paths in a JSON value to their last two parts.

    >>> without_folders({"model": "/home/me/models/tiny", "sizes": [1]})
    {'model': 'models/tiny', 'sizes': [1]}
    """
    if isinstance(value, dict):
        return {name: without_folders(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_folders(inner) for inner in value]
    is_path = isinstance(value, str) and PurePath(value).is_absolute()
    return "/".join(PurePath(value).parts[1:][-2:]) if is_path else value
