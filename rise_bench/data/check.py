"""Check of the dataset of a benchmark: rows, splits, few-shot ranks, counts and card."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import kind_of, render_gold
from rise_bench.data.dataset import BenchmarkDataset, open_dataset
from rise_bench.data.folder_checks import (
    Finding,
    check_configurations,
    check_files,
    check_scores,
    config_name,
    image_problems,
)
from rise_bench.data.ground_truth import spec_problem
from rise_bench.data.manifest import MISSING_IMAGE, FileEntry, rows_sha256
from rise_bench.data.pictures import picture_hashes
from rise_bench.data.schema import features, gold_text, row_to_gold
from rise_bench.data.splits import CONFIGS, shard_of
from rise_bench.errors import DataError
from rise_bench.prompts.templates import answer_only_text


@dataclass(slots=True)
class _Seen:
    """Contents of the rows of all files."""

    golds: defaultdict[str, list[Gold]] = field(default_factory=lambda: defaultdict(list))
    image_splits: defaultdict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    content: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    shots: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    images_sha256: dict[str, str] = field(default_factory=dict)


def check_dataset(
    folder: Path, advance: Callable[[], None] = lambda: None, *, decode: bool = True
) -> list[Finding]:
    """Check the folder of a benchmark; rows are streamed (`rise_bench.cot.check` checks CoT datasets).

    Checked: the manifest against the files (presence, hash, rows, nothing else there), the columns, each row
    (annotation, image hash, decoding, size, solution), unique ids, no image in two splits, few-shot nesting,
    counts, the content hash, the card's configurations, `eval.yaml`, the names of the classes; and that under
    the benchmark's own metric the correct answer scores 1 (JSD 0) and an empty answer 0 (JSD ln 2).

    Args:
        folder: The dataset folder.
        advance: Called after each row.
        decode: Check the images too; `build` has done so already.

    Returns:
        The problems; empty if there are none.
    """
    try:
        dataset = open_dataset(folder)
    except DataError as error:
        return [Finding(str(folder), str(error))]
    seen = _Seen()
    findings = list(check_files(dataset, features(dataset.spec, dataset.manifest.categories)))
    if any(finding.where.startswith("data/") for finding in findings):
        return findings  # the rows of a changed file are not checked
    for path, entry in dataset.manifest.files.items():
        findings += _check_rows(dataset, path, entry, seen, advance, decode)
    findings += _check_whole(dataset, seen)
    for split, golds in seen.golds.items():
        findings += check_scores(dataset, split, golds)
    return findings + list(_check_card(dataset))


def _check_rows(
    dataset: BenchmarkDataset,
    path: str,
    entry: FileEntry,
    seen: _Seen,
    advance: Callable[[], None],
    decode: bool,
) -> list[Finding]:
    findings: list[Finding] = []
    names = features(dataset.spec, dataset.manifest.categories)
    columns = None if decode else [name for name in names if name != dataset.spec.image_column]
    for row in dataset.file_rows(dataset.root / path, columns=columns):
        advance()
        problems = list(_row_problems(dataset, entry, row, decode))
        where = f"{path} row {row['id']!r}"
        try:
            gold = row_to_gold(dataset.spec, row)
        except DataError as error:
            findings.append(Finding(where, str(error)))
            continue
        if row["solution"] != answer_only_text(render_gold(gold)):
            problems.append("the column solution is not the ground truth")
        problems += _column_problems(row, gold, dataset.manifest.categories)
        if gold.id in seen.images_sha256:
            problems.append("this id appears twice")
        findings += [Finding(where, problem) for problem in problems]
        image_sha256 = row["source_sha256"]
        seen.golds[entry.split].append(gold)
        seen.images_sha256[gold.id] = image_sha256
        for sha256 in picture_hashes(image_sha256):
            seen.image_splits[sha256].setdefault(entry.split, gold.id)
        seen.content.append((entry.split, entry.shard, gold.id, image_sha256, gold_text(gold)))
        if entry.split == "train" and row["shot_rank"] is not None:
            seen.shots[_shot_class(dataset, gold)].append(row["shot_rank"])
    return findings


def _row_problems(
    dataset: BenchmarkDataset, entry: FileEntry, row: dict[str, Any], decode: bool
) -> Iterator[str]:
    if entry.split == "train" and (row["shot_rank"] is None or shard_of(row["shot_rank"]) != entry.shard):
        yield f"shot rank {row['shot_rank']} does not belong to shard {entry.shard}"
    if entry.split != "train" and row["shot_rank"] is not None:
        yield "a test row has a shot rank"
    if decode:
        yield from image_problems(dataset, row)


def _column_problems(row: dict[str, Any], gold: Gold, categories: tuple[str, ...]) -> Iterator[str]:
    """Compare the columns of the annotation with those that would be written."""
    if categories and gold.category not in categories:
        yield f"the class {gold.category!r} is not one of {categories}"
        return
    for name, value in kind_of(gold.annotation).to_columns(gold, categories).items():
        if row[name] != value:
            yield f"the column {name} is not the ground truth"


def _shot_class(dataset: BenchmarkDataset, gold: Gold) -> str:
    if dataset.spec.shots_per == "dataset":
        return ""
    return kind_of(gold.annotation).group(gold.annotation, gold.category)


def _check_whole(dataset: BenchmarkDataset, seen: _Seen) -> Iterator[Finding]:
    manifest = dataset.manifest
    if problem := spec_problem(manifest.benchmark, manifest.categories):
        yield Finding("manifest.json", problem)
    counts = {split: len(golds) for split, golds in seen.golds.items()}
    if counts != manifest.counts:
        yield Finding("manifest.json", f"counts are {manifest.counts}, the files hold {counts}")
    if absent := sorted(manifest.images_sha256.keys() - seen.images_sha256.keys()):
        yield Finding("manifest.json", f"{len(absent)} rows are in no file, e.g. {absent[0]!r}")
    if rows_sha256(seen.content) != (manifest.rows_sha256 or manifest.content_sha256):
        yield Finding("manifest.json", "the hash of its content is not that of the rows")
    for splits in seen.image_splits.values():
        if "train" in splits and len(splits) > 1:  # two tests may ask about one image
            yield Finding("dataset", f"one image is in two splits: {', '.join(sorted(splits.values()))}")
    gaps = MISSING_IMAGE in manifest.drops
    for name, ranks in sorted(seen.shots.items()):
        expected = sorted(set(ranks)) if gaps else list(range(len(ranks)))
        if sorted(ranks) != expected:
            yield Finding("dataset", f"shot ranks of class {name!r} are not 0, 1, 2, …")


def _check_card(dataset: BenchmarkDataset) -> Iterator[Finding]:
    """Check that the card's configurations and the task of eval.yaml name the files."""
    wanted: dict[tuple[str, str], set[str]] = {
        (config, split): {path.name for path in dataset.files(split, config)}
        for config in CONFIGS
        for split in dataset.manifest.counts
    }
    findings, configs = check_configurations(dataset, wanted)
    yield from findings
    if not configs:
        return
    try:
        tasks = yaml.safe_load((dataset.root / "eval.yaml").read_text(encoding="utf-8"))["tasks"]
        asked = [(config_name(task["config"]), task["split"]) for task in tasks]
        known = all(config in configs and split in dataset.manifest.counts for config, split in asked)
    except (OSError, KeyError, TypeError, ValueError, RecursionError, yaml.YAMLError) as error:
        yield Finding("eval.yaml", f"is not readable ({error!r}); rebuild the dataset")
        return
    if not known:
        yield Finding("eval.yaml", "names a configuration or split that is not there")
