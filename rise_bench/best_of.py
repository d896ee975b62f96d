"""The best chain of thought of each sample (best-of-G by reward), from any number of rollout logs.

Memory holds a few numbers for each group of rollouts and the place of its best line, not the texts.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rise_bench.rollout_log import Located, read_at, read_rollouts


@dataclass(slots=True)
class Group:
    """Rollouts of one prompt by one policy.

    Attributes:
        step: Optimiser step of the policy.
        attempt: Start of the program that sampled them.
        rewards: Reward of each, in the order of the logs.
        path: Log that holds the best one.
        offset: Where its line begins.
    """

    step: int
    attempt: str
    rewards: list[float]
    path: Path
    offset: int

    @property
    def reward(self) -> float:
        """The best reward."""
        return max(self.rewards)

    def read(self) -> dict[str, Any]:
        """The row of the best rollout."""
        return read_at(self.path, self.offset)


def groups(folders: Iterable[Path | str]) -> dict[str, list[Group]]:
    """Every group of rollouts in the logs, by sample id.

    A resumed run samples some steps again; the later attempt counts. Of equal rewards the first line counts.
    """
    found: dict[tuple[str, int, int], Group] = {}
    for located in read_rollouts(folders):
        key, attempt, reward = _read(located)
        group = found.get(key)
        if group is None or attempt > group.attempt:
            found[key] = Group(key[1], attempt, [reward], located.path, located.offset)
        elif attempt == group.attempt:
            if reward > group.reward:
                group.path, group.offset = located.path, located.offset
            group.rewards.append(reward)
    by_id: dict[str, list[Group]] = {}
    for (uid, _, _), group in found.items():
        by_id.setdefault(uid, []).append(group)
    return by_id


def best_of(by_id: dict[str, list[Group]]) -> dict[str, Group]:
    """The group with the best rollout of each sample; of equal rewards the later policy's."""
    return {uid: max(all_, key=lambda g: (g.reward, g.step, g.attempt)) for uid, all_ in by_id.items()}


def complete(by_id: dict[str, list[Group]], samples: int) -> Iterator[str]:
    """Ids of the samples with at least one whole group; a kill may leave a torn one."""
    return (uid for uid, all_ in by_id.items() if any(len(g.rewards) >= samples for g in all_))


def _read(located: Located) -> tuple[tuple[str, int, int], str, float]:
    row = located.row
    return (row["id"], row["step"], row["group"]), row["attempt"], row["reward"]
