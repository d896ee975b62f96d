"""Datasets on this machine, and the Hub."""

import os
from pathlib import Path

from rise_bench.data.hub_client import endpoint, has_token, is_offline
from rise_bench.data.hub_files import hub_answers
from rise_bench.data.manifest import MANIFEST_NAME, read_manifest
from rise_bench.doctor.line import Line
from rise_bench.errors import DataError
from rise_bench.errors.redaction import printable
from rise_bench.hub.find import data_places

_HUB_SECONDS = 3.0

#: Datasets that are listed before "and N more".
_LISTED = 8


def data_lines() -> list[Line]:
    """Return a line for each folder that is searched for datasets, and one for each damaged dataset."""
    return [line for label, place in data_places() for line in _place(label, place)]


def _place(label: str, place: Path) -> list[Line]:
    name = f"${label}" if label in os.environ else label
    if label in os.environ and not place.is_dir():
        fix = f"make the folder, or set {label} to the one that holds the datasets"
        return [Line("data", name, "problem", f"{place} is not a folder", fix)]
    rows, problems = [], []
    for manifest_file in sorted(place.glob(f"*/{MANIFEST_NAME}")):
        folder = manifest_file.parent
        try:
            manifest = read_manifest(folder)
        except DataError as error:
            value = printable(str(error))
            problems.append(Line("data", printable(folder.name), "problem", value, f"remove {folder}"))
            continue
        counts = " + ".join(f"{count} {split}" for split, count in manifest.counts.items())
        rows.append(f"{printable(folder.name)} ({counts})")
    if not rows:
        return [*problems, Line("data", name, "missing", f"no dataset in {place}", "rise-bench build moods")]
    more = f" and {len(rows) - _LISTED} more" if len(rows) > _LISTED else ""
    return [Line("data", name, "ok", f"{place}: {', '.join(rows[:_LISTED])}{more}"), *problems]


def hub_lines() -> list[Line]:
    """Return whether the Hub answers within a few seconds, and whether there is a token."""
    return [_hub(), _token()]


def _hub() -> Line:
    if is_offline():
        fix = "unset HF_HUB_OFFLINE to load models and datasets from the Hub"
        return Line("hub", "Hub", "missing", "HF_HUB_OFFLINE is set: only what is on this machine", fix)
    if hub_answers(_HUB_SECONDS):
        return Line("hub", "Hub", "ok", f"{endpoint()} answers")
    value = f"{endpoint()} does not answer within {_HUB_SECONDS:g} s"
    fix = "check the network and HF_ENDPOINT; the drawn benchmarks and models on this machine work without"
    return Line("hub", "Hub", "missing", value, fix)


def _token() -> Line:
    if has_token():
        return Line("hub", "token", "ok", "there is one")
    return Line("hub", "token", "missing", "none: nothing can be published", "hf auth login, or set HF_TOKEN")
