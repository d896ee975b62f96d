"""Settings of a run: a shipped recipe or a YAML file with the sections of `TrainConfig`, then `key=value`.

pydantic checks keys and types; a value that YAML reads as another type than the setting has is an error.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from rise_bench.errors import ConfigError
from rise_bench.trainers.settings.config import DataConfig, TrainConfig
from rise_bench.trainers.settings.nearest import nearest
from rise_bench.trainers.settings.recipes import Recipe, compose, default_recipe, merge

_CONFIG = TypeAdapter(TrainConfig)

#: Beginning of pydantic's name of an error -> the type that was expected.
_TYPES = {"string": "a text", "int": "a whole number", "float": "a number", "bool": "true or false"}

#: A setting of earlier versions -> the one that replaced it.
_REPLACED = {"grpo.dedup_images": "grpo.prefix_tree"}

#: Sections in which the scales differ.
_OF_SCALE = ("model", "reward", "sft", "grpo", "compute")


def load_config(
    recipe: str | Path | None = None,
    overrides: Iterable[str] = (),
    trees: Iterable[tuple[str, Mapping[str, Any]]] = (),
) -> TrainConfig:
    """Read a recipe, apply `key=value` overrides, check every key and type.

    `{benchmark}` and `{shots}` in data.cots and data.expert_cots stand for data.benchmark (its last part) and
    data.shots.

    Args:
        recipe: Name of a shipped recipe or path of a YAML file; None starts from the paper's defaults.
        overrides: Dotted assignments such as `data.shots=4-shot`; values are YAML, but unquoted texts are
            literal.
        trees: Settings between recipe and overrides, each with its source for messages.

    Raises:
        ConfigError: Unknown key, wrong type, or an invalid combination.
    """
    layers = [] if recipe is None else [_recipe_layer(str(recipe))]
    layers += list(trees)
    layers += [(f"override {text!r}", _override(text)) for text in overrides]
    settings: dict[str, Any] = {}
    for where, tree in layers:
        if not isinstance(tree, dict):
            raise ConfigError(f"{where} must be a mapping of keys, not {tree!r}. Write key: value.")
        merge(settings, tree)
    try:
        config = _CONFIG.validate_json(json.dumps(settings, default=str), strict=True)
    except ValidationError as error:
        raise ConfigError(
            "\n".join(setting_problem(e, layers, all_keys()) for e in error.errors())
        ) from error
    return _filled_in(config)


def load_recorded(path: Path) -> TrainConfig:
    """Read the config that a run recorded, with settings of earlier versions under their present names."""
    tree = _recipe_layer(str(path))[1]
    for old, new in _REPLACED.items():
        section, key = old.split(".")
        if isinstance(tree, dict) and key in (values := tree.get(section) or {}):
            values[new.split(".")[1]] = values.pop(key)
    if isinstance(tree, dict) and isinstance(tree.get("reward"), dict):
        _name_measure(tree["reward"])
    return load_config(None, trees=[(str(path), tree)])


def _name_measure(reward: dict[str, Any]) -> None:
    """Complete the groundedness settings of version 0.1.0, which had one measure and did not name it."""
    if "grounded_measure" in reward:
        return
    if reward.get("grounded", "none") != "none":
        reward["grounded_measure"] = "token_mean"
    else:  # unused, so that a change of the defaults concerns no such run
        for name in ("grounded_threshold", "grounded_scale", "grounded_swaps"):
            reward.pop(name, None)


def resolve(stage: str, overrides: Sequence[str], recipe: str) -> tuple[str, TrainConfig]:
    """Return the name of the recipe and the config, from the stage, the recipe or both."""
    given = dict(text.partition("=")[::2] for text in overrides)
    stage = given.get("stage", stage)
    if not recipe and not stage:
        raise ConfigError("no stage is named. Run: rise-bench train STAGE, or --recipe NAME (see --list)")
    recipe = recipe or default_recipe(stage, given.get("data.benchmark", DataConfig().benchmark))
    config = load_config(recipe, overrides)
    if stage and config.stage != stage:
        raise ConfigError(
            f"recipe {recipe} is for {config.stage}, not {stage}. Run: rise-bench train --recipe {recipe}"
        )
    return recipe, config


def describe(recipe: str, config: TrainConfig) -> str:
    """The config as a recipe file: launch command and notes first, the paper's values beside other ones."""
    composed = Recipe(recipe, "") if Path(recipe).is_file() else compose(recipe)
    notes = {"Launch": f"rise-bench train {config.stage} --recipe {recipe}", **composed.notes}
    lines = [f"# {composed.title}"] if composed.title else []
    for label, text in notes.items():
        place = recipe.partition("/")[0]
        text = _filled(text.replace("{place}", place), config.data)
        lines += [f"# {label + ':':<11}{line}" for line in text.splitlines()[:1]]
        lines += [f"# {'':<11}{line}" for line in text.splitlines()[1:]]
    lines.append("")
    paper = _plain(TrainConfig(stage=config.stage))
    for section, values in _plain(config).items():
        if section not in _OF_SCALE:
            lines += _dump({section: values}).splitlines()
            continue
        lines.append(f"{section}:")
        for key, value in values.items():
            usual = paper[section][key]
            if isinstance(value, dict):  # of nested settings, those that differ
                usual = {name: usual[name] for name in value if value[name] != usual[name]} or value
            other = "" if value == usual else f"  # paper: {_line({key: usual}).partition(': ')[2]}"
            lines.append(f"  {_line({key: value})}{other}")
    return "\n".join(lines) + "\n"


