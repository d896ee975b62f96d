"""Measurements of a method at a number of shots and a seed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import kind_of
from rise_bench.catalog.benchmarks import is_own
from rise_bench.cot.dataset import open_cots
from rise_bench.cot.rollout_log import latest_rollouts
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.evaluation.responses import read_responses, score_responses
from rise_bench.evaluation.score_run import score_baselines
from rise_bench.experiments.cell import Cell, Method
from rise_bench.experiments.comparison import checked, samples_file
from rise_bench.experiments.methods import find_method
from rise_bench.experiments.study.grid import Study
from rise_bench.experiments.study.settings import COT_TRAINING
from rise_bench.scoring.scores import SampleScore, aggregate
from rise_bench.synthetic import fact_check


@dataclass(frozen=True, slots=True)
class Result:
    """Row of results.jsonl.

    Attributes:
        benchmark: Name of the benchmark.
        budget: steps, time or paper; empty for baselines.
        shots: Number of shots; empty for baselines.
        seed: Seed of pictures and training.
        method: Name of the method, or `floor:` and the name of a baseline.
        numbers: Measured numbers by name; absent if not applicable.
        metric: Name of the ranking metric of a benchmark of the user's own; empty for the catalogue's.
    """

    benchmark: str
    budget: str
    shots: str
    seed: int
    method: str
    numbers: Mapping[str, float]
    metric: str = ""

    @property
    def key(self) -> tuple[str, str, str, int, str]:
        """Identity of the measurement."""
        return (self.benchmark, self.budget, self.shots, self.seed, self.method)

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain JSON values, numbers beside the rest."""
        row = asdict(self)
        numbers: dict[str, float] = row.pop("numbers")
        if not self.metric:
            del row["metric"]
        return row | numbers

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "Result":
        """Return the result of a row."""
        where = {name: row[name] for name in ("benchmark", "budget", "shots", "seed", "method")}
        where["metric"] = row.get("metric", "")
        return cls(**where, numbers={name: v for name, v in row.items() if name not in where})


def measure(study: Study, dataset: BenchmarkDataset, seed: int, shots: str, method: str) -> Result:
    """Measure a method with finished jobs.

    Raises:
        DataError: Its evaluation is missing or incomplete.
    """
    cell, chosen, golds = study.cell(method, shots, seed), find_method(method), dataset.golds("test")
    responses = read_responses(samples_file(cell, method, study.jobs_folder))
    scores = score_responses(responses, golds, dataset.sha256)
    report = aggregate(dataset.spec, golds, scores, resamples=0)
    numbers = {name: interval.value for name, interval in report.metrics.items()}
    checks = checked(responses.answer_format, scores, dataset)
    if checks is not None:
        numbers |= _truth(checks, "cot")
    excess = excess_entropy(golds, scores)
    if excess is not None:
        numbers["excess_entropy"] = excess
    numbers |= _kept(chosen, cell, dataset) | _rolled_out(chosen, cell, dataset)
    # a model of a phase before the last did not take the seconds of the whole run
    if chosen.taken_after is None:
        seconds = [study.jobs_folder.seconds(job.name) for job in chosen.trainings(cell)]
        numbers["train_seconds"] = round(sum(seconds), 1)
    return Result(study.benchmark, study.budget, shots, seed, method, numbers, _recorded_metric(dataset))


def measure_baselines(benchmark: str, dataset: BenchmarkDataset, seed: int) -> list[Result]:
    """Score the constant predictors on the test pictures of a seed."""
    metric, recorded = dataset.spec.metric, _recorded_metric(dataset)
    return [
        Result(benchmark, "", "", seed, f"floor:{name}", {metric: report.metrics[metric].value}, recorded)
        for name, report in score_baselines(dataset, resamples=0).items()
    ]


def _recorded_metric(dataset: BenchmarkDataset) -> str:
    return dataset.spec.metric if is_own(dataset.spec) else ""


def excess_entropy(golds: Sequence[Gold], scores: Sequence[SampleScore]) -> float | None:
    """Return the mean entropy of stated annotations minus that of the ground truth, in nats.

    Above 0 a model hedges. Unreadable answers and answers without mass are left out; 0 if no answer is left,
    None for a kind without entropy.
    """
    true = {gold.id: kind_of(gold.annotation).entropy(gold.annotation) for gold in golds}
    if None in true.values():
        return None
    stated = [(score.id, kind_of(score.stated).entropy(score.stated)) for score in scores if score.stated]
    excesses = [value - (true[uid] or 0.0) for uid, value in stated if value is not None]
    return fmean(excesses) if excesses else 0.0


def _rolled_out(method: Method, cell: Cell, dataset: BenchmarkDataset) -> dict[str, float]:
    """Return the share of false statements in all rollouts of RISE-CoT's training."""
    runs = [cell.run(job) for job, _ in method.phases if job.startswith(COT_TRAINING)]
    if not runs or not fact_check.has_facts(dataset):
        return {}
    count = fact_check.count_statements
    texts = ((rollout.id, rollout.cot) for rollout in latest_rollouts(run / "rollouts" for run in runs))
    return _truth(count(texts, dataset, "train"), "rollout")


def _truth(checks: Any, of: str) -> dict[str, float]:
    """Return statements per text and the share of false ones, absent without statements."""
    numbers = {f"false_statements_per_{of}": checks.false_per_text}
    if checks.statements:
        numbers |= {
            f"statements_per_{of}": checks.per_text,
            f"false_share_of_{of}_statements": checks.rate,
        }
    return numbers


def _kept(method: Method, cell: Cell, dataset: BenchmarkDataset) -> dict[str, float]:
    """Return measurements of the chains of thought of the SFT phase."""
    if method.cots is None:
        return {}
    cots = open_cots(method.cots(cell))
    thresholds = {
        "reward": method.tau,
        cots.threshold_column: method.min_groundedness and method.min_groundedness(cell),
        "reward_blind": method.min_reward_blind,
    }
    asked = {column: threshold for column, threshold in thresholds.items() if threshold is not None}
    rows = list(cots.rows(columns=["id", "cot", "leak_numbers", *asked]))
    kept = [
        row
        for row in rows
        if all(row[name] is not None and row[name] >= threshold for name, threshold in asked.items())
    ]
    numbers: dict[str, float] = {}
    if fact_check.has_facts(dataset):
        texts = ((row["id"], row["cot"]) for row in kept)
        numbers = _truth(fact_check.count_statements(texts, dataset, "train"), "kept_cot")
    if kept:
        numbers["leaking_share_of_kept_cots"] = fmean(row["leak_numbers"] for row in kept)
    if method.tau is not None:
        numbers["share_kept"] = len(kept) / len(rows)
    return numbers
