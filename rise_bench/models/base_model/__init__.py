"""The embedded base model: a Qwen2-VL of two million parameters that sees and speaks a little.

It ships with the package, so that the whole of RISE runs without a download. The card beside this file
(README.md) says what it can do, and `rise_bench.trainers.base_model.pretrain` is the script that made it.
"""

from pathlib import Path

BASE_MODEL = "rise-bench-base"
"""Name by which recipes and commands ask for it."""

MAX_PIXELS = 112 * 112
"""Largest picture that its processor keeps; larger ones are made smaller, 16 image tokens each."""


def base_model_folder() -> Path:
    """Return the folder of the embedded model, as `from_pretrained` takes it.

    >>> (base_model_folder() / "model.safetensors").stat().st_size < 10_000_000
    True
    """
    return Path(__file__).parent