def dump_config(config: TrainConfig) -> str:
    """The resolved config as YAML; `load_config` reads it back to an equal value."""
    return _dump(_plain(config))


def all_keys(kind: Any = TrainConfig, prefix: str = "") -> list[str]:
    """Every dotted key, in the order of the dataclasses."""
    keys: list[str] = []
    for name, hint in get_type_hints(kind).items():
        keys += all_keys(hint, f"{prefix}{name}.") if dataclasses.is_dataclass(hint) else [f"{prefix}{name}"]
    return keys


def _recipe_layer(recipe: str) -> tuple[str, Any]:
    """Source of the settings, for messages, and their tree."""
    path = Path(recipe)
    if not path.is_file():
        return f"recipe {recipe}", compose(recipe).settings
    try:
        return recipe, yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}. Fix the file.") from error


def _override(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"override {text!r} is not key=value. Write e.g. grpo.learning_rate=1e-5.")
    names = key.strip().split(".")
    kind: Any = TrainConfig
    for name in names:
        kind = get_type_hints(kind).get(name) if dataclasses.is_dataclass(kind) else None
    tree: Any = value if kind is str and not value.startswith(("'", '"')) else _scalar(value)
    for name in reversed(names):
        tree = {name: tree}
    return dict(tree)


def _scalar(text: str) -> Any:
    try:
        return yaml.safe_load(text) if text else ""
    except yaml.YAMLError:
        return text


def setting_problem(error: ErrorDetails, layers: Sequence[tuple[str, Any]], known: Sequence[str]) -> str:
    """An error of pydantic as our errors are: where, key, value, what was expected, fix.

    Args:
        error: The error.
        layers: Sources of the settings and their trees; the last one that sets the key is named.
        known: Every dotted key.
    """
    names = [name for name in error["loc"] if isinstance(name, str)]
    key, value, kind = ".".join(names), error["input"], error["type"]
    where = next((where for where, tree in reversed(layers) if _sets(tree, names)), layers[-1][0])
    if kind == "missing":
        return f"{where}: {key} is missing. Give it."
    if key in _REPLACED:
        return f"{where}: {key} was replaced by {_REPLACED[key]}. Set that instead."
    if kind == "unexpected_keyword_argument":
        return f"{where}: unknown key {key!r}{nearest(key, known)}"
    if kind == "dataclass_type":
        return (
            f"{where}: {key} must be a mapping of keys, not {value!r}. Write key: value, e.g. grpo.steps=200."
        )
    if kind == "literal_error":
        return f"{where}: {key} = {value!r}; choose one of {error['ctx']['expected']}."
    expected = _TYPES.get(kind.split("_")[0], kind)
    return f"{where}: {key} = {value!r} is not {expected}. Give {expected}."


def _sets(tree: Any, names: Sequence[str]) -> bool:
    """Whether a tree has a value at this place, or one above it that is not a mapping."""
    for name in names:
        if not isinstance(tree, dict):
            return True
        if name not in tree:
            return False
        tree = tree[name]
    return True


def _filled_in(config: TrainConfig) -> TrainConfig:
    """The config with `{benchmark}` and `{shots}` in the paths of its CoT datasets filled in."""
    data = config.data
    cots, expert_cots = (_filled(path, data) for path in (data.cots, data.expert_cots))
    return dataclasses.replace(config, data=dataclasses.replace(data, cots=cots, expert_cots=expert_cots))


def _filled(text: str, data: DataConfig) -> str:
    return text.replace("{benchmark}", Path(data.benchmark).name).replace("{shots}", data.shots)


def _plain(config: TrainConfig) -> dict[str, Any]:
    tree: dict[str, Any] = _CONFIG.dump_python(config, mode="json")
    return tree


def _line(setting: dict[str, Any]) -> str:
    """A setting on one line, whatever is nested in it."""
    (key, value), *_ = setting.items()
    if isinstance(value, dict):
        inside = yaml.safe_dump(value, sort_keys=False, default_flow_style=True, width=10_000)
        return f"{key}: {inside.rstrip()}"
    return _dump(setting).rstrip()


def _dump(tree: Any) -> str:
    text: str = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=10_000)
    return text
