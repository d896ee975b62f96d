"""Example of a run for a model card: the data, the prompt, and one answer with its reward."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import render_gold
from rise_bench.catalog.benchmarks import texts_may_be_shown
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.catalog.stages import stages
from rise_bench.cot.rollout_log import Rollout, latest_rollouts
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.errors import RiseError
from rise_bench.hub.find import find_benchmark
from rise_bench.prompts.templates import RESPONSE_PROMPTS, reason_prompt


@dataclass(frozen=True, slots=True)
class Example:
    """An answer of the model to a training sample.

    Attributes:
        prompt: Prompt beside the image.
        answer: Answer of the model; empty if the run logged no answers.
        truth: Ground truth of the sample, in the format of an answer.
        reward: Reward of the answer.
    """

    prompt: str
    answer: str = ""
    truth: str = ""
    reward: float = 0.0


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Data of a run on this machine.

    Attributes:
        spec: The benchmark; None if it is not on this machine any more.
        example: The prompt, and the best of the last answers; None without the benchmark, and where its
            texts may not be republished.
    """

    spec: BenchmarkSpec | None = None
    example: Example | None = None


def run_facts(run: Path, recipe: Mapping[str, Any]) -> RunFacts:
    """Look at the benchmark and the logs of a run, as far as they are there.

    Args:
        run: Run folder.
        recipe: Its settings as a tree.
    """
    try:
        dataset = find_benchmark(recipe["data"]["benchmark"], images=False)
        golds = {gold.id: gold for gold in dataset.golds("train", recipe["data"]["shots"])}
    except RiseError:
        return RunFacts()
    rollouts = [rollout for rollout in latest_rollouts([run / "rollouts"]) if rollout.id in golds]
    best = max(rollouts[-_LATEST:], key=lambda rollout: rollout.reward, default=None)
    if not golds or not texts_may_be_shown(dataset.spec):
        return RunFacts(dataset.spec)
    return RunFacts(dataset.spec, _example(dataset, recipe, golds, best))


#: Rollouts at the end of a run from which the best is shown.
_LATEST = 64


def _example(
    dataset: BenchmarkDataset, recipe: Mapping[str, Any], golds: Mapping[str, Gold], rollout: Rollout | None
) -> Example:
    stage, model = stages().get(str(recipe["stage"])), recipe["model"]
    answer_format = AnswerFormat(unit=model["box_unit"], max_pixels=model["max_pixels"])
    gold = golds[rollout.id] if rollout else next(iter(golds.values()))
    if stage and stage.is_closed_loop:
        prompt = reason_prompt(dataset.spec, gold, answer_format)
    else:
        form = recipe.get("reward", {}).get("response_form", "")
        style = stage.style(form) if stage else answer_format.style
        prompt = RESPONSE_PROMPTS[style](dataset.spec, gold, answer_format)
    if rollout is None:
        return Example(prompt)
    answer = rollout.cot if rollout.response is None else rollout.response
    return Example(prompt, answer, render_gold(gold, answer_format), rollout.reward)
