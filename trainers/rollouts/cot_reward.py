"""Reward of the closed loop (eq. 1) as TRL calls it; logs every rollout before its reward is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.cot.closed_loop import verdict_fields
from rise_bench.cot.rollout_log import RolloutLog
from rise_bench.scoring.groundedness import Grounded
from rise_bench.scoring.rewards import RewardRule, Verdict, cot_reward
from rise_bench.trainers.checks.first_rollouts import READABLE, FirstRollouts
from rise_bench.trainers.rollouts.group_judge import GroupJudge


class CotReward:
    """A reward function of `ClosedLoopTrainer`."""

    __name__ = "rise_cot"  # the name of its metrics

    def __init__(
        self,
        golds: Mapping[str, Gold],
        log: RolloutLog,
        *,
        rule: RewardRule,
        answer_format: AnswerFormat,
        rows_per_rollout: int,
        judge: GroupJudge | None = None,
    ) -> None:
        self._golds, self._log, self._rows, self._judge = golds, log, rows_per_rollout, judge
        self._first = FirstRollouts()
        self._rule, self._answer_format = rule, answer_format

    def __call__(
        self,
        *,
        cot: list[str],
        reconstruction: list[str],
        trainer_state: Any,
        log_metric: Callable[[str, float], None],
        **columns: Any,
    ) -> list[float]:
        """Reward of each row; the two rows of a rollout get the same, and each rollout is judged once."""
        first = range(0, len(cot), self._rows)
        ids, copies = columns["id"], columns["copy"]
        lengths = columns["cot_tokens"], columns["reconstruction_tokens"]
        step = trainer_state.global_step
        scores: list[Grounded | None] = [None] * len(first)
        if self._judge is not None:
            scores = [*self._judge([ids[i] for i in first], [cot[i] for i in first], step=step)]
        verdicts: list[Verdict] = []
        rows: list[dict[str, Any]] = []
        for i, score in zip(first, scores, strict=True):
            verdict = cot_reward(
                self._golds[ids[i]],
                cot[i],
                reconstruction[i],
                self._answer_format,
                rule=self._rule,
                groundedness=score.worst if score else None,
            )
            verdicts.append(verdict)
            rows.append(
                {
                    "id": ids[i],
                    "step": step,
                    "group": copies[i],
                    "cot": cot[i],
                    "reconstruction": reconstruction[i],
                    "cot_tokens": lengths[0][i],
                    "reconstruction_tokens": lengths[1][i],
                    **verdict_fields(verdict),
                    **grounded_fields(score, verdict),
                }
            )
        self._log.append(rows)
        self._first.see([row | {"reward": row.get("paid", row["reward"])} for row in rows])
        for name in ("similarity", "leak_numbers", "leak_strict", "format_ok"):
            log_metric(name, _mean([float(row[name]) for row in rows]))
        log_metric(READABLE, sum(row["reason"] == "ok" for row in rows) / len(rows))
        log_metric("cot_length", _mean([float(row["cot_tokens"]) for row in rows]))
        log_metric("reconstruction_length", _mean([float(row["reconstruction_tokens"]) for row in rows]))
        if self._judge is not None:
            for name in ("groundedness", "groundedness_worst_sentence"):
                log_metric(name, _mean([float(row[name]) for row in rows]))
            log_metric("reward_eq1", _mean([v.reward for v in verdicts]))
        return [v.paid for v in verdicts for _ in range(self._rows)]


def grounded_fields(score: Grounded | None, verdict: Verdict) -> dict[str, float]:
    """Log entries of a judged rollout: its groundedness, and the reward that replaced eq. 1."""
    if score is None:
        return {}
    return {
        "groundedness": score.score,
        "groundedness_worst_sentence": score.worst,
        "paid": verdict.paid,
    }


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
