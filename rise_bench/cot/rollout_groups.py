"""Best chain of thought of each sample (best-of-G by a reward) from any number of rollout logs.

Memory holds a few numbers per group and the position of its best line, not the texts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from rise_bench.cot.rollout_log import Located, Rollout, read_rollouts, rollout_at
from rise_bench.errors import DataError
from rise_bench.scoring.rewards import RewardView, viewed_reward


class Rescored(NamedTuple):
    """Mean reward of new reconstructions from a chosen text, and the line of the log that holds them."""

    reward: float
    path: Path
    offset: int


@dataclass(slots=True)
class Group:
    """Group of rollouts: one prompt, one policy.

    Attributes:
        step: Optimiser step of the policy.
        attempt: Start of the program that sampled the group.
        rewards: Rewards in the order of the logs.
        path: Log that holds the chosen rollout.
        offset: Byte offset of its line.
        picked: Reward of the chosen rollout if it is not the largest; None for the largest.
        score: Number that it was chosen by if that is not its reward, see `RewardRule.view`.
        rescored: Mean reward of new reconstructions from the chosen text; None if there are none.
    """

    step: int
    attempt: str
    rewards: list[float]
    path: Path
    offset: int
    picked: float | None = None
    score: float | None = None
    rescored: Rescored | None = None

    @property
    def reward_selected(self) -> float:
        """Reward of the chosen rollout, as it was when it was chosen."""
        return max(self.rewards) if self.picked is None else self.picked

    @property
    def reward(self) -> float:
        """Reward of the chosen text: the mean of its new reconstructions, if there are any."""
        return self.rescored.reward if self.rescored else self.reward_selected

    @property
    def merit(self) -> float:
        """Number that rollouts are compared by."""
        return self.reward_selected if self.score is None else self.score

    def read(self) -> Rollout:
        """Read the chosen rollout from its log."""
        return rollout_at(self.path, self.offset)

    def read_rescored(self) -> Rollout:
        """Read the chosen rollout with its new reconstructions, if there are any."""
        return rollout_at(*self.rescored[1:]) if self.rescored else self.read()


def groups(folders: Iterable[Path | str], view: RewardView = "picture") -> dict[str, list[Group]]:
    """Return every group of rollouts in the logs by sample id.

    If a resumed run sampled a step again, the later attempt counts. Of equal rewards the first line counts.

    Args:
        folders: Folders of the logs.
        view: Reward that chooses the best rollout.

    Raises:
        DataError: A rollout has no blind reward, and `view` asks for it.
    """
    return _by_id(_by_key(folders, view))


def _by_id(by_key: Mapping[tuple[str, int, int], Group]) -> dict[str, list[Group]]:
    by_id: dict[str, list[Group]] = {}
    for (uid, _, _), group in by_key.items():
        by_id.setdefault(uid, []).append(group)
    return by_id


def _by_key(folders: Iterable[Path | str], view: RewardView) -> dict[tuple[str, int, int], Group]:
    chosen: dict[tuple[str, int, int], Group] = {}
    for located in read_rollouts(folders):
        key, attempt, reward = _read(located)
        score = None if view == "picture" else _viewed(located, view)
        group = chosen.get(key)
        if group is None or attempt > group.attempt:
            chosen[key] = Group(key[1], attempt, [reward], located.path, located.offset, score=score)
            chosen[key].picked = None if score is None else reward
        elif attempt == group.attempt:
            if (reward if score is None else score) > group.merit:
                group.path, group.offset, group.score = located.path, located.offset, score
                group.picked = None if score is None else reward
            group.rewards.append(reward)
    return chosen


def _viewed(located: Located, view: RewardView) -> float:
    rollout = located.rollout
    if rollout.reward_blind is None:
        raise DataError(
            f"{located.path}, byte {located.offset}: a rollout of {rollout.id} without reward_blind, so that "
            f"rollouts cannot be selected by the view {view}. Pass --select reward, or sample all with "
            "--sweep-all."
        )
    return viewed_reward(view, rollout.reward, rollout.reward_blind)


def best_of(by_id: dict[str, list[Group]]) -> dict[str, Group]:
    """Return the group with the best rollout of each sample; of equal rewards, the later policy's."""
    return {uid: max(all_, key=lambda g: (g.merit, g.step, g.attempt)) for uid, all_ in by_id.items()}


def best_first(
    folders: Sequence[Path | str], at_least: float, view: RewardView = "picture"
) -> dict[str, list[Group]]:
    """Return each sample's rollouts with a reward of at least `at_least`, best first.

    A sample without any gets its best rollout alone. Of equal chains of thought, the best rollout counts.

    Args:
        folders: Folders of the logs.
        at_least: Smallest reward in the view.
        view: Reward that rollouts are compared by.
    """
    by_key = _by_key(folders, view)
    chosen: dict[str, dict[int, Group]] = {}
    for located in read_rollouts(folders):
        key, attempt, reward = _read(located)
        group = by_key[key]
        score = None if view == "picture" else _viewed(located, view)
        if attempt == group.attempt and (reward if score is None else score) >= at_least:
            rollout = replace(group, path=located.path, offset=located.offset, picked=reward, score=score)
            texts, text = chosen.setdefault(key[0], {}), hash(located.rollout.cot)
            texts[text] = max(texts.get(text, rollout), rollout, key=_merit)
    ranked = {uid: sorted(texts.values(), key=_merit, reverse=True) for uid, texts in chosen.items()}
    return {uid: ranked.get(uid, [best]) for uid, best in best_of(_by_id(by_key)).items()}


def _merit(group: Group) -> tuple[float, int]:
    return group.merit, group.step


def complete(by_id: dict[str, list[Group]], samples: int) -> Iterator[str]:
    """Yield the ids of samples with at least one complete group; a kill may leave a truncated one."""
    return (uid for uid, all_ in by_id.items() if any(len(g.rewards) >= samples for g in all_))


def _read(located: Located) -> tuple[tuple[str, int, int], str, float]:
    rollout = located.rollout
    return (rollout.id, rollout.step, rollout.group), rollout.attempt, rollout.reward
