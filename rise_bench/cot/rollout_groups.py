"""Best chain of thought of each sample (best-of-G by reward) from any number of rollout logs.

Memory holds a few numbers per group and the position of its best line, not the texts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rise_bench.cot.rollout_log import Located, Rollout, read_rollouts, rollout_at


@dataclass(slots=True)
class Group:
    """Group of rollouts: one prompt, one policy.

    Attributes:
        step: Optimiser step of the policy.
        attempt: Start of the program that sampled the group.
        rewards: Rewards in the order of the logs.
        path: Log that holds the chosen rollout.
        offset: Byte offset of its line.
        picked: Reward of the chosen rollout if it is not the best; None for the best.
    """

    step: int
    attempt: str
    rewards: list[float]
    path: Path
    offset: int
    picked: float | None = None

    @property
    def reward(self) -> float:
        """Reward of the chosen rollout."""
        return max(self.rewards) if self.picked is None else self.picked

    def read(self) -> Rollout:
        """Read the chosen rollout from its log."""
        return rollout_at(self.path, self.offset)


def groups(folders: Iterable[Path | str]) -> dict[str, list[Group]]:
    """Return every group of rollouts in the logs by sample id.

    If a resumed run sampled a step again, the later attempt counts. Of equal rewards the first line counts.
    """
    return _by_id(_by_key(folders))


def _by_id(by_key: Mapping[tuple[str, int, int], Group]) -> dict[str, list[Group]]:
    by_id: dict[str, list[Group]] = {}
    for (uid, _, _), group in by_key.items():
        by_id.setdefault(uid, []).append(group)
    return by_id


def _by_key(folders: Iterable[Path | str]) -> dict[tuple[str, int, int], Group]:
    chosen: dict[tuple[str, int, int], Group] = {}
    for located in read_rollouts(folders):
        key, attempt, reward = _read(located)
        group = chosen.get(key)
        if group is None or attempt > group.attempt:
            chosen[key] = Group(key[1], attempt, [reward], located.path, located.offset)
        elif attempt == group.attempt:
            if reward > group.reward:
                group.path, group.offset = located.path, located.offset
            group.rewards.append(reward)
    return chosen


def best_of(by_id: dict[str, list[Group]]) -> dict[str, Group]:
    """Return the group with the best rollout of each sample; of equal rewards, the later policy's."""
    return {uid: max(all_, key=lambda g: (g.reward, g.step, g.attempt)) for uid, all_ in by_id.items()}


def best_first(folders: Sequence[Path | str], at_least: float) -> dict[str, list[Group]]:
    """Return each sample's rollouts with a reward of at least `at_least`, best first.

    A sample without any gets its best rollout alone. Of equal chains of thought, the best rollout counts.
    """
    by_key = _by_key(folders)
    chosen: dict[str, dict[int, Group]] = {}
    for located in read_rollouts(folders):
        key, attempt, reward = _read(located)
        group = by_key[key]
        if attempt == group.attempt and reward >= at_least:
            rollout = replace(group, path=located.path, offset=located.offset, picked=reward)
            texts, text = chosen.setdefault(key[0], {}), hash(located.rollout.cot)
            texts[text] = max(texts.get(text, rollout), rollout, key=_merit)
    ranked = {uid: sorted(texts.values(), key=_merit, reverse=True) for uid, texts in chosen.items()}
    return {uid: ranked.get(uid, [best]) for uid, best in best_of(_by_id(by_key)).items()}


def _merit(group: Group) -> tuple[float, int]:
    return group.reward, group.step


def complete(by_id: dict[str, list[Group]], samples: int) -> Iterator[str]:
    """Yield the ids of samples with at least one complete group; a kill may leave a truncated one."""
    return (uid for uid, all_ in by_id.items() if any(len(g.rewards) >= samples for g in all_))


def _read(located: Located) -> tuple[tuple[str, int, int], str, float]:
    rollout = located.rollout
    return (rollout.id, rollout.step, rollout.group), rollout.attempt, rollout.reward
