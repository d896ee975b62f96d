"""Responses of a trained model to every training prompt, judged by eq. 9: what Metis-RISE distils from.

Each process samples the prompts whose position leaves its rank when divided by the number of processes and
appends to its own log (RUN/trajectories); a rerun samples only what no log holds in full.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from accelerate import PartialState

from rise_bench.cot.rollout_log import RolloutLog, next_attempt, read_rollouts
from rise_bench.models.local import LocalModel
from rise_bench.models.sampler import Prompt, Sampling
from rise_bench.prompts.templates import think_answer_prompt
from rise_bench.scoring.rewards import r1_reward
from rise_bench.trainers.data.training_data import TrainingData
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.config import TrainConfig

Row = dict[str, Any]


def sample_trajectories(
    config: TrainConfig, run: RunFolder, data: TrainingData, model: Path
) -> dict[str, list[Row]]:
    """Sample `metis.samples` responses to every prompt and return them by sample id.

    Args:
        config: Resolved config.
        run: The run folder.
        data: The samples.
        model: Checkpoint to sample from.

    Returns:
        Rows with `response`, `reward` (eq. 9) and `format_ok`, for each sample id.
    """
    folder, state = run.path / "trajectories", PartialState()
    done = read_trajectories(folder, config.metis.samples)
    own_rows = range(state.process_index, len(data.golds), state.num_processes)
    todo = [i for i in own_rows if data.golds[i].id not in done]
    if todo:
        _sample(config, data, model, todo, folder, state.process_index)
    state.wait_for_everyone()
    return read_trajectories(folder, config.metis.samples)


def read_trajectories(folder: Path, samples: int) -> dict[str, list[Row]]:
    """Logged responses of the ids that have all of theirs, from the last attempt at each."""
    by_attempt: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row, *_ in read_rollouts([folder]):
        by_attempt[row["id"], row["attempt"]].append(row)
    whole = {key: rows for key, rows in sorted(by_attempt.items()) if len(rows) >= samples}
    return {uid: rows for (uid, _), rows in whole.items()}


def _sample(
    config: TrainConfig, data: TrainingData, model: Path, todo: list[int], folder: Path, rank: int
) -> None:
    answer_format = config.model.answer_format
    grpo = config.grpo
    sampler = LocalModel(
        str(model),
        sampling=Sampling(grpo.temperature, grpo.top_p, config.seed),
        max_pixels=config.model.max_pixels,
        min_pixels=config.model.min_pixels,
        attn_implementation=config.model.attn_implementation,
    )
    log = RolloutLog(folder, rank, attempt=next_attempt(folder))
    for begin in range(0, len(todo), sampler.batch_rows):
        batch = todo[begin : begin + sampler.batch_rows]
        golds = [data.golds[i] for i in batch]
        prompts = [
            Prompt(data.images[i]["image"]["bytes"], think_answer_prompt(data.spec, gold, answer_format))
            for i, gold in zip(batch, golds, strict=True)
        ]
        responses = sampler.sample(prompts, config.metis.samples, grpo.max_completion_length)
        for gold, texts in zip(golds, responses, strict=True):
            rows = []
            for text in texts:
                verdict = r1_reward(gold, text, answer_format, rule=config.reward)
                row = {"id": gold.id, "step": grpo.steps, "group": 0, "response": text}
                rows.append(row | {"reward": verdict.reward, "format_ok": verdict.format_ok})
            log.append(rows)
    log.close()
