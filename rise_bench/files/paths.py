"""Folders of the user's machine."""

from pathlib import Path


def cache_folder(name: str) -> Path:
    """Return the default folder of a benchmark of `build` and `rehydrate`."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("rise-bench")) / name
