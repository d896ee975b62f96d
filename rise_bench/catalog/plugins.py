"""Components of the catalogue folders, loaded by name."""

import importlib
from types import ModuleType
from typing import Literal

from rise_bench.errors import ConfigError


def load_component(folder: Literal["builders", "tasks", "trainers", "leaderboards"], name: str) -> ModuleType:
    """Import a file of a catalogue folder by name, e.g. `load_component("builders", "emotion6")`."""
    module = f"rise_bench.{folder}.{name}"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise ConfigError(f"{folder} has no {name!r}; see the files of the folder {folder}/") from None
