"""Settings of an adapter that is trained in place of the weights."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Annotated

from rise_bench.errors import ConfigError
from rise_bench.trainers.settings.setting_types import Listed, Number


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """Low-rank adapter (LoRA, arXiv 2106.09685) that is trained in place of the weights."""

    rank: int = 0  #: 0 trains all weights
    alpha: Number = 32  #: the update of a weight is alpha / rank * B A
    targets: Annotated[tuple[str, ...], Listed] = (  #: linear layers of the language model, by name
        *("q_proj", "k_proj", "v_proj", "o_proj"),
        *("gate_proj", "up_proj", "down_proj"),
    )
    adapter_only: bool = False  #: the final model is the adapter; else it is merged into the weights

    def __post_init__(self) -> None:
        if self.rank < 0:
            raise ConfigError(f"model.lora.rank = {self.rank}: it must be 0 or greater. Set such a number.")
        if not (math.isfinite(self.alpha) and self.alpha > 0):
            raise ConfigError(
                f"model.lora.alpha = {self.alpha}: it must be greater than 0. Set such a number."
            )
        if not all(re.fullmatch(r"[A-Za-z]\w*", name) for name in self.targets) or not self.targets:
            raise ConfigError(
                f"model.lora.targets = {list(self.targets)}: name linear layers, e.g. [q_proj, v_proj]."
            )
        if self.adapter_only and not self.rank:
            raise ConfigError(
                "model.lora.adapter_only = true without an adapter. Set model.lora.rank, e.g. to 16."
            )
