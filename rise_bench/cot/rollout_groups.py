"""The best chain of thought of each sample (best-of-G by reward), from any number of rollout logs.

Memory holds a few numbers for each group of rollouts and the place of its best line, not the texts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rise_bench.cot.rollout_log import Located, Rollout, read_rollouts, rollout_at


@dataclass(slots=True)
class Group:
    """Rollouts of one prompt by one policy.

    Attributes:
        step: Optimiser step of the policy.
        attempt: Start of the program that sampled them.
        rewards: Reward of each, in the order of the logs.
        path: Log that holds the best one.
        offset: Where its line begins.
        picked: Reward of the rollout at `offset` where another than the best was chosen; None for the best.
    """

    step: int
    attempt: str
    rewards: list[float]
    path: Path
    offset: int
    picked: float | None = None

    @property
    def reward(self) -> float:
        """Reward of the chosen rollout: the best one, unless another was picked."""
        return max(self.rewards) if self.picked is None else self.picked

    def read(self) -> Rollout:
        """The chosen rollout."""
        return rollout_at(self.path, self.offset)


def groups(folders: Iterable[Path | str]) -> dict[str, list[Group]]:
    """Every group of rollouts in the logs, by sample id.

    A resumed run samples some steps again; the later attempt counts. Of equal rewards the first line counts.
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
    """The group with the best rollout of each sample; of equal rewards the later policy's."""
    return {uid: max(all_, key=lambda g: (g.reward, g.step, g.attempt)) for uid, all_ in by_id.items()}


def best_first(folders: Sequence[Path | str], at_least: float) -> dict[str, list[Group]]:
    """Every rollout of each sample with a reward of at least `at_least`, the best first.

    Where a sample has none, its best rollout alone. Of a chain of thought that comes again, the best counts.
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
    """Ids of the samples with at least one whole group; a kill may leave a truncated one."""
    return (uid for uid, all_ in by_id.items() if any(len(g.rewards) >= samples for g in all_))


def _read(located: Located) -> tuple[tuple[str, int, int], str, float]:
    rollout = located.rollout
    return (rollout.id, rollout.step, rollout.group), rollout.attempt, rollout.reward
