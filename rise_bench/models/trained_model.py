"""Models of a training run, by the run's folder."""

from pathlib import Path
from typing import Any

import yaml

from rise_bench.annotations.answer_format import DEFAULT_FORMAT, AnswerFormat
from rise_bench.catalog.stages import stages
from rise_bench.errors import ConfigError

_RECIPE = "config.yaml"


def run_of(folder: Path) -> Path | None:
    """Return the training run of a folder, a run or a model in it; None for others."""
    if (folder / _RECIPE).is_file() and not (folder / "config.json").is_file():
        return folder
    run = folder.absolute().parent.parent
    made = folder.name == "final" or folder.name.startswith("checkpoint-")
    return run if made and (run / _RECIPE).is_file() else None


def recipe_of(run: Path) -> dict[str, Any]:
    """Return the settings of a run as a tree."""
    path = run / _RECIPE
    try:
        recipe: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot read {path}: {error}; name the folder that `train` wrote") from error
    if not isinstance(recipe, dict):
        raise ConfigError(f"{path} holds no settings of a run; name the folder that `train` wrote")
    return recipe


def taught(run: Path) -> dict[str, Any]:
    """Return what a recipe says of the format of answers, as `AnswerFormat.to_json` writes it."""
    recipe = recipe_of(run)
    stage = stages().get(str(recipe.get("stage")))
    model, reward = (of if isinstance(of := recipe.get(name), dict) else {} for name in ("model", "reward"))
    known = {name: model[name] for name in ("box_unit", "max_pixels") if name in model}
    return known | ({"style": stage.style(reward.get("response_form", ""))} if stage else {})


def taught_format(run: Path) -> AnswerFormat:
    """Return the format of answers that a run teaches; the default of what its recipe does not say."""
    return AnswerFormat.from_json(DEFAULT_FORMAT.to_json() | taught(run))


def final_model(run: Path) -> Path:
    """Return the model folder of the last finished phase of a run."""
    name = str(recipe_of(run).get("stage"))
    phases = stages()[name].phases if name in stages() else ()
    finished = [run / phase / "final" for phase in phases if (run / phase / "final").is_dir()]
    if not finished:
        raise ConfigError(
            f"{run} has no finished model ({run}/PHASE/final); finish it with `rise-bench train`"
        )
    return finished[-1]
