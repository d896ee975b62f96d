"""Reward of think-answer training (eq. 9) as TRL calls it; logs every response before its reward is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.cot.rollout_log import RolloutLog
from rise_bench.scoring.rewards import RewardRule, r1_reward
from rise_bench.trainers.checks.first_rollouts import READABLE, FirstRollouts


class R1Reward:
    """A reward function of `GRPOTrainer` on rows with `id` and `copy` (see `grpo_rows`)."""

    __name__ = "r1"  # the name of its metrics

    def __init__(
        self,
        golds: Mapping[str, Gold],
        log: RolloutLog,
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
        rows: list[dict[str, Any]] = []
        for i, completion in enumerate(completions):
            text = completion[-1]["content"]
            verdict = r1_reward(self._golds[columns["id"][i]], text, self._answer_format, rule=self._rule)
            rows.append(
                {
                    "id": columns["id"][i],
                    "step": trainer_state.global_step,
                    "group": columns["copy"][i],
                    "response": text,
                    "response_tokens": len(completion_ids[i]),
                    "reward": verdict.reward,
                    "similarity": verdict.similarity,
                    "format_ok": verdict.format_ok,
                    "reason": verdict.reason,
                }
            )
        self._log.append(rows)
        self._first.see(rows)
        log_metric(READABLE, sum(row["reason"] == "ok" for row in rows) / len(rows))
        for name in ("similarity", "format_ok"):
            log_metric(name, sum(float(row[name]) for row in rows) / len(rows))
        return [row["reward"] for row in rows]
