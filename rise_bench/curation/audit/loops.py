"""The closed loop on labels: how well reasons that were found for a label lead back to it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, Self

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import KINDS
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.cot.closed_loop import ClosedLoop, LoopSettings
from rise_bench.cot.dataset import SELECTED, CotDataset, reconstruction_format
from rise_bench.cot.rollout_log import Rollout, latest_rollouts
from rise_bench.curation.audit.model import AskedModel
from rise_bench.curation.audit.sampling import Item, sample_rows
from rise_bench.errors import DataError
from rise_bench.models.sampler import AsyncSampler, Sampling
from rise_bench.scoring.response_text import response_text
from rise_bench.scoring.rewards import RewardRule, cot_reward


@dataclass(frozen=True, slots=True)
class Loop:
    """Rollouts of one label.

    Attributes:
        reward: r_i: best reward of the group, by eq. 1 as the paper has it.
        mean: Mean reward of the group, by the similarity that an error on either side lowers.
        cot: Chain of thought of the best rollout.
        groundedness: Of the worst sentence of that chain of thought, in nats; None without a judge.
        comparable: Whether the mean is by that similarity; without its log a CoT dataset has the paper's.
    """

    reward: float
    mean: float
    cot: str = ""
    groundedness: float | None = None
    comparable: bool = True

    @classmethod
    def of(cls, gold: Gold, rollouts: Sequence[Rollout], answer_format: AnswerFormat) -> Self:
        """Summarise the rollouts of a label."""
        best = max(rollouts, key=lambda rollout: rollout.reward)
        rule = RewardRule(variant=KINDS[gold.kind].audit_variant)
        judged = (cot_reward(gold, r.cot, r.reconstruction, answer_format, rule=rule) for r in rollouts)
        return cls(best.reward, fmean(verdict.reward for verdict in judged), best.cot, best.groundedness)


def run_loops(
    spec: BenchmarkSpec,
    rows: Callable[[set[str]], Iterable[Item]],
    labels: Mapping[str, Gold],
    model: AskedModel,
    samples: int,
    seed: int,
    log_folder: Path,
    progress: Callable[[int, int], None],
    *,
    about: Mapping[str, str] | None = None,
) -> dict[str, Loop]:
    """Run the closed loop on labels, except those in the log.

    Args:
        spec: The benchmark.
        rows: Streams the rows with some ids.
        labels: Label of each row, as if it were true.
        model: The model that reasons and reconstructs.
        samples: Rollouts of each label.
        seed: Seed of sampling.
        log_folder: Folder of the log.
        progress: Called with (labels done, labels in all).
        about: The label of each row as text, if it may be another at the next start.

    Returns:
        Loops by row id; none of a row that the model refused.
    """
    loop = ClosedLoop(spec, LoopSettings(samples=samples, answer_format=model.answer_format))

    async def call(sampler: AsyncSampler, batch: list[Item]) -> list[Mapping[str, Any]]:
        rollouts = await loop.annotated(sampler, [(labels[gold.id], images) for gold, images in batch])
        return [
            {"id": gold.id, "rollouts": [_row(r) for r in rollouts[i * samples : (i + 1) * samples]]}
            for i, (gold, _) in enumerate(batch)
        ]

    load = partial(model.open, Sampling(seed=seed))
    logged = sample_rows(log_folder, labels.keys(), rows, load, call, progress, about=about)
    kept = {uid: row["rollouts"] for uid, row in logged.items() if "rollouts" in row}
    return {
        uid: Loop.of(gold, [Rollout.from_json(row) for row in kept[uid]], model.answer_format)
        for uid, gold in labels.items()
        if uid in kept
    }


def _row(rollout: Rollout) -> dict[str, Any]:
    texts = {name: response_text(getattr(rollout, name)) for name in ("cot", "reconstruction")}
    return rollout.to_json() | texts


def loops_of_cots(cots: CotDataset, golds: Mapping[str, Gold], benchmark_sha256: str) -> dict[str, Loop]:
    """Return what a CoT dataset says of the labels it was made from.

    Args:
        cots: The CoT dataset; where its rollout log is beside it, group means come from there.
        golds: Labels by row id.
        benchmark_sha256: Identity of the dataset that the labels are of.

    Raises:
        DataError: It was made from another version of the dataset, so that it saw other labels.
    """
    made_of = cots.manifest.options.get("cots_of", benchmark_sha256)
    if made_of != benchmark_sha256:
        raise DataError(
            f"{cots.root} explains the labels of dataset {made_of[:12]}, not those of "
            f"{benchmark_sha256[:12]}; collect chains of thought for this version"
        )
    cots.require_rewards("Or leave --cots out.")
    rollouts = _best_groups(cots.root)
    columns = ["id", "cot", "reward", SELECTED, "group_rewards", "groundedness_worst_sentence", "provenance"]
    loops = {}
    for row in cots.rows(columns=columns):
        uid = row["id"]
        if uid not in golds:
            continue
        mean = fmean(row["group_rewards"] or [row["reward"]])
        if uid in rollouts:
            mean = Loop.of(golds[uid], rollouts[uid], reconstruction_format(row["provenance"])).mean
        comparable = uid in rollouts or KINDS[golds[uid].kind].audit_variant == "paper"
        best = row[SELECTED] if row.get(SELECTED) is not None else row["reward"]
        loops[uid] = Loop(best, mean, row["cot"], row["groundedness_worst_sentence"], comparable)
    return loops


def _best_groups(root: Path) -> dict[str, list[Rollout]]:
    """Return the group with the best rollout of each row, from the logs of a sweep and of a training run."""
    by_group: dict[tuple[str, int, int], list[Rollout]] = {}
    for rollout in latest_rollouts([root.with_name(f"{root.name}.rollouts"), root.parent / "rollouts"]):
        by_group.setdefault((rollout.id, rollout.step, rollout.group), []).append(rollout)
    best: dict[str, list[Rollout]] = {}
    for (uid, _, _), group in by_group.items():
        best[uid] = max(best.get(uid, group), group, key=lambda of: max(rollout.reward for rollout in of))
    return best
