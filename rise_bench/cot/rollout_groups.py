"""Best chain of thought of each sample (best-of-G by a reward) from any number of rollout logs.

Memory holds the groups of one sample at a time, see `RolloutIndex`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from rise_bench.cot.id_set import IdSet
from rise_bench.cot.rollout_index import RolloutIndex, Row
from rise_bench.cot.rollout_log import Located, Rollout, read_rollouts, rollout_at
from rise_bench.cot.row_log import read_rows
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


#: Groups of a sample by step and number of the group.
_Keyed = dict[tuple[int, int], Group]


def groups(
    folders: Iterable[Path | str], view: RewardView = "picture", only: Iterable[str] | None = None
) -> RolloutIndex[list[Group]]:
    """Return every group of rollouts in the logs by sample id.

    If a resumed run sampled a step again, the later attempt counts. Of equal rewards the first line counts.

    Args:
        folders: Folders of the logs.
        view: Reward that chooses the best rollout.
        only: Ids of the samples; None for all.

    Raises:
        DataError: A rollout has no blind reward, and `view` asks for it.
    """
    return RolloutIndex(_rows(folders, view), _keyed, only).made(lambda keyed: [*keyed.values()])


def _rows(folders: Iterable[Path | str], view: RewardView) -> Iterator[tuple[str, Row]]:
    for located in read_rollouts(folders):
        rollout = located.rollout
        score = None if view == "picture" else _viewed(located, view)
        place = (located.path, located.offset)
        yield rollout.id, (rollout.step, rollout.group, rollout.attempt, rollout.reward, score, *place)


def _keyed(rows: Iterable[Row]) -> _Keyed:
    chosen: _Keyed = {}
    for step, number, attempt, reward, score, path, offset in rows:
        group = chosen.get((step, number))
        picked = None if score is None else reward
        if group is None or attempt > group.attempt:
            chosen[step, number] = Group(step, attempt, [reward], path, offset, picked, score)
        elif attempt == group.attempt:
            if (reward if score is None else score) > group.merit:
                group.path, group.offset, group.picked, group.score = path, offset, picked, score
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


def best_of(by_id: RolloutIndex[list[Group]]) -> RolloutIndex[Group]:
    """Return the group with the best rollout of each sample; of equal rewards, the later policy's."""
    return by_id.made(_best)


def _best(of_sample: Iterable[Group]) -> Group:
    return max(of_sample, key=lambda g: (g.merit, g.step, g.attempt))


def best_first(
    folders: Sequence[Path | str],
    at_least: float,
    view: RewardView = "picture",
    only: Iterable[str] | None = None,
) -> RolloutIndex[list[Group]]:
    """Return each sample's rollouts with a reward of at least `at_least`, best first.

    A sample without any gets its best rollout alone. Of equal chains of thought, the best rollout counts.

    Args:
        folders: Folders of the logs.
        at_least: Smallest reward in the view.
        view: Reward that rollouts are compared by.
        only: Ids of the samples; None for all.
    """
    return RolloutIndex(_rows(folders, view), lambda rows: _ranked(rows, at_least), only)


def _ranked(rows: Sequence[Row], at_least: float) -> list[Group]:
    keyed, by_text = _keyed(rows), dict[str, Group]()
    for step, number, attempt, reward, score, path, offset in rows:
        group = keyed[step, number]
        if attempt == group.attempt and (reward if score is None else score) >= at_least:
            rollout = replace(group, path=path, offset=offset, picked=reward, score=score)
            text = rollout.read().cot
            by_text[text] = max(by_text.get(text, rollout), rollout, key=_merit)
    return sorted(by_text.values(), key=_merit, reverse=True) or [_best(keyed.values())]


def _merit(group: Group) -> tuple[float, int]:
    return group.merit, group.step


def complete(by_id: RolloutIndex[list[Group]], samples: int) -> Iterator[str]:
    """Yield the ids of samples with at least one complete group; a kill may leave a truncated one."""
    return (uid for uid, all_ in by_id.items() if any(len(g.rewards) >= samples for g in all_))


def covered_ids(sweep_log: Path, samples: int, train_log: Path | None = None) -> IdSet:
    """Return the ids with a rollout of a training run or a complete group of a sweep.

    Args:
        sweep_log: Folder of the sweep's logs.
        samples: Rollouts of a complete group.
        train_log: Folder of the training run's rollouts; None if there is none.
    """
    trained = (row["id"] for row, *_ in read_rows([train_log] if train_log else []))
    return IdSet(chain(trained, complete(groups([sweep_log]), samples)))
