"""Files for running a submission again: its model without code, and the chosen rows of the dataset."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rise_bench.data.manifest import write_manifest
from rise_bench.errors import ConfigError, DataError
from rise_bench.files.atomic import atomic_write_text, sha256_file
from rise_bench.leaderboards.verification.gold_board import GoldBoard
from rise_bench.models.model_files import check_model_folder, is_read
from rise_bench.models.names import CheckedModel

#: Generation settings that are kept from a checkpoint, with their range.
_KEPT_GENERATION: dict[str, tuple[float, float]] = {"top_k": (0, 100_000), "repetition_penalty": (0.5, 2.0)}


def stage_model(model: CheckedModel, engine: str, folder: Path) -> None:
    """Copy the files of a model that are read into a new folder, with safe generation settings.

    Args:
        model: The model, from the Hub or a folder.
        engine: lmms-eval's `--model`, one of `ENGINES`.
        folder: Folder to make.

    Raises:
        ConfigError: If loading could run code of its author, or the engine is for another family.
    """
    for name in filter(is_read, model.paths):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        source = (model.folder / name).resolve()
        try:
            target.hardlink_to(source)
        except OSError:  # another file system
            shutil.copyfile(source, target)
    check_model_folder(folder)
    settings = folder / "generation_config.json"
    own = json.loads(settings.read_bytes()) if settings.is_file() else {}
    atomic_write_text(settings, json.dumps(_generation(own)))
    family = json.loads((folder / "config.json").read_bytes()).get("model_type")
    if family != engine:
        raise ConfigError(f"engine {engine} runs models of type {engine}, not {family!r:.80}")


def _generation(own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the kept generation settings of a checkpoint; others come from lmms-eval and the submission."""
    kept: dict[str, Any] = {}
    for name, (low, high) in _KEPT_GENERATION.items():
        value = own.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
            kept[name] = type(low)(value)
    return kept


def write_part(board: GoldBoard, chosen: Sequence[str], folder: Path) -> None:
    """Write a dataset folder whose test split is the chosen rows; the train split is kept for baselines.

    Raises:
        DataError: If the dataset has no images.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    dataset, manifest = board.dataset, board.dataset.manifest
    if manifest.images == "reference":
        raise DataError(
            f"{dataset.root} has no images; run `rise-bench build` or `rise-bench rehydrate` and give that "
            "folder with --data"
        )
    (folder / "data").mkdir(parents=True)
    files, wanted = {}, pa.array(list(chosen))
    for name, entry in manifest.files.items():
        if entry.split != "test":
            shutil.copy(dataset.root / name, folder / name)
            files[name] = entry
            continue
        table = pq.read_table(dataset.root / name)
        part = table.filter(pa.compute.is_in(table["id"], value_set=wanted))
        if part.num_rows:
            target = f"data/test-{name.rpartition('-')[2]}"  # a further test has the name of its split
            pq.write_table(part, folder / target, row_group_size=16)
            size = (folder / target).stat().st_size
            changed = {"rows": part.num_rows, "bytes": size, "sha256": sha256_file(folder / target)}
            files[target] = entry.model_copy(update=changed)
    rows = hashlib.sha256(f"{manifest.content_sha256}:{','.join(chosen)}".encode()).hexdigest()
    counts = manifest.counts | {"test": len(chosen)}
    write_manifest(folder, manifest.of_rows(rows, files=files, counts=counts, partial=True))
