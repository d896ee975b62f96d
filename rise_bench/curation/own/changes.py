"""Changes of a recipe or its data since its stages ran, and the stages to repeat."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rise_bench.curation.decisions import refuse_decided
from rise_bench.curation.own.plan import Plan
from rise_bench.curation.own.recipe import recipe_tree
from rise_bench.errors import ConfigError
from rise_bench.files.atomic import atomic_write_text, sha256_bytes, sha256_once
from rise_bench.files.json_text import json_text

#: Stages and settings that decide what is sampled. Whatever else changes, rollouts and answers stay good.
_SAMPLED_FROM = {"build", "rise_cot"}
_SAMPLED_BY = {"shots", "endpoint.model", "collect.samples"}

_CONTENT = "files of data.pictures and data.labels"


@dataclass(frozen=True, slots=True)
class Changes:
    """Difference between a recipe and what its folder was made with.

    Attributes:
        settings: Dotted keys that differ, each with the value before and now.
        stages: Stages that ran and have to be repeated, in order.
    """

    settings: Mapping[str, tuple[Any, Any]]
    stages: tuple[str, ...]

    @property
    def text(self) -> str:
        """Description of the changes."""
        parts = [f"{key} was {_shown(old)}, is {_shown(new)}" for key, (old, new) in self.settings.items()]
        return "; ".join(parts) or "the folder lies elsewhere, or rise-bench is another version"


def find_changes(plan: Plan) -> Changes:
    """Compare a recipe with the records of the stages that ran."""
    before, now = _read(plan), _fingerprint(plan)
    old, new = dict(_flat(before)), dict(_flat(now))
    if not (_CONTENT in now and _CONTENT in old):  # the pictures are, or were, elsewhere: what is built stays
        old.pop(_CONTENT, None)
        new.pop(_CONTENT, None)
    settings = {
        key: (old.get(key), new.get(key)) for key in sorted(old | new) if old and old.get(key) != new.get(key)
    }
    touched: set[str] = set()
    stages = []
    for stage, jobs in plan.stages().items():
        names = {job.name for job in jobs}
        changed = any(_arguments(plan, job.name) not in (None, list(job.arguments)) for job in jobs)
        changed |= stage == "build" and _CONTENT in settings
        if changed or any(set(job.needs) & touched for job in jobs):
            touched |= names
            if any(_arguments(plan, name) is not None for name in names):
                stages.append(stage)
    return Changes(settings, tuple(stages))


def refuse_changes(plan: Plan) -> None:
    """Refuse a recipe that would repeat what is done.

    Raises:
        ConfigError: It would; the message holds what changed, and the stages.
    """
    changes = find_changes(plan)
    if changes.stages:
        raise ConfigError(
            f"{plan.file} changed since {plan.out} was made with it: {changes.text}. Stages to repeat: "
            f"{', '.join(changes.stages)}. Pass --repeat to delete what they made and repeat them, undo the "
            "change, or give another `out`."
        )


def discard(plan: Plan, changes: Changes) -> None:
    """Delete the output and the records of the stages that have to be repeated.

    The records go last, so that a killed start leaves something to be repeated.

    Raises:
        ConfigError: People's decisions would be deleted too.
    """
    stages = plan.stages()
    if "collect" in changes.stages:
        refuse_decided(plan.cots)
    valid = _SAMPLED_FROM.isdisjoint(changes.stages) and _SAMPLED_BY.isdisjoint(changes.settings)
    for stage in reversed(changes.stages):
        for path in plan.outputs(stage):
            if path.name.endswith(".rollouts") and valid:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        for path in (plan.page, *plan.scores.glob("*.json")):  # of a model that is no longer there
            path.unlink(missing_ok=True)
        for job in stages[stage]:
            plan.folder.log(job.name).unlink(missing_ok=True)
            (plan.folder.path / f"{job.name}.json").unlink(missing_ok=True)


def record(plan: Plan) -> None:
    """Write down the recipe that the stages run with; what is known of pictures that are away stays."""
    known = {name: value for name, value in _read(plan).items() if name == _CONTENT}
    atomic_write_text(_path(plan), json_text(known | _fingerprint(plan)) + "\n")


def _path(plan: Plan) -> Path:
    return plan.out / "recipe.json"


def _read(plan: Plan) -> dict[str, Any]:
    path = _path(plan)
    try:
        tree: Any = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError:
        tree = {}
    return tree if isinstance(tree, dict) else {}


def _fingerprint(plan: Plan) -> dict[str, Any]:
    """The resolved recipe, and what the files of the data hold, as far as they are there."""
    tree = recipe_tree(plan.recipe)
    labels = plan.labels
    if not plan.pictures.is_dir() or (labels and not labels.exists()):
        return tree
    listed = [
        f"{path.relative_to(plan.pictures).as_posix()} {path.stat().st_size}"
        for path in sorted(plan.pictures.rglob("*"))
        if path.is_file() and not path.resolve().is_relative_to(plan.out)
    ]
    if labels:
        files = [labels] if labels.is_file() else sorted(p for p in labels.rglob("*") if p.is_file())
        listed += [sha256_once(path) for path in files]
    return tree | {_CONTENT: sha256_bytes("\n".join(listed).encode())[:16]}


def _arguments(plan: Plan, job: str) -> list[str] | None:
    """Arguments that a job was started with; None if it was not."""
    path = plan.folder.path / f"{job}.json"
    return json.loads(path.read_text(encoding="utf-8"))["arguments"] if path.is_file() else None


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _shown(value: Any) -> str:
    return "not there" if value is None else json.dumps(value)
