"""The recipe of a whole run on own data, `rise.yaml`: which pictures, which model, every stage."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from rise_bench.catalog.spec import ImagePolicy
from rise_bench.data.splits import Shots
from rise_bench.errors import ConfigError
from rise_bench.trainers.settings.config import TrainConfig
from rise_bench.trainers.settings.recipe_loader import all_keys, load_config, setting_problem
from rise_bench.trainers.settings.setting_checks import PHASE_CHECKS
from rise_bench.trainers.settings.setting_types import Listed, Number, Text

Texts = Annotated[tuple[str, ...], Listed]
Split = Literal["train", "test"]

#: Settings of `rise-bench train`, by section.
Settings = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DataSection:
    """Source of the dataset."""

    pictures: Text
    labels: Text = ""
    format: Text = ""
    question: Text = ""
    classes: Texts = ()
    test_fraction: Number = 0.3
    keep_empty: bool = False
    images: ImagePolicy = "reference"
    license: Text = "other"
    title: Text = ""
    citation: Text = ""
    source_url: Text = ""


@dataclass(frozen=True, slots=True)
class EndpointSection:
    """A model behind an OpenAI-compatible API that writes the chains of thought."""

    url: Texts
    model: Text
    api_key_env: Text = "OPENAI_API_KEY"
    concurrency: int = 16


@dataclass(frozen=True, slots=True)
class CollectSection:
    """The dataset of chains of thought."""

    samples: int = 8
    tau: Number = 0.75
    splits: Annotated[tuple[Split, ...], Listed] = ("train",)
    judge: Text = "none"
    allow_missing: bool = False


@dataclass(frozen=True, slots=True)
class EvalSection:
    """Scores on the test split."""

    batch_size: int = 1
    max_new_tokens: int = 512
    untrained: bool = True


@dataclass(frozen=True, slots=True)
class Recipe:
    """All settings of a run on own data; docs/own_data.md explains each.

    Attributes:
        name: Name of the dataset.
        data: Source of the dataset.
        out: Folder of all results, relative to the recipe.
        seed: Seed of splits and trainings.
        scale: Scale of the trainings' default settings: `paper`, `world`, `smoke`.
        shots: Training pictures: 4-shot, 16-shot or full.
        endpoint: Model that writes the chains of thought; None if RISE-CoT trains one.
        model: Settings of the model that both trainings start from.
        compute: Settings of both trainings on this machine.
        rise_cot: Settings of RISE-CoT; None without that training.
        collect: The dataset of chains of thought.
        rise_r1: Settings of RISE-R1; None without that training.
        eval: Settings of the evaluation; None for no scores.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: Text
    data: DataSection
    out: Text = "."
    seed: int = 0
    scale: Literal["paper", "world", "smoke"] = "paper"
    shots: Shots = "full"
    endpoint: EndpointSection | None = None
    model: Settings = field(default_factory=dict)
    compute: Settings = field(default_factory=dict)
    rise_cot: Settings | None = None
    collect: CollectSection = field(default_factory=CollectSection)
    rise_r1: Settings | None = None
    eval: EvalSection | None = None

    @property
    def trainings(self) -> dict[str, Settings]:
        """Settings of each training, by stage."""
        both = {"rise_cot": self.rise_cot, "rise_r1": self.rise_r1}
        return {stage: settings for stage, settings in both.items() if settings is not None}

    def training_settings(self, stage: str) -> Settings:
        """Settings of a training as a tree: what both share, and its own."""
        shared = {"model": self.model, "compute": self.compute}
        return {name: tree for name, tree in (shared | self.trainings[stage]).items() if tree}

    def training_config(self, stage: str, where: str = "rise.yaml") -> TrainConfig:
        """Settings of a training, resolved and checked.

        Raises:
            ConfigError: A key or a value is wrong.
        """
        trees = [
            (where, {"model": self.model, "compute": self.compute}),
            (f"{where}, {stage}", self.trainings[stage]),
        ]
        return load_config(f"{self.scale}/{stage}", (), trees)


