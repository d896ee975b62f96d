"""New reconstructions from selected chains of thought.

The best of G rollouts was lucky as well as good: the reward by which it was selected is an estimate of its
expected reward that the selection has raised (the winner's curse). New reconstructions have no such bias, so
that their mean is the reward of the row, and the reward at selection is published beside it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from rise_bench.cot.closed_loop import ClosedLoop, Sample
from rise_bench.cot.collect_job import CollectJob
from rise_bench.cot.given_cots import GivenCots
from rise_bench.cot.rollout_groups import Group, Rescored
from rise_bench.cot.rollout_log import Rollout, read_rollouts
from rise_bench.cot.share import Share
from rise_bench.cot.sweep import RESCORED, Swept, sweep
from rise_bench.cot.views import Views
from rise_bench.errors.redaction import redacted
from rise_bench.files.atomic import sha256_bytes
from rise_bench.models.sampler import AsyncSampler, Sampler


def rescoring_log(job: CollectJob, views: Views) -> Path:
    """Return the folder of the new reconstructions: one for each model, settings and views."""
    asked = {"model": redacted(job.model), "loop": job.settings.to_json(), "views": asdict(views)}
    return job.sweep_log / f"{RESCORED}{sha256_bytes(json.dumps(asked, sort_keys=True).encode())[:12]}"


def rescore(
    job: CollectJob,
    views: Views,
    kept: Mapping[str, Group],
    sampler: Sampler,
    share: Share,
    *,
    patience: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
) -> Swept:
    """Reconstruct annotations from selected chains of thought again.

    Args:
        job: The collection.
        views: Views of the reconstructions.
        kept: Group with the selected rollout by sample id, see `own_share`.
        sampler: Sampler of the model.
        share: Rank of this process and number of processes.
        patience: Samples that the model may refuse before it has annotated any; None for no limit.
        progress: Called with (number of chains of thought done, number in all).
    """
    given = GivenCots({uid: group.read().cot for uid, group in kept.items()}, "selected", views)
    loop, done = ClosedLoop(job.benchmark.spec, job.settings), 0

    async def verify(model: AsyncSampler, batch: Sequence[Sample]) -> list[Rollout]:
        return [
            replace(rollout, reward_selected=kept[rollout.id].reward_selected)
            for rollout in await loop.verified(model, batch, given)
        ]

    def advance(samples: int) -> None:
        nonlocal done
        done += samples
        progress(done, len(kept))

    return sweep(
        job.benchmark,
        job.config,
        sampler,
        verify,
        rescoring_log(job, views),
        splits=job.splits,
        wanted=kept.__contains__,
        share=share,
        patience=patience,
        progress=advance,
    )


def own_share(job: CollectJob, views: Views, kept: Mapping[str, Group], share: Share) -> dict[str, Group]:
    """Return those of a process's samples that have no new reconstructions yet."""
    rows = job.benchmark.rows_of(job.splits, job.config, columns=["id"])
    own = [row["id"] for place, row in enumerate(rows) if place % share.of == share.rank]
    known = rescored(job, views, {uid: kept[uid] for uid in own if uid in kept})
    return {uid: group for uid, group in known.items() if group.rescored is None}


def rescored(job: CollectJob, views: Views, kept: Mapping[str, Group]) -> dict[str, Group]:
    """Return the groups, with the new reconstructions of those selected texts that have some."""
    known = {
        (located.rollout.id, _identity(located.rollout)): Rescored(
            located.rollout.reward, located.path, located.offset
        )
        for located in read_rollouts([rescoring_log(job, views)])
    }
    return {
        uid: replace(group, rescored=known.get((uid, _identity(group.read())))) for uid, group in kept.items()
    }


def _identity(rollout: Rollout) -> str:
    return sha256_bytes(rollout.cot.encode())
