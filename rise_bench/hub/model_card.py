"""Card of a trained model: recipe, data, scores beside baselines, limits, loading, citation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from rise_bench.annotations.kinds import all_metrics
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.catalog.stages import stages
from rise_bench.data.card import card_title, source_line
from rise_bench.data.hub_files import check_repo_id
from rise_bench.hub.run_example import RunFacts
from rise_bench.rendering.markdown import Markdown
from rise_bench.rendering.render import render


@dataclass(frozen=True, slots=True)
class DatasetPin:
    """Dataset on the Hub at a commit.

    Attributes:
        repo_id: Its repository.
        commit: The commit.
        content_sha256: Hash of its content.
        tests: Benchmark by content hash, a further one for each further test.
        withheld: Whether its test annotations are placeholders.
    """

    repo_id: str
    commit: str
    content_sha256: str
    tests: Mapping[str, str] = field(default_factory=dict)
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Contents of a model card.

    Attributes:
        repo_id: Repository of the model.
        recipe: Resolved config, `RUN/config.yaml`.
        run: Versions, git state and prompt hashes, `RUN/run.json`.
        scores: Scored runs, the output of `rise-bench score --json`.
        pins: Datasets of training and scoring.
        base: Initial model of the first training.
        license: Licence identifier of the model; empty if unknown.
        is_adapter: Whether it is an adapter of its base model.
        of_run: Known facts of the run's data.
    """

    repo_id: str
    recipe: Mapping[str, Any]
    run: Mapping[str, Any]
    scores: Sequence[Mapping[str, Any]]
    pins: Sequence[DatasetPin]
    base: str = ""
    license: str = ""
    is_adapter: bool = False
    of_run: RunFacts = field(default_factory=RunFacts)


_ANSWERS = "<think>reasoning</think><answer>annotation</answer>"

#: Purpose of a model by the form in which it answers.
_DOES = {
    "think_answer": f"to annotate images with reasons: it answers `{_ANSWERS}`",
    "caption": "to annotate images with reasons: it answers "
    f"`<summary>task</summary><caption>description</caption>{_ANSWERS}`",
    "answer_only": "to annotate images: it answers `<answer>annotation</answer>`",
    "closed_loop": "to explain annotations of images without giving them away, and to reconstruct them",
}


def _does(recipe: Mapping[str, Any]) -> str:
    stage = stages().get(str(recipe.get("stage")))
    if stage is None:
        return _DOES["think_answer"]
    form = (recipe.get("reward") or {}).get("response_form", "")
    return _DOES["closed_loop" if stage.is_closed_loop else stage.style(form)]


def model_card(facts: ModelFacts) -> str:
    """Return the text of the card."""
    pinned = {content for pin in facts.pins for content in (pin.content_sha256, *pin.tests)}
    body = render(
        "model_card.md.j2",
        name=facts.repo_id.partition("/")[2],
        repo_id=Markdown(check_repo_id(facts.repo_id)),
        base=_base(facts),
        adapter_of=Markdown(check_repo_id(_base(facts))) if facts.is_adapter else "",
        does=Markdown(_does(facts.recipe)),
        license=facts.license,
        spec=facts.of_run.spec,
        data_title=card_title(facts.of_run.spec) if facts.of_run.spec else "",
        source=_source(facts.of_run.spec),
        example=facts.of_run.example,
        recipe=facts.recipe,
        recipe_yaml=yaml.safe_dump(dict(facts.recipe), sort_keys=False),
        scores=[_score(score) for score in facts.scores],
        pins=facts.pins,
        unpinned=[
            (score["benchmark"], str(score["dataset_sha256"]))
            for score in facts.scores
            if score["dataset_sha256"] not in pinned
        ],
        versions=facts.run.get("versions", {}),
        git=facts.run.get("git"),
        prompt_hashes=facts.run.get("prompt_hashes", {}),
    )
    return f"---\n{yaml.safe_dump(_metadata(facts), sort_keys=False, allow_unicode=True)}---\n{body}"


def _metadata(facts: ModelFacts) -> dict[str, Any]:
    base = _base(facts)
    library = "peft" if facts.is_adapter else "transformers"
    metadata: dict[str, Any] = {"library_name": library, "pipeline_tag": "image-text-to-text"}
    relation = "adapter" if facts.is_adapter else "finetune"
    if base.count("/") == 1 and not base.startswith((".", "/")):
        metadata |= {"base_model": base, "base_model_relation": relation}
    if facts.license:
        metadata["license"] = facts.license
    if facts.pins:
        metadata["datasets"] = list(dict.fromkeys(pin.repo_id for pin in facts.pins))
    return metadata | {
        "tags": ["rise-bench", "vision-language", str(facts.recipe["stage"]), "arxiv:2508.13229"]
    }


def _base(facts: ModelFacts) -> str:
    return facts.base or str(facts.recipe["model"]["name"])


def _source(spec: BenchmarkSpec | None) -> Markdown:
    """Return the source of the data; empty if unknown."""
    return source_line(spec) if spec else Markdown("")


def _score(score: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table of a scored run: metrics as columns, model and baselines as rows."""
    metrics = {name: metric for name, metric in all_metrics().items() if name in score["metrics"]}
    reports = {"this model": score} | {f"baseline: {name}": r for name, r in sorted(score["floors"].items())}
    rows = [
        (title, [_interval(report["metrics"][n]) if n in report["metrics"] else "" for n in metrics])
        for title, report in reports.items()
    ]
    return {
        **{k: score.get(k) for k in ("benchmark", "samples", "reference", "split")},
        "metrics": metrics.values(),
        "rows": rows,
    }


def _interval(metric: Mapping[str, Any]) -> Markdown:
    if metric["low"] is None or metric["high"] is None:
        return Markdown(f"{metric['value']:.4f}")
    return Markdown(f"{metric['value']:.4f} [{metric['low']:.4f}, {metric['high']:.4f}]")
