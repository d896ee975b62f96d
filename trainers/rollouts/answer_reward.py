"""Reward of think-answer training (eq. 9) as TRL calls it; logs every response before its reward is used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.cot.rollout_log import Rollout
from rise_bench.cot.row_log import RowLog
from rise_bench.scoring.length_reward import length_rewards
from rise_bench.scoring.rewards import RewardRule, r1_reward
from rise_bench.trainers.checks.first_rollouts import READABLE, FirstRollouts


class R1Reward:
    """A reward function of `GRPOTrainer` on rows with `id` and `copy` (see `grpo_rows`)."""

    __name__ = "r1"  # the name of its metrics

    def __init__(
        self,
        golds: Mapping[str, Gold],
        log: RowLog,
        *,
        rule: RewardRule,
        answer_format: AnswerFormat,
    ) -> None:
        self._golds, self._log, self._first = golds, log, FirstRollouts()
        self._rule, self._answer_format = rule, answer_format

    def __call__(
        self,
        *,
        completions: list[list[dict[str, str]]],
        completion_ids: list[list[int]],
        trainer_state: Any,
        log_metric: Callable[[str, float], None],
        **columns: Any,
    ) -> list[float]:
        """Reward of each response."""
        rollouts, step = [], trainer_state.global_step
        for i, completion in enumerate(completions):
            uid, text = columns["id"][i], completion[-1]["content"]
            verdict = r1_reward(self._golds[uid], text, self._answer_format, rule=self._rule)
            known = {"group": columns["copy"][i], "response_tokens": len(completion_ids[i])}
            rollouts.append(Rollout.of(verdict, id=uid, step=step, response=text, **known))
        if self._rule.length_weight:
            rollouts = with_length_reward(rollouts, self._rule, step)
        self._log.append(rollout.to_json() for rollout in rollouts)
        self._first.see(rollouts)
        log_metric(READABLE, sum(rollout.reason == "ok" for rollout in rollouts) / len(rollouts))
        for name in ("similarity", "format_ok"):
            log_metric(name, sum(float(getattr(rollout, name)) for rollout in rollouts) / len(rollouts))
        return [rollout.earned for rollout in rollouts]


def with_length_reward(rollouts: Sequence[Rollout], rule: RewardRule, step: int) -> list[Rollout]:
    """Return the rollouts paid by their length too, compared with the others of their group and process."""
    if step < rule.length_from_step:
        return list(rollouts)
    groups: dict[tuple[str, int], list[int]] = defaultdict(list)
    for i, rollout in enumerate(rollouts):
        groups[rollout.id, rollout.group].append(i)
    paid = [rollout.reward for rollout in rollouts]
    weight = rule.length_weight / (1 + rule.format_bonus)
    for rows in groups.values():
        lengths = [len(rollouts[i].answer) for i in rows]
        right = [rollouts[i].similarity >= 1 for i in rows]
        for i, length in zip(rows, length_rewards(lengths, right), strict=True):
            paid[i] += weight * length
    return [replace(rollout, paid=reward) for rollout, reward in zip(rollouts, paid, strict=True)]
