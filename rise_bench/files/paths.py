"""Folders of the user's machine."""

from pathlib import Path


def cache_folder(name: str) -> Path:
    """Return where `build` and `rehydrate` put a benchmark by default."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("rise-bench")) / name
