"""RISE-CoT: learn to explain annotations so that they can be reconstructed (eqs. 1 and 7 of RISE).

    rise-bench train rise_cot --recipe emotion6/rise_cot

The policy sees image and annotation, writes a chain of thought, then sees image and chain of thought and
writes the annotation; GRPO pays it for the similarity of the two, unless the chain of thought leaks. Every
rollout is logged by the rank that sampled it; `rise-bench collect RUN` makes the CoT dataset of the logs.

With `reward.grounded=gate` or `multiply` the frozen base model, which never sees the annotation, judges
whether each chain of thought is about its picture, and the policy is paid accordingly (docs/groundedness.md).
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from trl.trainer.grpo_config import GRPOConfig

from rise_bench.catalog.stages import stage
from rise_bench.cot.rollout_log import RolloutLog
from rise_bench.models.groundedness_judge import FrozenJudge
from rise_bench.prompts.templates import reason_prompt, reconstruct_prompt
from rise_bench.scoring.rewards import RewardRule
from rise_bench.trainers.data.grpo_rows import prompt_rows
from rise_bench.trainers.data.training_data import TrainingData, open_training_data
from rise_bench.trainers.phases.phase import attempt_name, run_phase
from rise_bench.trainers.phases.trl_arguments import grpo_arguments, load_processor
from rise_bench.trainers.rollouts.closed_loop_trainer import ClosedLoop, ClosedLoopTrainer
from rise_bench.trainers.rollouts.cot_reward import CotReward
from rise_bench.trainers.rollouts.group_judge import GroupJudge
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.config import TrainConfig


@stage("rise_cot", phases=("grpo",), asks="closed_loop")
def train(config: TrainConfig, run: RunFolder) -> Path:
    """Train RISE-CoT and return the folder of the trained model."""
    data = open_training_data(config.data)
    return run_phase(config, run, "grpo", config.model.name, partial(build, config, run, data))


def build(
    config: TrainConfig, run: RunFolder, data: TrainingData, source: str, start: str = ""
) -> ClosedLoopTrainer:
    """The trainer of the checkpoint `source`, in a phase that started from `start`, if that is another."""
    start = start or source
    golds = {gold.id: gold for gold in data.golds}
    answer_format = config.model.answer_format
    loop = ClosedLoop(
        lambda uid, cot: reconstruct_prompt(data.spec, golds[uid], cot, answer_format),
        max_cot_length=config.grpo.max_cot_length,
        max_reconstruction_length=config.grpo.max_reconstruction_length,
        gradient=config.grpo.gradient,
    )
    rows = loop.rows_per_rollout
    processor = load_processor(config.model, source)
    arguments: Any = GRPOConfig(**grpo_arguments(config, run, processor, rows_per_rollout=rows))
    log = RolloutLog(run.rollouts_dir, arguments.process_index, attempt=attempt_name(run.rollouts_dir))
    rule = RewardRule(**asdict(config.reward))
    judge = group_judge(config, data, arguments.device)
    reward = CotReward(golds, log, rule=rule, rows_per_rollout=rows, judge=judge, answer_format=answer_format)
    prompts = prompt_rows(
        data.golds,
        data.image,
        lambda gold: reason_prompt(data.spec, gold, answer_format),
        minimum=arguments.generation_batch_size // arguments.num_generations,
    )
    return ClosedLoopTrainer(
        loop=loop,
        model=source,
        start=start,
        reward_funcs=reward,
        args=arguments,
        train_dataset=prompts,
        processing_class=processor,
    )


def group_judge(config: TrainConfig, data: TrainingData, device: Any) -> GroupJudge | None:
    """The frozen base model that judges rollouts, one a process; None if the reward does not ask for it."""
    if config.reward.grounded == "none":
        return None
    model, ids = config.model, [gold.id for gold in data.golds]
    frozen = FrozenJudge(
        model.name,
        revision=model.revision,
        max_pixels=model.max_pixels,
        min_pixels=model.min_pixels,
        device=device,
    )
    swaps, pictures = config.reward.grounded_swaps, list(data.images["source_sha256"])
    return GroupJudge(frozen, ids, pictures, data.image, swaps=swaps, seed=config.seed)
