"""rise-bench: datasets, verified chains of thought, trainers and a benchmark for RISE (arXiv 2508.13229)."""

from typing import TYPE_CHECKING, Any

from rise_bench._version import __version__

if TYPE_CHECKING:
    from rise_bench.hub.load import load
    from rise_bench.hub.rehydrate import rehydrate

__all__ = ["__version__", "load", "rehydrate"]


def __getattr__(name: str) -> Any:
    """Import `load` and `rehydrate` when they are first used, so that `import rise_bench` stays light."""
    if name == "load":
        from rise_bench.hub.load import load

        return load
    if name == "rehydrate":
        from rise_bench.hub.rehydrate import rehydrate

        return rehydrate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
