"""Models that need no Hub, by name: the base model that ships, and tiny random checkpoints."""

from rise_bench.base_model import BASE_MODEL, base_model_folder
from rise_bench.dataset import cache_folder

TINY = "tiny-"
"""Prefix of the tiny random checkpoints: tiny-qwen2_vl, tiny-qwen2_5_vl, tiny-qwen3_vl."""


def local_model(name: str) -> str:
    """Return the folder of a model that needs no Hub, or the name as it is.

    Args:
        name: `rise-bench-base`, `tiny-FAMILY` (made in the cache folder when first asked for), a folder or a
            Hub id.
    """
    if name == BASE_MODEL:
        return str(base_model_folder())
    if name.startswith(TINY):
        from rise_bench.tiny_model import make_tiny_model

        family: str = name.removeprefix(TINY)
        return str(make_tiny_model(cache_folder(name), family))  # type: ignore[arg-type]
    return name
