"""Groundedness of a CoT dataset: judges rollouts and chooses the one to keep for each sample.

The judge is a frozen model that sees pictures and texts, never an annotation. A text is compared with other
pictures, which come from a seeded sample of the same configuration. Scores are written to disk before they
are used, so a run that was killed does not repeat them.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import nsmallest
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from rise_bench.cot.rollout_groups import Group
from rise_bench.cot.row_log import RowLog, next_attempt, read_rows
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.pictures import held_pictures, pictures_of
from rise_bench.data.splits import rank
from rise_bench.errors import DataError
from rise_bench.files.atomic import sha256_bytes
from rise_bench.files.images import decode_rgb
from rise_bench.scoring.groundedness import MEASURE, SWAPS, Grounded

_BATCH = 16


class Judge(Protocol):
    """Frozen model that scores how much texts are about their pictures."""

    def ground(
        self, images: Sequence[Any], texts: Sequence[str], others: Sequence[Sequence[Any]]
    ) -> list[Grounded]:
        """Score texts against their own pictures and against other pictures."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return name, revision and prompt."""
        ...


@dataclass(frozen=True, slots=True)
class Judging:
    """Settings of the judge.

    Attributes:
        name: Name of the judge, as given by the user.
        load: Function that loads the judge.
        swaps: Number of other pictures to compare a text with, or all if there are fewer.
        seed: Seed that chooses them.
        min_groundedness: Smallest groundedness in nats. The best rollout that reaches it and has a reward of
            at least tau is kept; if there is none, or the threshold is None, the best by reward.
    """

    name: str
    load: Callable[[], Judge]
    swaps: int = SWAPS
    seed: int = 0
    min_groundedness: float | None = None

    @property
    def options(self) -> dict[str, str]:
        """Options for the manifest."""
        options = {
            "judge": self.name,
            "judge_measure": MEASURE,
            "judge_swaps": str(self.swaps),
            "judge_seed": str(self.seed),
        }
        if self.min_groundedness is not None:
            options["select"] = f"reward, groundedness >= {self.min_groundedness:g}"
        return options

    def among(self, pictures: int, where: object) -> "Judging":
        """Return the settings for a number of distinct pictures.

        Raises:
            DataError: There is only one.
        """
        if pictures < 2:
            raise DataError(
                f"groundedness compares a text with other pictures, and {where} has only {pictures}. "
                "Pass --judge none."
            )
        return replace(self, swaps=min(self.swaps, pictures - 1))

    def described(self, judge: Judge) -> dict[str, Any]:
        """Return what scores depend on: the judge's description of itself, measure, swaps and seed."""
        return judge.describe() | {"measure": MEASURE, "swaps": self.swaps, "seed": self.seed}


@dataclass(frozen=True, slots=True)
class Judged:
    """Rollout that is kept for a sample, its groundedness and the PMI of its worst sentence, in nats."""

    group: Group
    score: float
    worst: float


def judge_rollouts(
    dataset: BenchmarkDataset,
    config: str,
    candidates: Mapping[str, Sequence[Group]],
    judging: Judging,
    log_folder: Path,
    *,
    splits: Sequence[str] = ("train",),
    process: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
) -> tuple[dict[str, Judged], dict[str, Any]]:
    """Judge each sample's rollouts in order until one is grounded enough; keep that one, or the first.

    Args:
        dataset: Benchmark with images.
        config: 4-shot, 16-shot or full.
        candidates: Rollouts by sample id, best first.
        judging: Settings of the judge.
        log_folder: Folder of the scores, with one folder inside per judge.
        splits: Splits of the samples.
        process: Number of this process.
        progress: Called with (number of samples judged, number in all).

    Returns:
        The kept rollouts by sample id, and the judge's description of itself.

    Raises:
        DataError: The dataset holds no pictures, or only one.
    """
    judge = judging.load()
    pool = _pool(dataset, config, splits, judging)
    judging = judging.among(len(pool), dataset.root)
    described = judging.described(judge)
    folder = log_folder / f"judged-{sha256_bytes(json.dumps(described, sort_keys=True).encode())[:12]}"
    known = {(r["id"], r["cot_sha256"]): (r["groundedness"], r["worst"]) for r, *_ in read_rows([folder])}
    log = RowLog(folder, process, attempt=next_attempt(folder))
    kept: dict[str, Judged] = {}
    try:
        pictures = _pictures(dataset, config, splits, candidates)
        while batch := list(islice(pictures, _BATCH)):
            kept |= _judge_batch(batch, candidates, judging, judge, pool, known, log)
            progress(len(kept), len(candidates))
    finally:
        log.close()
    return kept, described


