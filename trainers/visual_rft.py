"""Visual-RFT: GRPO from the base model with think-answer prompts and the reward of eq. 9.

    rise-bench train visual_rft --recipe emotion6/visual_rft

The same phase is the second half of RISE-R1 and Reason-RFT and the first of Metis-RISE (`train_grpo`); only
the checkpoint that it starts from differs.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from trl.trainer.grpo_config import GRPOConfig

from rise_bench.catalog.stages import stage
from rise_bench.cot.row_log import RowLog
from rise_bench.trainers.data.grpo_rows import prompt_rows, response_prompt
from rise_bench.trainers.data.training_data import TrainingData, open_grpo_data
from rise_bench.trainers.phases.phase import attempt_name, run_phase
from rise_bench.trainers.phases.resuming import ResumableGRPOTrainer
from rise_bench.trainers.phases.trl_arguments import grpo_arguments, load_processor
from rise_bench.trainers.rollouts.answer_reward import R1Reward
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.config import TrainConfig


@stage("visual_rft", phases=("grpo",))
def train(config: TrainConfig, run: RunFolder) -> Path:
    """Train from the base model and return the folder of the trained model."""
    return train_grpo(config, run, config.model.name)


def train_grpo(config: TrainConfig, run: RunFolder, start: str | Path) -> Path:
    """Run the GRPO phase from the checkpoint `start` and return the trained model's folder."""
    data = open_grpo_data(config)
    return run_phase(config, run, "grpo", start, partial(build, config, run, data))


def build(
    config: TrainConfig, run: RunFolder, data: TrainingData, source: str, start: str = ""
) -> ResumableGRPOTrainer:
    """The trainer of the checkpoint `source`, in a phase that started from `start`, if that is another."""
    start = start or source
    answer_format, prompt = config.model.answer_format, response_prompt(config)
    processor = load_processor(config.model, source)
    arguments: Any = GRPOConfig(**grpo_arguments(config, run, processor))
    log = RowLog(run.rollouts_dir, arguments.process_index, attempt=attempt_name(run.rollouts_dir))
    prompts = prompt_rows(
        data.golds,
        data.pictures,
        lambda gold: prompt(data.spec, gold, answer_format),
        minimum=arguments.generation_batch_size // arguments.num_generations,
    )
    reward: Any = R1Reward(
        {gold.id: gold for gold in data.golds}, log, rule=config.reward, answer_format=answer_format
    )
    return ResumableGRPOTrainer(
        model=source,
        start=start,
        lora=config.model.lora,
        share_prefill=config.grpo.shared_prefill,
        drop_uniform=config.grpo.drop_uniform_groups,
        reward_funcs=reward,
        args=arguments,
        train_dataset=prompts,
        processing_class=processor,
        prefix_tree=config.grpo.prefix_tree,
    )
