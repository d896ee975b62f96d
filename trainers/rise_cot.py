"""RISE-CoT: learn to explain annotations so that they can be reconstructed (eqs. 1 and 7 of RISE).

    rise-bench train rise_cot --recipe emotion6/rise_cot

The policy sees image and annotation, writes a chain of thought, then sees image and chain of thought and
writes the annotation; GRPO pays it for the similarity of the two, unless the chain of thought leaks. Every
rollout is logged by the rank that sampled it; `rise-bench collect RUN` makes the CoT dataset of the logs.

With `reward.grounded=gate` or `multiply` the frozen base model, which never sees the annotation, judges
whether each chain of thought is about its picture, and the policy is paid accordingly (docs/groundedness.md).

With `reward.view=blind` the annotation is reconstructed from the chain of thought alone, with `both` also
beside the image, and the smaller reward counts (docs/decisions/blind_verification.md).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled
from trl.trainer.grpo_config import GRPOConfig

from rise_bench.catalog.stages import stage
from rise_bench.cot.closed_loop import ClosedLoop
from rise_bench.cot.row_log import RowLog
from rise_bench.errors import ConfigError
from rise_bench.models.groundedness_judge import FrozenJudge
from rise_bench.scoring.groundedness import MEASURE
from rise_bench.trainers.data.grpo_rows import prompt_rows
from rise_bench.trainers.data.training_data import TrainingData, open_training_data
from rise_bench.trainers.phases.phase import attempt_name, run_phase
from rise_bench.trainers.phases.trl_arguments import grpo_arguments, load_processor
from rise_bench.trainers.rollouts.closed_loop_trainer import ClosedLoopTrainer, rows_per_rollout
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
    loop = ClosedLoop(data.spec, config.loop)
    rows = rows_per_rollout(config.grpo.gradient, config.reward.view)
    processor = load_processor(config.model, source)
    arguments: Any = GRPOConfig(**grpo_arguments(config, run, processor, rows_per_rollout=rows))
    log = RowLog(run.rollouts_dir, arguments.process_index, attempt=attempt_name(run.rollouts_dir))
    judge = group_judge(config, data, arguments.device)
    reward = CotReward(loop, golds, log, rows_per_rollout=rows, judge=judge)
    prompts = prompt_rows(
        data.golds,
        data.pictures,
        loop.reason_text,
        minimum=arguments.generation_batch_size // arguments.num_generations,
    )
    return ClosedLoopTrainer(
        loop=loop,
        golds=golds,
        gradient=config.grpo.gradient,
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


def group_judge(config: TrainConfig, data: TrainingData, device: Any) -> GroupJudge | None:
    """The frozen base model that judges rollouts, one per process; None if the reward does not ask for it."""
    if config.reward.grounded == "none":
        return None
    if config.reward.grounded_measure != MEASURE:
        raise ConfigError(
            f"reward.grounded_measure = {config.reward.grounded_measure}: this version computes {MEASURE}. "
            f"Set reward.grounded_measure={MEASURE} in a new run."
        )
    if is_deepspeed_zero3_enabled():  # by a config of the user's own, or of another launcher
        raise ConfigError(
            f"reward.grounded = {config.reward.grounded}: ZeRO-3 would shard the frozen judge. "
            "Start with ZeRO-2 or without DeepSpeed."
        )
    model, ids = config.model, [gold.id for gold in data.golds]
    frozen = FrozenJudge(
        model.name,
        revision=model.revision,
        max_pixels=model.max_pixels,
        min_pixels=model.min_pixels,
        device=device,
    )
    swaps, pictures = config.reward.grounded_swaps, list(data.images["source_sha256"])
    return GroupJudge(frozen, ids, pictures, data.pictures, swaps=swaps, seed=config.seed)
