"""One folder, one base model: results that start from two are not to be compared as if from one."""

import json
from pathlib import Path

from rise_bench import __version__
from rise_bench.base_model import base_model_folder
from rise_bench.errors import ConfigError
from rise_bench.json_text import json_text
from rise_bench.storage import atomic_write_text, sha256_file

_WEIGHTS = "model.safetensors"


def keep_identity(out: Path, model: Path | None = None) -> None:
    """Write to OUT/study.json from which base model everything in the folder starts.

    Args:
        out: Folder of the study.
        model: Folder of the base model; None for the one that ships.

    Raises:
        ConfigError: The folder was begun with another base model.
    """
    path = out / "study.json"
    now = sha256_file((model or base_model_folder()) / _WEIGHTS)
    if not path.is_file():
        record = {"base_model_sha256": now, "rise_bench": __version__}
        atomic_write_text(path, json_text(record) + "\n")
        return
    begun = json.loads(path.read_text(encoding="utf-8"))["base_model_sha256"]
    if begun != now:
        raise ConfigError(
            f"{out} was begun with the base model {begun[:12]}, the one that is installed is {now[:12]}; "
            "choose another --out"
        )
