"""Stages of training and the phases that they consist of."""

from __future__ import annotations

from typing import Literal

Stage = Literal["rise_cot", "rise_r1", "sft", "visual_rft", "reason_rft", "metis_rise"]


Phase = Literal["sft", "grpo"]


#: The phases of each stage, in the order in which they run.
PHASES: dict[Stage, tuple[Phase, ...]] = {
    "rise_cot": ("grpo",),
    "rise_r1": ("sft", "grpo"),
    "sft": ("sft",),
    "visual_rft": ("grpo",),
    "reason_rft": ("sft", "grpo"),
    "metis_rise": ("grpo", "sft"),
}
