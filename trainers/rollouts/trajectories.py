"""Responses of a trained model to every training prompt, judged by eq. 9: what Metis-RISE distils from.

They are sampled by a sweep: each process takes its share of the prompts and appends to its own log
(RUN/trajectories, or RUN/trajectories_before_grpo of the base model); a rerun samples only what no log holds
in full.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from accelerate import PartialState

from rise_bench.cot.closed_loop import Sample
from rise_bench.cot.rollout_log import Rollout, read_rollouts
from rise_bench.cot.share import Share
from rise_bench.cot.sweep import sweep
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.models.local import LocalModel
from rise_bench.models.sampler import AsyncSampler, Prompt, Sampling
from rise_bench.scoring.rewards import r1_reward
from rise_bench.trainers.data.grpo_rows import response_prompt
from rise_bench.trainers.runs.agreement import decided_by_rank_0
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.config import TrainConfig


def sample_trajectories(
    config: TrainConfig, run: RunFolder, benchmark: BenchmarkDataset, model: Path
) -> dict[str, list[Rollout]]:
    """Sample `metis.samples` responses of a checkpoint to every prompt and return them by sample id."""
    trained = model == run.final_dir("grpo")
    folder, state = run.path / ("trajectories" if trained else "trajectories_before_grpo"), PartialState()
    done = read_trajectories(folder, config.metis.samples)
    share = Share(state.process_index, state.num_processes)
    ids = [gold.id for gold in benchmark.golds("train", config.data.shots)]
    if any(uid not in done for uid in ids[share.rank :: share.of]):
        grpo = config.grpo
        sampler = LocalModel(
            str(model),
            revision="" if trained else config.model.revision,
            sampling=Sampling(grpo.temperature, grpo.top_p, config.seed),
            max_pixels=config.model.max_pixels,
            min_pixels=config.model.min_pixels,
            attn_implementation=config.model.attn_implementation,
            use_cpu=config.compute.use_cpu,
        )

        async def respond(asked: AsyncSampler, batch: Sequence[Sample]) -> list[Rollout]:
            return await _respond(config, benchmark, asked, batch)

        sweep(
            benchmark,
            config.data.shots,
            sampler,
            respond,
            folder,
            wanted=lambda uid: uid not in done,
            share=share,
        )
    state.wait_for_everyone()
    # read by one process, else those that see a log later than others would train on fewer prompts
    read = partial(read_trajectories, folder, config.metis.samples)
    return decided_by_rank_0(read, use_cpu=config.compute.use_cpu)


def read_trajectories(folder: Path, samples: int) -> dict[str, list[Rollout]]:
    """Logged responses of the ids that have all of theirs, from the last attempt at each."""
    by_attempt: dict[tuple[str, str], list[Rollout]] = defaultdict(list)
    for rollout, *_ in read_rollouts([folder]):
        by_attempt[rollout.id, rollout.attempt].append(rollout)
    whole = {key: rollouts for key, rollouts in sorted(by_attempt.items()) if len(rollouts) >= samples}
    return {uid: rollouts for (uid, _), rollouts in whole.items()}


async def _respond(
    config: TrainConfig, benchmark: BenchmarkDataset, sampler: AsyncSampler, batch: Sequence[Sample]
) -> list[Rollout]:
    answer_format, grpo = config.model.answer_format, config.grpo
    prompt = response_prompt(config)
    prompts = [Prompt(images, prompt(benchmark.spec, gold, answer_format)) for gold, images in batch]
    responses = await sampler.sample(prompts, config.metis.samples, grpo.max_completion_length)
    return [
        Rollout.of(
            r1_reward(gold, text, answer_format, rule=config.reward),
            id=gold.id,
            step=grpo.steps,
            group=0,
            response=text,
        )
        for (gold, _), texts in zip(batch, responses, strict=True)
        for text in texts
    ]
