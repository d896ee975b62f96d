"""Parts of reports on chains of thought and answers: rollouts, curves of training."""

import json
from collections.abc import Mapping
from pathlib import Path

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.cot.dataset import CotDataset
from rise_bench.cot.rollout_log import Rollout
from rise_bench.rendering.line_chart import figure
from rise_bench.reports.run_report import read_metrics
from rise_bench.scoring.rewards import r1_reward


def cot_rollouts(cots: CotDataset, split: str = "train") -> list[Rollout]:
    """Return the rollouts of a dataset of chains of thought, the best first; equal ones in its order."""
    rollouts = [
        Rollout.from_json(row | {"step": json.loads(row["provenance"])["step"], "group": 0})
        for row in cots.rows(split=split)
    ]
    return sorted(rollouts, key=lambda rollout: -rollout.reward)


def answer_rollout(gold: Gold, text: str, answer_format: AnswerFormat) -> Rollout:
    """Return a response to a test sample as a rollout, rewarded by eq. 9."""
    verdict = r1_reward(gold, text, answer_format)
    return Rollout.of(verdict, id=gold.id, step=0, group=0, response=text)


def training_curves(rise_cot: Path | None, think_answer: Mapping[str, Path]) -> list[dict[str, str]]:
    """Return charts of the rewards of trainings.

    Args:
        rise_cot: Run folder of RISE-CoT; None without one.
        think_answer: Title -> run folder of the trainings that eq. 9 rewards.
    """

    def points(run: Path, name: str) -> list[tuple[float, float]]:
        return [(m["step"], float(m[name])) for m in read_metrics(run) if name in m]

    charts = []
    if rise_cot:
        charts.append(
            ("Reward of RISE-CoT", "eq. 1, mean of a step", {"RISE-CoT": points(rise_cot, "reward")})
        )
    if think_answer:
        series = {title: points(run, "reward") for title, run in think_answer.items()}
        charts.append(("Reward of think-answer training", "eq. 9; RISE starts from its SFT", series))
    if rise_cot:
        lost = {
            "leaks": points(rise_cot, "leak_numbers"),
            "format lost": [(x, 1 - y) for x, y in points(rise_cot, "format_ok")],
        }
        charts.append(("Leaks and lost formats of RISE-CoT", "share of rollouts", lost))
    return [figure(title, meaning, series, low=0.0, high=1.0) for title, meaning, series in charts]
