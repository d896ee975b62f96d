"""Scales of a comparison: which recipes train, and the limits of sampling and scoring that go with them."""

from dataclasses import dataclass
from typing import Literal

from rise_bench.models.base_model import MAX_PIXELS

ScaleName = Literal["paper", "world", "smoke"]


@dataclass(frozen=True, slots=True)
class Scale:
    """Limits of the commands that sample and score; those of training are in the recipes of the same name.

    Attributes:
        max_pixels: Largest picture, where the benchmark has no recipes of its own.
        max_cot_length: Tokens of a chain of thought of the base model.
        max_reconstruction_length: Tokens of a reconstruction of the base model.
        max_new_tokens: Tokens of a response.
        eval_batch: Samples of a batch of lmms-eval.
        sweep_batch: Samples of a batch of collecting, eight rollouts each.
        on_cpu: Whether models run on a CPU, a thread each.
    """

    max_pixels: int
    max_cot_length: int
    max_reconstruction_length: int
    max_new_tokens: int
    eval_batch: int
    sweep_batch: int
    on_cpu: bool


SCALES: dict[ScaleName, Scale] = {
    "paper": Scale(401_408, 320, 256, 512, 8, 4, on_cpu=False),
    "world": Scale(MAX_PIXELS, 96, 96, 256, 20, 16, on_cpu=True),
    "smoke": Scale(MAX_PIXELS, 16, 12, 24, 8, 8, on_cpu=True),
}
"""The paper's (Qwen2-VL-2B on GPUs), the drawn world's (the embedded base model), a tiny model's."""
