"""rise-bench: datasets, verified chains of thought, trainers and a benchmark for RISE (arXiv 2508.13229)."""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from rise_bench.annotations.base import Gold
    from rise_bench.annotations.boxes.values import Boxes
    from rise_bench.annotations.distribution.values import Distribution
    from rise_bench.catalog.spec import BenchmarkSpec
    from rise_bench.data.dataset import open_dataset
    from rise_bench.hub.load import load
    from rise_bench.hub.rehydrate import rehydrate
    from rise_bench.scoring.rewards import cot_reward, r1_reward
    from rise_bench.scoring.scores import score_response

__all__ = [
    "BenchmarkSpec",
    "Boxes",
    "Distribution",
    "Gold",
    "__version__",
    "cot_reward",
    "load",
    "open_dataset",
    "r1_reward",
    "rehydrate",
    "score_response",
]

_HOMES = {
    "BenchmarkSpec": "catalog.spec",
    "Boxes": "annotations.boxes.values",
    "Distribution": "annotations.distribution.values",
    "Gold": "annotations.base",
    "cot_reward": "scoring.rewards",
    "load": "hub.load",
    "open_dataset": "data.dataset",
    "r1_reward": "scoring.rewards",
    "rehydrate": "hub.rehydrate",
    "score_response": "scoring.scores",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import rise_bench` stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
