"""The card of a trained model: recipe, data, scores with intervals and floors, limits, loading, citation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from rise_bench.annotations.kinds import all_metrics
from rise_bench.hub.dataset_card import CITATION
from rise_bench.rendering.markdown import code, fenced, inline


@dataclass(frozen=True, slots=True)
class DatasetPin:
    """A dataset on the Hub at a commit; `content_sha256` is what its manifest says at that commit."""

    repo_id: str
    commit: str
    content_sha256: str


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the card of a model is written from.

    Attributes:
        repo_id: Where the model goes.
        recipe: The resolved config, as `RUN/config.yaml` has it.
        run: Versions, git state and prompt hashes, as `RUN/run.json` has them.
        scores: Scored runs, as `rise-bench score --json` prints them.
        pins: Datasets that the model was trained or scored on.
    """

    repo_id: str
    recipe: Mapping[str, Any]
    run: Mapping[str, Any]
    scores: Sequence[Mapping[str, Any]]
    pins: Sequence[DatasetPin]


def model_card(facts: ModelFacts) -> str:
    """Write the card; the same facts give the same text."""
    front = yaml.safe_dump(_metadata(facts), sort_keys=False, allow_unicode=True)
    base = facts.recipe["model"]["name"]
    sections = {
        "Loading": _loading(facts.repo_id),
        "Scores": _scores(facts),
        "Data": _data(facts),
        "Recipe": fenced(yaml.safe_dump(dict(facts.recipe), sort_keys=False), "yaml"),
        "Made with": _made_with(facts.run),
        "Known limits": _LIMITS,
        "Citation": CITATION,
    }
    intro = (
        f"{code(str(base))}, trained with the stage {code(str(facts.recipe['stage']))} of "
        "[RISE](https://arxiv.org/abs/2508.13229) to annotate images with reasons: it answers "
        "`<think>reasoning</think><answer>annotation</answer>`."
    )
    body = "\n\n".join(f"## {name}\n\n{text.strip()}" for name, text in sections.items())
    return f"---\n{front}---\n\n# {inline(facts.repo_id.partition('/')[2])}\n\n{intro}\n\n{body}\n"


def _metadata(facts: ModelFacts) -> dict[str, Any]:
    base = str(facts.recipe["model"]["name"])
    found: dict[str, Any] = {"library_name": "transformers", "pipeline_tag": "image-text-to-text"}
    if base.count("/") == 1 and not base.startswith((".", "/")):
        found |= {"base_model": base, "base_model_relation": "finetune"}
    if facts.pins:
        found["datasets"] = list(dict.fromkeys(pin.repo_id for pin in facts.pins))
    return found | {"tags": ["rise-bench", "vision-language", str(facts.recipe["stage"]), "arxiv:2508.13229"]}


def _loading(repo_id: str) -> str:
    return f"""```python
from transformers import AutoModelForImageTextToText, AutoProcessor

model = AutoModelForImageTextToText.from_pretrained("{repo_id}")
processor = AutoProcessor.from_pretrained("{repo_id}", padding_side="left")
```"""


def _scores(facts: ModelFacts) -> str:
    if not facts.scores:
        return "Not scored yet."
    parts, metrics = [], all_metrics()
    for score in facts.scores:
        names = [name for name in metrics if name in score["metrics"]]
        heads = (f"{name} {metrics[name].arrow}" for name in names)
        lines = [
            f"| {inline(str(score['benchmark']))} | {' | '.join(heads)} |",
            "|---" * (len(names) + 1) + "|",
        ]
        lines.append(f"| this model | {' | '.join(_interval(score['metrics'][name]) for name in names)} |")
        for floor, report in sorted(score["floors"].items()):
            cells = [_interval(report["metrics"][n]) if n in report["metrics"] else "" for n in names]
            lines.append(f"| floor: {inline(floor)} | {' | '.join(cells)} |")
        against = f" Win-rate against {code(str(score['reference']))}." if score.get("reference") else ""
        samples = inline(str(score["samples"]))
        note = f"{samples} samples, 95% bootstrap intervals.{against}"
        parts.append("\n".join(lines) + f"\n\n{note}")
    return "\n\n".join(parts) + "\n\nClaimed by whoever published this model; a leaderboard recomputes them."


def _interval(found: Mapping[str, Any]) -> str:
    if found["low"] is None or found["high"] is None:
        return f"{found['value']:.4f}"
    return f"{found['value']:.4f} [{found['low']:.4f}, {found['high']:.4f}]"


def _data(facts: ModelFacts) -> str:
    lines = [
        f"- {code(pin.repo_id)} at commit {code(pin.commit)}, content sha256 {code(pin.content_sha256)}"
        for pin in facts.pins
    ]
    pinned = {pin.content_sha256 for pin in facts.pins}
    lines += [
        f"- {inline(str(score['benchmark']))}, content sha256 {code(str(score['dataset_sha256']))} "
        "(not named on the Hub)"
        for score in facts.scores
        if score["dataset_sha256"] not in pinned
    ]
    data = facts.recipe["data"]
    trained = f"- trained on: {inline(str(data['benchmark']))}, {inline(str(data['shots']))}"
    return "\n".join([trained, *lines])


def _made_with(run: Mapping[str, Any]) -> str:
    rows = sorted(run.get("versions", {}).items())
    git = run.get("git")
    if git:
        rows.append(("commit of rise-bench", f"{git['commit']}{' (changed)' if git['dirty'] else ''}"))
    rows += [(f"prompts, {name}", value) for name, value in sorted(run.get("prompt_hashes", {}).items())]
    lines = [f"| {inline(name)} | {inline(str(value))} |" for name, value in rows]
    return "\n".join(["| | |", "|---|---|", *lines])


_LIMITS = """- A reasoned answer need not be true: the reward sees the annotation, not whether reasons hold.
- Boxes are in the unit that the recipe names (`model.box_unit`); read in another, they are wrong.
- The model inherits the limits and the licence terms of its base model and of the training data."""
