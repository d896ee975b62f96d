"""RISE-R1: SFT on the high-quality chains of thought (eq. 8), then GRPO on all samples (eq. 9).

    rise-bench train rise_r1 --recipe emotion6/rise_r1
    rise-bench train rise_r1 --recipe emotion6/rise_r1 phases=sft      one phase alone

`data.cots` names the CoT dataset that `rise-bench collect` wrote; `data.tau` picks D_RISE^high from it, and
`data.cot_subset=all` takes all of D_RISE instead; `data.min_groundedness` asks for groundedness as well. Both
phases use one prompt, that of evaluation.
"""

from __future__ import annotations

from pathlib import Path

from rise_bench.catalog.stages import stage
from rise_bench.trainers.data.training_data import open_training_data, training_cots
from rise_bench.trainers.phases.phase import start_of
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.config import TrainConfig
from rise_bench.trainers.sft import think_answer_examples, train_sft
from rise_bench.trainers.visual_rft import train_grpo


@stage("rise_r1", phases=("sft", "grpo"), cots="cots")
def train(config: TrainConfig, run: RunFolder) -> Path:
    """Run the phases of the config and return the folder of the last phase's model."""
    model = Path(config.model.name)
    for phase in config.active_phases:
        start = start_of(config, run, phase)
        model = train_on_cots(config, run, start) if phase == "sft" else train_grpo(config, run, start)
    return model


def train_on_cots(config: TrainConfig, run: RunFolder, start: str | Path) -> Path:
    """Run the SFT phase on the CoT dataset and return the folder of its model."""
    data = open_training_data(config.data)
    cots = training_cots(config, data) or {}
    return train_sft(config, run, start, data, think_answer_examples(config, data, cots))
