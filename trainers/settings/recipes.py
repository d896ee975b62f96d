"""Shipped recipes, composed of a place (benchmark or scale) and a stage: `emotion6/rise_cot`, `smoke/sft`.

The defaults of `TrainConfig` are the paper's values. On top of them come the settings of the scale
(`recipes/scales.yaml`), then those of the stage (`recipes/STAGE.yaml`). A benchmark has the scale that names
it, else `paper`, or `world` if it is drawn; a place may also be a scale itself.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from rise_bench.catalog.benchmarks import BENCHMARKS
from rise_bench.catalog.stages import Stage, get_stage, stages
from rise_bench.data.manifest import MANIFEST_NAME, read_manifest
from rise_bench.errors import ConfigError, DataError
from rise_bench.trainers.settings.nearest import nearest

_SCALES = Path(__file__).parents[1] / "recipes" / "scales.yaml"
#: Keys beside the settings.
_ABOUT = ("title", "notes", "benchmarks", "variants")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Composed recipe.

    Attributes:
        name: `PLACE/STAGE`, `PLACE/VARIANT`, or `PLACE/STAGE-VARIANT` with a variant of the scale.
        title: Title of the recipe.
        notes: Hardware, commands before and after, switches; by label.
        settings: Its settings, as the tree of a recipe file.
    """

    name: str
    title: str
    notes: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


def recipe_names() -> list[str]:
    """Names of the shipped recipes."""
    names = []
    for place, scale in _places().items():
        for stage in stages().values():
            variants = _of_stage(stage).get("variants", {}) if scale == "paper" else {}
            names += [f"{place}/{name}" for name in (stage.name, *variants)]
            names += [f"{place}/{stage.name}-{name}" for name in _variants_of_scale(scale)]
    return sorted(names)


def compose(name: str) -> Recipe:
    """Compose the recipe of a name, or raise `ConfigError` with the nearest name."""
    name = name.removesuffix(".yaml")
    place, _, last = name.partition("/")
    if name not in recipe_names():
        raise ConfigError(
            f"no recipe {name!r}{nearest(name, recipe_names())} (`rise-bench train --list` shows all)."
        )
    last, _, of_scale = last.partition("-")
    stage = next(s for s in stages().values() if last in (s.name, *_of_stage(s).get("variants", {})))
    scale, own = _places()[place], _of_stage(stage)
    variant = _variants_of_scale(scale).get(of_scale, {})
    layers = [_read(_SCALES)[scale], own.get("all"), own.get(scale), own.get("variants", {}).get(last)]
    title = own.get("title", stage.name) + variant.get("title", "")
    recipe = Recipe(name, title, settings={"stage": stage.name})
    for layer in filter(None, (*layers, variant)):
        settings = {key: value for key, value in layer.items() if key not in _ABOUT}
        merge(recipe.settings, settings)
        replaces = layer is variant
        for label, text in layer.get("notes", {}).items():
            before = "" if replaces else recipe.notes.get(label, "")
            recipe.notes[label] = "\n".join(filter(None, (before, text.strip())))
    for phase in {"sft", "grpo"} - set(stage.phases):
        recipe.settings.pop(phase, None)
    if place in BENCHMARKS:
        merge(recipe.settings, {"data": {"benchmark": place}})
    return recipe


def default_recipe(stage: str, benchmark: str) -> str:
    """Return the recipe of a stage for a benchmark (name or folder); own ones have the paper's scale."""
    folder = Path(benchmark).expanduser()
    name = folder.name
    if (folder / MANIFEST_NAME).is_file():
        with suppress(DataError):  # pre-flight reports what is wrong with it
            name = read_manifest(folder).benchmark.name
    return f"{name if name in BENCHMARKS else 'paper'}/{get_stage(stage).name}"


def merge(settings: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Put a tree of settings on top of another, in place."""
    for name, value in more.items():
        below = settings.get(name)
        if isinstance(value, Mapping) and isinstance(below, dict):
            merge(below, value)
        else:
            settings[name] = dict(value) if isinstance(value, Mapping) else value


def _places() -> dict[str, str]:
    """Scale of each place."""
    scales = _read(_SCALES)
    named = {name: scale for scale, own in scales.items() for name in own.get("benchmarks", ())}
    drawn = {name: "paper" if spec.source_url else "world" for name, spec in BENCHMARKS.items()}
    return drawn | named | {scale: scale for scale in scales}


def _variants_of_scale(scale: str) -> dict[str, Any]:
    """Variants that every stage has at a scale, by the end of their names."""
    variants: dict[str, Any] = _read(_SCALES)[scale].get("variants", {})
    return variants


def _of_stage(stage: Stage) -> dict[str, Any]:
    path = stage.file.parent / "recipes" / f"{stage.name}.yaml"
    return _read(path) if path.is_file() else {}


@functools.cache
def _read(path: Path) -> dict[str, Any]:
    tree: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return tree
