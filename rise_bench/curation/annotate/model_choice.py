"""Choice of the model that answers, its format of answers, and the limits of its pictures."""

import json
from dataclasses import replace
from pathlib import Path

from rise_bench.annotations.answer_format import DEFAULT_FORMAT, AnswerFormat
from rise_bench.annotations.boxes.values import BoxUnit
from rise_bench.data.hub_files import model_file
from rise_bench.errors import ConfigError
from rise_bench.evaluation.image_limits import ImageLimits, checkpoint_limits
from rise_bench.models.families import PictureLimits, supported_model
from rise_bench.models.names import local_model
from rise_bench.models.trained_model import run_of, taught_format
from rise_bench.prompts.asked_format import box_unit_of


def endpoint_of(model: str, endpoints: list[str], api_key_env: str) -> tuple[list[str], str]:
    """Return the servers, none for a model on this machine, and the name of the model.

    A URL in the place of the model's name is a server that serves one model, which is asked for its name.

    Raises:
        ConfigError: If there is no name.
        PrerequisiteError: If the server does not say.
    """
    if not model.startswith(("http://", "https://")):
        return endpoints, model
    if endpoints:
        raise ConfigError(f"--model {model} is a URL; with --endpoint, name the model that it serves")
    from rise_bench.models.openai_endpoint import served_model

    return [model], served_model(model, api_key_env)


def answer_format_of(
    model: str,
    revision: str,
    served: bool,
    unit: BoxUnit | None,
    max_pixels: int | None,
    *,
    engine: bool = False,
) -> tuple[AnswerFormat, PictureLimits]:
    """Return how a model is asked: as it was trained, where a run says so, else as its family was.

    Limits of pictures that are not stated are the run's, else the processor's (the largest picture is the
    paper's if that is smaller), else the paper's.

    Args:
        model: Name of the model.
        revision: Its Hub revision.
        served: Whether an endpoint runs it; else it is checked that this machine can.
        unit: Unit of boxes that the user states.
        max_pixels: Largest image that the user states.
        engine: Whether an engine starts servers of it, which may run families that this machine does not.

    Raises:
        ConfigError: If there is no such model on this machine or the Hub, or it cannot be loaded.
    """
    stated = {"unit": unit, "max_pixels": max_pixels}
    changes = {name: value for name, value in stated.items() if value is not None}
    usual, own = _usual(model, revision, served, engine)
    form = replace(usual, **changes)  # type: ignore[arg-type]
    return form, PictureLimits.of(form, own.smallest if own else None)


def _usual(model: str, revision: str, served: bool, engine: bool) -> tuple[AnswerFormat, ImageLimits | None]:
    """Return the format of a model and the limits of its run or processor; None if unknown."""
    folder = Path(model).expanduser()
    run = run_of(folder)
    here = not (served or engine)
    checked = supported_model(model, revision, weights=False) if here else None
    if run:
        return taught_format(run), checkpoint_limits(str(folder))
    if checked is None:
        family = "" if served else _described_family(model, revision)
        return replace(DEFAULT_FORMAT, unit=box_unit_of(family or model)), None
    family = json.loads((checked.folder / "config.json").read_text(encoding="utf-8"))["model_type"]
    limits = checkpoint_limits(str(checked.folder))
    largest = min(DEFAULT_FORMAT.max_pixels, limits.largest) if limits else DEFAULT_FORMAT.max_pixels
    return replace(DEFAULT_FORMAT, unit=box_unit_of(family), max_pixels=largest), limits


def _described_family(model: str, revision: str) -> str:
    """Return the family that the description of a model names; empty if there is none."""
    folder = Path(local_model(model))
    path = folder / "config.json" if folder.is_dir() else model_file(model, "config.json", revision)
    if path is None or not path.is_file():
        return ""
    return str(json.loads(path.read_text(encoding="utf-8")).get("model_type", ""))