def _judge_batch(
    batch: Sequence[dict[str, Any]],
    candidates: Mapping[str, Sequence[Group]],
    judging: Judging,
    judge: Judge,
    pool: Sequence[dict[str, Any]],
    known: dict[tuple[str, str], tuple[float, float]],
    log: RowLog,
) -> dict[str, Judged]:
    rows = {row["id"]: row for row in batch}
    shown: dict[str, Any] = {uid: _decoded(row) for uid, row in rows.items()}
    others: dict[str, Any] = {uid: _others(row, pool, judging) for uid, row in rows.items()}
    first: dict[str, Judged] = {}
    kept: dict[str, Judged] = {}
    for place in range(max(len(candidates[uid]) for uid in rows)):
        open_ = [uid for uid in rows if uid not in kept and place < len(candidates[uid])]
        texts = {uid: candidates[uid][place].read().cot for uid in open_}
        keys = {uid: (uid, sha256_bytes(text.encode())) for uid, text in texts.items()}
        new = [uid for uid in open_ if keys[uid] not in known]
        scores = judge.ground(*([of[uid] for uid in new] for of in (shown, texts, others))) if new else []
        log.append(
            {"id": uid, "cot_sha256": keys[uid][1], "groundedness": s.score, "worst": s.worst}
            for uid, s in zip(new, scores, strict=True)
        )
        known |= {keys[uid]: (s.score, s.worst) for uid, s in zip(new, scores, strict=True)}
        for uid in open_:
            judged = Judged(candidates[uid][place], *known[keys[uid]])
            first.setdefault(uid, judged)
            if judging.min_groundedness is None or judged.score >= judging.min_groundedness:
                kept[uid] = judged
    return first | kept


def _pictures(
    dataset: BenchmarkDataset, config: str, splits: Sequence[str], wanted: Mapping[str, Any] | set[str]
) -> Iterator[dict[str, Any]]:
    columns = ["id", dataset.spec.image_column, "source_sha256"]
    for row in dataset.rows_of(splits, config, columns=columns):
        if row["id"] in wanted:
            held_pictures(row, dataset.root)
            yield row


def _decoded(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(decode_rgb(picture, row["id"]) for picture in pictures_of(row))


def _pool(
    dataset: BenchmarkDataset, config: str, splits: Sequence[str], judging: Judging
) -> list[dict[str, Any]]:
    """Return the decoded pictures that texts are compared on: a seeded sample, each picture once.

    It has one more than a text needs, for a text about one of them. All texts share the pool, so that a batch
    reads each of its pictures once.
    """
    rows = dataset.rows_of(splits, config, columns=["id", "source_sha256"])
    by_picture = {row["source_sha256"]: row["id"] for row in rows}
    seeded = nsmallest(
        judging.swaps + 1, by_picture, key=lambda sha256: rank(judging.seed, dataset.spec.name, sha256)
    )
    chosen = {by_picture[sha256] for sha256 in seeded}
    return [
        {"source_sha256": row["source_sha256"], "pictures": _decoded(row)}
        for row in _pictures(dataset, config, splits, chosen)
    ]


def _others(row: dict[str, Any], pool: Sequence[dict[str, Any]], judging: Judging) -> list[Any]:
    rest = [other["pictures"] for other in pool if other["source_sha256"] != row["source_sha256"]]
    return rest[: judging.swaps]
