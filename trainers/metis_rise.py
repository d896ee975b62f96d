"""Metis-RISE: GRPO first, then SFT on what GRPO could not teach (arXiv 2506.13056).

    rise-bench train metis_rise --recipe emotion6/metis_rise

After GRPO from the base model, the policy answers every training prompt `metis.samples` times. A prompt that
it solves always is left out. One that it solves sometimes is trained on its own best solution, one that it
never solves on an expert's chain of thought and the true annotation. The expert is a teacher, or RISE-CoT,
which saw the annotation (`data.expert_cots`, filtered by `data.cot_subset` and `data.tau`).
A response solves a prompt if its reward (eq. 9) is at least `metis.solved_reward`, because rewards here are
graded where the paper's are right or wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from rise_bench.catalog.stages import stage
from rise_bench.cot.rollout_log import Rollout
from rise_bench.errors import ConfigError
from rise_bench.hub.find import find_benchmark
from rise_bench.trainers.data.grpo_rows import response_prompt
from rise_bench.trainers.data.training_data import TrainingData, open_training_data, training_cots
from rise_bench.trainers.phases.phase import start_of
from rise_bench.trainers.rollouts.trajectories import sample_trajectories
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.config import MetisConfig, TrainConfig
from rise_bench.trainers.sft import Example, think_answer_examples, train_sft
from rise_bench.trainers.visual_rft import train_grpo

_log = logging.getLogger(__name__)


@stage("metis_rise", phases=("grpo", "sft"), cots="expert_cots", cots_optional=True)
def train(config: TrainConfig, run: RunFolder) -> Path:
    """Run the phases of the config and return the folder of the last phase's model."""
    model = Path(config.model.name)
    for phase in config.active_phases:
        start = start_of(config, run, phase)
        model = train_grpo(config, run, start) if phase == "grpo" else enhance(config, run, Path(start))
    return model


def enhance(config: TrainConfig, run: RunFolder, start: Path) -> Path:
    """Sample from the GRPO model, choose what to train on, and run the SFT phase from it."""
    data = open_training_data(config.data)
    trajectories = sample_trajectories(config, run, find_benchmark(config.data.benchmark), start)
    return train_sft(config, run, start, data, enhancement_examples(config, data, trajectories))


def enhancement_examples(
    config: TrainConfig, data: TrainingData, trajectories: Mapping[str, Sequence[Rollout]]
) -> list[Example]:
    """Choose the SFT targets.

    Args:
        config: Resolved config.
        data: The samples.
        trajectories: Judged responses of the GRPO model by sample id.

    Raises:
        ConfigError: No prompt is left to train on.
    """
    solved = {uid: solutions(rollouts, config.metis) for uid, rollouts in trajectories.items()}
    tries = config.metis.samples
    sometimes = {uid: good for uid, good in solved.items() if 0 < len(good) < tries}
    never = {uid for uid, good in solved.items() if not good}
    experts = {uid: cot for uid, cot in (training_cots(config, data) or {}).items() if uid in never}
    counts = (
        f"always solved: {len(solved) - len(sometimes) - len(never)}, sometimes: {len(sometimes)}, never: "
    )
    counts += f"{len(never)} ({len(experts)} with an expert's chain of thought)"
    _log.info("Metis-RISE prompts: %s", counts)
    answer_format, prompt = config.model.answer_format, response_prompt(config)
    distilled = [
        Example(i, prompt(data.spec, gold, answer_format), response)
        for i, gold in enumerate(data.golds)
        for response in sometimes.get(gold.id, ())[: config.metis.keep]
    ]
    examples = distilled + think_answer_examples(config, data, experts)
    if not examples:
        raise ConfigError(
            f"nothing is left for the SFT phase ({counts}). "
            "Name data.expert_cots, or change metis.solved_reward."
        )
    return examples


def solutions(rollouts: Sequence[Rollout], metis: MetisConfig) -> list[str]:
    """The well-formed responses that solve their prompt, best first."""
    solved = [r for r in rollouts if r.reward >= metis.solved_reward and r.format_ok]
    return [r.answer.strip() for r in sorted(solved, key=lambda r: -r.reward)]