_RECIPE = TypeAdapter(Recipe)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe and check every setting, those of the trainings included.

    Raises:
        ConfigError: It is missing or no YAML, has an unknown key or a value of another type, or asks for what
            cannot be.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read ({error}). Write one with `rise-bench init`.") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} is not a mapping of keys. Write one with `rise-bench init`.")
    # A section that is there and empty has the usual settings; one that is not there is left out.
    tree = {name: {} if value is None and name != "endpoint" else value for name, value in tree.items()}
    try:
        recipe = _RECIPE.validate_json(json.dumps(tree, default=str), strict=True)
    except ValidationError as error:
        problems = (setting_problem(e, [(str(path), tree)], _keys()) for e in error.errors())
        raise ConfigError("\n".join(dict.fromkeys(problems))) from error
    _check(recipe, path)
    return recipe


def recipe_tree(recipe: Recipe) -> dict[str, Any]:
    """The resolved recipe as plain JSON values, without the sections that are left out."""
    tree: dict[str, Any] = _RECIPE.dump_python(recipe, mode="json")
    return {name: value for name, value in tree.items() if value is not None}


def _keys() -> list[str]:
    sections = {"data": DataSection, "endpoint": EndpointSection, "collect": CollectSection}
    nested = {name: all_keys(kind, f"{name}.") for name, kind in (sections | {"eval": EvalSection}).items()}
    names = [part.name for part in dataclasses.fields(Recipe)]
    return [key for name in names for key in nested.get(name, [name])]


def _check(recipe: Recipe, path: Path) -> None:
    if (recipe.endpoint is None) == (recipe.rise_cot is None):
        both = "both" if recipe.endpoint else "neither"
        raise ConfigError(
            f"{path}: {both} of endpoint and rise_cot is there, and one of them writes the chains of "
            "thought. Keep one."
        )
    if recipe.endpoint and not recipe.endpoint.model:
        raise ConfigError(f"{path}: endpoint.model is empty. Give the name that the server knows it by.")
    if recipe.eval and recipe.rise_r1 is None:
        raise ConfigError(f"{path}: eval scores the model of rise_r1, and that is not there. Remove eval.")
    if not recipe.collect.splits:
        raise ConfigError(f"{path}: collect.splits is empty. Write [train], or [train, test].")
    if recipe.rise_r1 is not None and "train" not in recipe.collect.splits:
        raise ConfigError(f"{path}: rise_r1 trains on rows of train. Add train to collect.splits.")
    _check_numbers(recipe, path)
    for stage in recipe.trainings:
        config = recipe.training_config(stage, str(path))
        if config.compute.accelerate == "none":
            _check_phases(config)


def _check_phases(config: TrainConfig) -> None:
    """Refuse now what pre-flight of a later stage would refuse hours from now."""
    for phase in config.active_phases:
        for check in PHASE_CHECKS:
            check(config, phase, 1)


def _check_numbers(recipe: Recipe, path: Path) -> None:
    shares: Sequence[tuple[str, float]] = (
        ("data.test_fraction", recipe.data.test_fraction),
        ("collect.tau", recipe.collect.tau),
    )
    counts = {"collect.samples": recipe.collect.samples}
    if recipe.eval:
        counts |= {f"eval.{name}": getattr(recipe.eval, name) for name in ("batch_size", "max_new_tokens")}
    if recipe.endpoint:
        counts["endpoint.concurrency"] = recipe.endpoint.concurrency
    for name, value in shares:
        if not 0 <= value <= 1:
            raise ConfigError(f"{path}: {name} = {value}: it is a share. Set it between 0 and 1.")
    for name, count in counts.items():
        if count < 1:
            raise ConfigError(f"{path}: {name} = {count}: it must be at least 1. Set such a number.")
