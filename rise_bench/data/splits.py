"""Splits and few-shot sets, decided by hashes so that every build has the same rows.

Rank = sha256 of "seed:dataset:source_id". The few-shot sets are nested: 4-shot in 16-shot in full. They are
stored as shards without overlap ("4-shot", "16-shot", "rest"), so that each configuration is a list of shards
and no row is stored twice.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

from rise_bench.errors import ConfigError

#: Number of annotated training samples per class or in all (`BenchmarkSpec.shots_per`).
Shots = Literal["4-shot", "16-shot", "full"]

SHOTS = (4, 16)

#: Shards of the train split, smallest few-shot set first.
TRAIN_SHARDS = ("4-shot", "16-shot", "rest")

#: Configuration -> shards of its train split.
CONFIGS: Mapping[Shots, tuple[str, ...]] = {
    "4-shot": TRAIN_SHARDS[:1],
    "16-shot": TRAIN_SHARDS[:2],
    "full": TRAIN_SHARDS,
}


def as_shots(name: str) -> Shots:
    """Return the configuration of a name; `default` is the name of `full` in version 0.1.0.

    Raises:
        ConfigError: If it does not exist.

    >>> as_shots("4-shot"), as_shots("default")
    ('4-shot', 'full')
    """
    for shots in CONFIGS:
        if name in (shots, "default" if shots == "full" else shots):
            return shots
    raise ConfigError(f"no configuration {name!r}; choose one of {', '.join(CONFIGS)}")


def rank(seed: int, dataset: str, source_id: str) -> str:
    """Return the rank of a source sample: 64 hex digits, smallest first.

    >>> rank(0, "emotion6", "joy/1.jpg")[:8]
    '85e5b856'
    """
    return hashlib.sha256(f"{seed}:{dataset}:{source_id}".encode()).hexdigest()


def rank_order(seed: int, dataset: str, source_ids: Sequence[str]) -> list[int]:
    """Return the positions of the ids in rank order; equal ids keep their order."""
    ranks = [rank(seed, dataset, source_id) for source_id in source_ids]
    return sorted(range(len(ranks)), key=ranks.__getitem__)


def by_rank(seed: int, dataset: str, source_ids: Sequence[str]) -> list[str]:
    """Return the ids in rank order."""
    return [source_ids[i] for i in rank_order(seed, dataset, source_ids)]


def shot_ranks(
    seed: int, dataset: str, source_ids: Sequence[str], classes: Sequence[str] | None = None
) -> list[int]:
    """Number the training samples 0, 1, 2, … in rank order, within each class.

    Numbers below 4 are the 4-shot set, those below 16 the 16-shot set. Without `classes` all samples are
    numbered together (LISA: 4 samples in all).
    """
    counters: defaultdict[str, int] = defaultdict(int)
    numbers = [0] * len(source_ids)
    for i in rank_order(seed, dataset, source_ids):
        name = classes[i] if classes else ""
        numbers[i] = counters[name]
        counters[name] += 1
    return numbers


def shard_of(shot_rank: int) -> str:
    """Return the train shard of a shot rank.

    >>> [shard_of(n) for n in (0, 3, 4, 15, 16)]
    ['4-shot', '4-shot', '16-shot', '16-shot', 'rest']
    """
    return next(
        (shard for shots, shard in zip(SHOTS, TRAIN_SHARDS, strict=False) if shot_rank < shots), "rest"
    )


def train_share(available: int, train: int, test: int) -> int:
    """Return how many of the available samples are training samples; the rest, up to `test`, are test.

    With enough samples it is `train`; with fewer, the same proportion, rounded in favour of train on a tie.

    >>> [train_share(n, 25, 10) for n in (35, 100, 7, 3, 1)]
    [25, 25, 5, 2, 1]
    """
    used = min(available, train + test)
    return used - (2 * used * test + train + test - 1) // (2 * (train + test))


def assign_exclusive(
    candidates: Mapping[str, Sequence[str]], per_class: int, *, seed: int, dataset: str
) -> dict[str, list[str]]:
    """Give each class its own samples, rarest class first.

    Args:
        candidates: Class -> ids of the samples that show it; a sample may show many classes.
        per_class: Largest number of samples of a class.
        seed: Seed of the ranks.
        dataset: Name of the dataset.

    Returns:
        Class (in the order of `candidates`) -> samples in rank order. No sample is assigned twice.
    """
    position = {name: i for i, name in enumerate(candidates)}
    taken: set[str] = set()
    given: dict[str, list[str]] = {}
    for name in sorted(candidates, key=lambda name: (len(candidates[name]), position[name])):
        free = [source_id for source_id in by_rank(seed, dataset, candidates[name]) if source_id not in taken]
        given[name] = free[:per_class]
        taken.update(given[name])
    return {name: given[name] for name in candidates}
