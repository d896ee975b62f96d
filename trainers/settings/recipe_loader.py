"""Recipes: YAML files with the sections of `TrainConfig`, and `key=value` overrides on top of them."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import yaml

from rise_bench.catalog.benchmarks import BENCHMARKS
from rise_bench.catalog.stages import PHASES
from rise_bench.data.manifest import MANIFEST_NAME, read_manifest
from rise_bench.errors import ConfigError, DataError
from rise_bench.trainers.settings.config import DataConfig, TrainConfig

RECIPES_DIR = Path(__file__).parents[1] / "recipes"


def recipe_names() -> list[str]:
    """Names of the shipped recipes, e.g. `emotion6/rise_cot`."""
    return sorted(p.relative_to(RECIPES_DIR).with_suffix("").as_posix() for p in RECIPES_DIR.glob("*/*.yaml"))


def find_recipe(name: str) -> Path:
    """The file of a recipe given by name (`emotion6/rise_cot`) or by path.

    Raises:
        ConfigError: Neither a file nor a shipped recipe; the message names the nearest one.
    """
    shipped = RECIPES_DIR / f"{name.removesuffix('.yaml')}.yaml"
    for path in (Path(name), shipped):
        if path.is_file():
            return path
    raise ConfigError(
        f"no recipe {name!r}{_nearest(name, recipe_names())} (`rise-bench train --list` shows all)."
    )


def load_config(recipe: str | Path | None = None, overrides: Iterable[str] = ()) -> TrainConfig:
    """Read a recipe, apply `key=value` overrides, check every key and type.

    `{benchmark}` and `{shots}` in data.cots and data.expert_cots stand for data.benchmark (its last part) and
    data.shots.

    Args:
        recipe: Name of a shipped recipe or path of a YAML file; None starts from the paper's defaults.
        overrides: Dotted assignments such as `data.shots=4-shot`; values are YAML, but a text
            without quotes is taken as it stands.

    Raises:
        ConfigError: Unknown key, wrong type, or a combination that makes no sense.
    """
    settings: dict[str, Any] = {}
    if recipe is not None:
        path = find_recipe(str(recipe))
        try:
            tree = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except yaml.YAMLError as error:
            raise ConfigError(f"{path} is not YAML: {error}. Mend the file.") from error
        settings = _checked(TrainConfig, tree, "", str(path))
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"override {text!r} is not key=value. Write e.g. grpo.learning_rate=1e-5.")
        names = key.strip().split(".")
        plain = _hint_of(names) is str and not value.startswith(("'", '"'))
        branch: Any = value if plain else _scalar(value)
        for part in reversed(names):
            branch = {part: branch}
        _merge(settings, _checked(TrainConfig, branch, "", f"override {text!r}"))
    config: TrainConfig = _replaced(TrainConfig(), settings)
    return _filled_in(config)


def default_recipe(stage: str, overrides: Sequence[str]) -> str:
    """Name of the shipped recipe of a stage for the benchmark that the overrides name.

    Args:
        stage: A stage.
        overrides: `key=value`; the last `data.benchmark`, by name or folder, counts.

    Returns:
        The recipe of the benchmark if there is one, that of the drawn benchmarks for one of these, else that
        of emotion6, which holds the paper's settings.

    Raises:
        ConfigError: There is no such stage.
    """
    if stage not in PHASES:
        raise ConfigError(f"no stage {stage!r}; choose one of {', '.join(PHASES)}.")
    given = [text.partition("=")[2] for text in overrides if text.startswith("data.benchmark=")]
    benchmark = given[-1] if given else DataConfig().benchmark
    name = Path(benchmark).name
    if (Path(benchmark) / MANIFEST_NAME).is_file():
        with suppress(DataError):  # pre-flight says what is wrong with it
            name = read_manifest(Path(benchmark)).benchmark.name
    drawn = name in BENCHMARKS and not BENCHMARKS[name].source_url
    recipe = f"{'world' if drawn else name}/{stage}"
    return recipe if recipe in recipe_names() else f"{DataConfig().benchmark}/{stage}"


def _filled_in(config: TrainConfig) -> TrainConfig:
    """The config with `{benchmark}` and `{shots}` in the paths of its CoT datasets filled in."""
    data = config.data

    def filled(path: str) -> str:
        return path.replace("{benchmark}", Path(data.benchmark).name).replace("{shots}", data.shots)

    paths = dataclasses.replace(data, cots=filled(data.cots), expert_cots=filled(data.expert_cots))
    return dataclasses.replace(config, data=paths)


def dump_config(config: TrainConfig) -> str:
    """The resolved config as YAML; `load_config` reads it back to an equal value."""
    text: str = yaml.safe_dump(_plain(config), sort_keys=False, allow_unicode=True)
    return text


def all_keys(kind: Any = TrainConfig, prefix: str = "") -> list[str]:
    """Every dotted key, in the order of the dataclasses."""
    keys: list[str] = []
    for name, hint in get_type_hints(kind).items():
        keys += all_keys(hint, f"{prefix}{name}.") if dataclasses.is_dataclass(hint) else [f"{prefix}{name}"]
    return keys


def _checked(kind: Any, tree: Any, prefix: str, where: str) -> dict[str, Any]:
    """The tree with every key known and every value of its type."""
    if not isinstance(tree, Mapping):
        raise ConfigError(
            f"{where}: {prefix.rstrip('.') or 'the file'} must be a mapping of keys, not {tree!r}. "
            "Write key: value, e.g. grpo.steps=200."
        )
    hints = get_type_hints(kind)
    settings: dict[str, Any] = {}
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if name not in hints:
            raise ConfigError(f"{where}: unknown key {key!r}{_nearest(key, all_keys())}")
        if dataclasses.is_dataclass(hints[name]):
            settings[name] = _checked(hints[name], value, f"{key}.", where)
        else:
            settings[name] = _coerce(hints[name], value, key, where)
    return settings


def _hint_of(names: Iterable[str]) -> Any:
    """Type of the setting with this dotted name; None if there is none."""
    kind: Any = TrainConfig
    for name in names:
        kind = get_type_hints(kind).get(name) if dataclasses.is_dataclass(kind) else None
    return kind


def _merge(settings: dict[str, Any], more: dict[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, dict):
            _merge(settings.setdefault(name, {}), value)
        else:
            settings[name] = value


def _replaced(current: Any, settings: dict[str, Any]) -> Any:
    changes = {
        n: _replaced(getattr(current, n), v) if isinstance(v, dict) else v for n, v in settings.items()
    }
    return dataclasses.replace(current, **changes)


def _coerce(hint: Any, value: Any, key: str, where: str) -> Any:
    if get_origin(hint) is Literal:
        if value in get_args(hint):
            return value
        raise ConfigError(f"{where}: {key} = {value!r}; choose one of {', '.join(map(str, get_args(hint)))}.")
    if isinstance(hint, UnionType):  # a value or nothing
        return None if value is None else _coerce(get_args(hint)[0], value, key, where)
    if get_origin(hint) is tuple:
        items = value if isinstance(value, list | tuple) else [value]
        return tuple(_coerce(get_args(hint)[0], item, key, where) for item in items)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if hint is float and isinstance(value, str):  # YAML 1.1 reads 2e-5, which has no dot, as text
        try:
            return float(value)
        except ValueError:
            pass
    elif type(value) is hint:
        return value
    elif hint is str and value is None:
        return ""
    raise ConfigError(
        f"{where}: {key} = {value!r} is not of type {_type_name(hint)}. Give a {_type_name(hint)}."
    )


def _scalar(text: str) -> Any:
    try:
        return yaml.safe_load(text) if text else ""
    except yaml.YAMLError:
        return text


def _type_name(hint: Any) -> str:
    return {str: "text", int: "whole number", float: "number", bool: "true or false"}.get(hint, str(hint))


def _nearest(name: str, names: list[str]) -> str:
    by_leaf = {n.rsplit(".", 1)[-1]: n for n in reversed(names)}
    sections = {n.split(".", 1)[0]: n.split(".", 1)[0] for n in names}
    leaf = name.rsplit(".", 1)[-1]
    for wanted, options in ((name, {n: n for n in names}), (leaf, by_leaf), (name, sections)):
        if near := difflib.get_close_matches(wanted, options, n=1):
            return f"; did you mean {options[near[0]]!r}?"
    return f"; there is: {', '.join(sections)}"


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return list(value) if isinstance(value, tuple) else value
