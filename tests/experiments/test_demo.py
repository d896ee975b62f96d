"""What the demo asks of its jobs; that they do it, tests/e2e/test_demo.py."""

from pathlib import Path

import pytest

from rise_bench.annotations.kinds import all_metrics
from rise_bench.experiments.comparison import Row
from rise_bench.experiments.demo import Demo, demo_jobs
from rise_bench.experiments.demo_report import _table
from rise_bench.scoring.bootstrap import Interval
from rise_bench.scoring.scores import Report
from rise_bench.trainers.settings.recipe_loader import load_config


@pytest.mark.parametrize(
    ("benchmark", "shots", "seed"), [("moods", "16-shot", 0), ("scenes", "4-shot", 3), ("kinds", "full", 1)]
)
def test_every_job_is_of_the_benchmark_shots_and_seed_that_were_asked_for(
    tmp_path: Path, benchmark: str, shots: str, seed: int
) -> None:
    demo = Demo(tmp_path, benchmark, shots, seed=seed)
    trained, scored = [], []
    for job in demo_jobs(demo):
        if job.arguments[0] == "train":
            config = load_config(job.arguments[3], job.arguments[4:])
            assert (Path(config.data.benchmark), config.data.shots) == (demo.cell.data, shots)
            assert config.seed == seed
            trained.append(job.arguments[1])
        elif job.arguments[0] == "eval":
            assert job.arguments[2] == f"rise_{benchmark}"
            scored.append(job.name)
    assert sorted(trained) == ["rise_cot", "rise_r1", "sft", "visual_rft"]
    assert sorted(scored) == ["eval_base", "eval_rise", "eval_sft", "eval_visual_rft"]


@pytest.mark.parametrize("steps", [120, 60])
def test_every_method_has_the_steps_that_were_asked_for(tmp_path: Path, steps: int) -> None:
    """In its recipe or, where others are asked for, as a setting: RISE-CoT a third, its policy the rest."""
    trained = {
        job.name: load_config(job.arguments[3], job.arguments[4:])
        for job in demo_jobs(Demo(tmp_path, steps=steps))
        if job.arguments[0] == "train"
    }
    assert trained["rise_cot"].grpo.steps == steps // 3
    assert trained["rise_r1"].sft.steps + trained["rise_r1"].grpo.steps == steps - steps // 3
    assert trained["visual_rft"].grpo.steps == trained["sft"].sft.steps == steps


@pytest.mark.parametrize(
    ("metric", "scores", "bold"),
    [
        ("jsd", {"rise": 0.2, "visual_rft": 0.1, "sft": 0.3}, ["visual_rft"]),
        ("jsd", {"rise": 0.1, "visual_rft": 0.2, "sft": 0.3}, ["rise"]),
        ("accuracy", {"rise": 0.2, "visual_rft": 0.1, "sft": 0.3}, ["sft"]),
        ("ap50", {"rise": 0.2, "visual_rft": 0.2, "sft": 0.1}, ["rise", "visual_rft"]),
    ],
)
def test_the_best_method_is_bold_whichever_it_is(
    metric: str, scores: dict[str, float], bold: list[str]
) -> None:
    """Floors and the optimum are no methods, however good."""

    def row(name: str, value: float, method: str = "") -> Row:
        return Row(name, Report("b", 9, {metric: Interval(value, value, value)}), method)

    others = [row("baseline: x", 0.0), row("Bayes optimum", 1.0)]
    methods = [row(name, value, name) for name, value in scores.items()]
    table = _table([*methods, *others], all_metrics()[metric])
    assert [cells[0] for kind, cells in table if kind == "best"] == bold
    assert [kind for kind, _ in table].count("baseline") == 2
