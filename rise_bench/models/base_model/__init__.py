"""Embedded base model: a Qwen2-VL of two million parameters, so that RISE runs without a download.

README.md beside this file is its card; `rise_bench.trainers.base_model.pretrain` trains it.
"""

from pathlib import Path

BASE_MODEL = "rise-bench-base"
"""Its name in recipes and commands."""

MAX_PIXELS = 112 * 112
"""Largest picture of its processor, 16 image tokens; larger pictures are scaled down."""


def base_model_folder() -> Path:
    """Return the folder of the embedded model for `from_pretrained`.

    >>> (base_model_folder() / "model.safetensors").stat().st_size < 10_000_000
    True
    """
    return Path(__file__).parent
