"""Reason-RFT: SFT on unfiltered chains of thought, then GRPO on all samples (arXiv 2503.20752).

    rise-bench train reason_rft --recipe emotion6/reason_rft

The chains of thought are a teacher's (`data.cots`); unlike RISE-R1, none is left out for a low reward. Both
phases are those of RISE-R1, so that the two recipes differ in the data of the SFT phase and in nothing else.
"""

from __future__ import annotations

from pathlib import Path

from rise_bench.catalog.stages import stage
from rise_bench.trainers import rise_r1
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.config import TrainConfig


@stage("reason_rft", phases=("sft", "grpo"), cots="cots", cots_unfiltered=True)
def train(config: TrainConfig, run: RunFolder) -> Path:
    """Run the phases of the config and return the folder of the last phase's model."""
    return rise_r1.train(config, run)
