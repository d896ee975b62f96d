"""Check of a CoT dataset: its rows against the manifest, the shards and each other's columns."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import render_gold
from rise_bench.cot.dataset import COT_CONFIGS, GROUNDED, SELECTED, VIEWS, CotDataset, known_features
from rise_bench.data.check import check_dataset
from rise_bench.data.dataset import BenchmarkDataset, open_dataset
from rise_bench.data.folder_checks import (
    Finding,
    check_configurations,
    check_files,
    check_scores,
    image_problems,
)
from rise_bench.data.manifest import Manifest
from rise_bench.data.schema import row_to_gold
from rise_bench.errors import DataError
from rise_bench.prompts.templates import answer_only_text

_TOLERANCE = 1e-9
_NUMBERS = ("reward", "similarity", "prior_score")


def check_folder(folder: Path, advance: Callable[[], None] = lambda: None) -> list[Finding]:
    """Check the folder of a benchmark or of a CoT dataset.

    Args:
        folder: The dataset folder.
        advance: Called after each row.

    Returns:
        The problems; empty if there are none.
    """
    try:
        dataset = open_dataset(folder)
    except DataError as error:
        return [Finding(str(folder), str(error))]
    return check_cots(dataset, advance) if dataset.manifest.holds_cots else check_dataset(folder, advance)


def check_cots(dataset: BenchmarkDataset, advance: Callable[[], None] = lambda: None) -> list[Finding]:
    """Check a CoT dataset; rows are streamed.

    Checked: the files against the manifest, the columns, each row (ground truth, image, solution, reward,
    group, shard, provenance), unique ids, the rows that the manifest lists, and the card's configurations.

    Args:
        dataset: The opened folder.
        advance: Called after each row.

    Returns:
        The problems; empty if there are none.
    """
    manifest = dataset.manifest
    findings = list(check_files(dataset, *known_features(dataset.spec, manifest.categories)))
    if any(finding.where.startswith("data/") for finding in findings):
        return findings  # the rows of a changed file are not checked
    ids: set[str] = set()
    golds: dict[str, list[Gold]] = {}
    for name, entry in manifest.files.items():
        for row in dataset.file_rows(dataset.root / name):
            advance()
            problems = [*image_problems(dataset, row), *_problems(row, manifest, entry.shard)]
            try:
                gold = row_to_gold(dataset.spec, row)
            except DataError as error:
                findings.append(Finding(f"{name} row {row['id']!r}", str(error)))
                continue
            if row["solution"] != answer_only_text(render_gold(gold)):
                problems.append("the column solution is not the ground truth")
            if gold.id in ids:
                problems.append("this id appears twice")
            ids.add(gold.id)
            golds.setdefault(entry.split, []).append(gold)
            findings += [Finding(f"{name} row {gold.id!r}", problem) for problem in problems]
    if absent := sorted(manifest.images_sha256.keys() - ids):
        findings.append(Finding("manifest.json", f"{len(absent)} rows are in no file, e.g. {absent[0]!r}"))
    for split, of_split in golds.items():
        findings += check_scores(dataset, split, of_split)
    return findings + _check_card(dataset)


def _problems(row: Mapping[str, Any], manifest: Manifest, shard: str) -> Iterator[str]:
    """Yield the problems of a row's chain of thought and reward."""
    # An empty text is scored 0 like every unusable reply; those of another model are scored as they are.
    may_be_empty = row["reward"] == 0 or "verified" in manifest.options
    for name in ("cot", "reconstruction"):
        if not isinstance(row[name], str) or (name == "cot" and not may_be_empty and not row[name].strip()):
            yield f"{name} holds no text"
    yield from _unrewarded(row, shard) if manifest.unverified else _rewarded(row, manifest, shard)
    try:
        known = isinstance(json.loads(row["provenance"]), dict)
    except (TypeError, ValueError):
        known = False
    if not known:
        yield "provenance is not a JSON object"


def _unrewarded(row: Mapping[str, Any], shard: str) -> Iterator[str]:
    for name in (*_NUMBERS, SELECTED, *GROUNDED, *VIEWS):
        if row.get(name) is not None:
            yield f"{name} is {row[name]}, expected null in unverified chains of thought"
    if shard != "low":
        yield f"unverified chains of thought do not belong to shard {shard}"


def _rewarded(row: Mapping[str, Any], manifest: Manifest, shard: str) -> Iterator[str]:
    tau, options = manifest.tau, manifest.options
    for name in _NUMBERS:
        if row[name] is None or not math.isfinite(row[name]) or row[name] < 0:
            yield f"{name} is {row[name]}, expected a number of at least 0"
            return
    for name in (SELECTED, *GROUNDED, *VIEWS):
        if row.get(name) is not None and not math.isfinite(row[name]):
            yield f"{name} is {row[name]}, expected a number or null"
    if (row["reward"] >= tau) != (shard == "high"):
        yield f"reward {row['reward']:.4g} does not belong to shard {shard} (tau is {tau:g})"
    again = "reconstructions" in options and "verified" not in options  # reward is a mean of others
    name = SELECTED if again and row.get(SELECTED) is not None else "reward"
    if not any(abs(reward - row[name]) <= _TOLERANCE for reward in row["group_rewards"] or ()):
        yield f"{name} {row[name]:.4g} is not among its group's rewards"


def _check_card(dataset: BenchmarkDataset) -> list[Finding]:
    cots = CotDataset(dataset.root, dataset.spec, dataset.manifest)
    wanted: dict[tuple[str, str], set[str]] = {
        (config, split): {path.name for path in cots.files(config, split)}
        for config, split in product(COT_CONFIGS, dataset.manifest.counts)
    }
    return check_configurations(dataset, wanted)[0]
