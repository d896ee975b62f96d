"""Reward of the closed loop (eq. 1) as TRL calls it; logs every rollout before its reward is used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from rise_bench.annotations.base import Gold
from rise_bench.cot.closed_loop import ClosedLoop
from rise_bench.cot.row_log import RowLog
from rise_bench.scoring.groundedness import Grounded
from rise_bench.scoring.rewards import RewardView
from rise_bench.trainers.checks.first_rollouts import READABLE, FirstRollouts
from rise_bench.trainers.rollouts.group_judge import GroupJudge

_MEANS = {
    "similarity": "similarity",
    "leak_numbers": "leak_numbers",
    "leak_strict": "leak_strict",
    "format_ok": "format_ok",
    "cot_tokens": "cot_length",
    "reconstruction_tokens": "reconstruction_length",
}
_JUDGED_MEANS = {
    "groundedness": "groundedness",
    "groundedness_worst_sentence": "groundedness_worst_sentence",
    "reward": "reward_eq1",
}
_VIEWED_MEANS: dict[RewardView, dict[str, str]] = {
    "picture": {},
    "blind": {"reward_blind": "reward_blind"},
    "both": {"reward": "reward_eq1", "reward_blind": "reward_blind"},
}


class CotReward:
    """A reward function of `ClosedLoopTrainer`."""

    __name__ = "rise_cot"  # the name of its metrics

    def __init__(
        self,
        loop: ClosedLoop,
        golds: Mapping[str, Gold],
        log: RowLog,
        *,
        rows_per_rollout: int,
        judge: GroupJudge | None = None,
    ) -> None:
        self._loop, self._golds, self._log = loop, golds, log
        self._rows, self._judge, self._first = rows_per_rollout, judge, FirstRollouts()

    def __call__(
        self,
        *,
        cot: list[str],
        reconstruction: list[str],
        trainer_state: Any,
        log_metric: Callable[[str, float], None],
        reconstruction_blind: list[str] | None = None,
        **columns: Any,
    ) -> list[float]:
        """Reward of each row; the rows of a rollout get the same, and each rollout is judged once."""
        view = self._loop.settings.rule.view
        first = range(0, len(cot), self._rows)
        ids, step = columns["id"], trainer_state.global_step
        scores: list[Grounded | None] = [None] * len(first)
        if self._judge is not None:
            scores = [*self._judge([ids[i] for i in first], [cot[i] for i in first], step=step)]
        rollouts = [
            self._loop.judge(
                self._golds[ids[i]],
                cot[i],
                reconstruction[i],
                blind=reconstruction_blind[i] if reconstruction_blind else None,
                grounded=score,
                step=step,
                group=columns["copy"][i],
                cot_tokens=columns["cot_tokens"][i],
                reconstruction_tokens=columns["reconstruction_tokens"][i],
            )
            for i, score in zip(first, scores, strict=True)
        ]
        if view == "blind":
            rollouts = [replace(rollout, view="blind", reward_blind=rollout.reward) for rollout in rollouts]
        self._log.append(rollout.to_json() for rollout in rollouts)
        self._first.see(rollouts)
        means = _MEANS | (_JUDGED_MEANS if self._judge else {}) | _VIEWED_MEANS[view]
        if view == "blind":
            means.pop("reward", None)  # eq. 1 is not measured
        for field, metric in means.items():
            log_metric(metric, _mean(getattr(rollout, field) for rollout in rollouts))
        log_metric(READABLE, _mean(rollout.reason == "ok" for rollout in rollouts))
        return [rollout.earned for rollout in rollouts for _ in range(self._rows)]


def _mean(values: Iterable[float]) -> float:
    numbers = [float(value) for value in values]
    return sum(numbers) / len(numbers)
