"""Scores of the models of a run on own data, beside the baselines."""

from __future__ import annotations

from dataclasses import dataclass

from rise_bench.curation.own.plan import Plan
from rise_bench.data.dataset import open_dataset
from rise_bench.evaluation.responses import Responses, read_responses
from rise_bench.evaluation.score_run import ScoredRun, score_run
from rise_bench.files.atomic import atomic_write_text
from rise_bench.files.json_text import json_text


@dataclass(frozen=True, slots=True)
class ScoredModel:
    """A model that was scored: its name in the recipe's run, its responses, its scores."""

    name: str
    responses: Responses
    run: ScoredRun


def write_scores(plan: Plan) -> list[ScoredModel]:
    """Score the models whose evaluation is done, and write a file for each.

    Raises:
        DataError: An evaluation is incomplete.
    """
    jobs = plan.stages().get("eval", [])
    models = []
    for job in jobs:
        responses = read_responses(plan.folder.samples_file(job.name))
        name = job.name.removeprefix("eval_")
        models.append(ScoredModel(name, responses, score_run(responses, open_dataset(plan.dataset))))
    plan.scores.mkdir(exist_ok=True)
    for model in models:
        atomic_write_text(plan.scores / f"{model.name}.json", json_text(model.run.to_json()) + "\n")
    return models
