"""Check of a built dataset: everything that a score relies on, without trust in the manifest."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import kind_of, render_gold
from rise_bench.data.card import split_card
from rise_bench.data.dataset import BenchmarkDataset, open_dataset
from rise_bench.data.ground_truth import (
    TOLERANCE,
    answers_problem,
    empty_answer,
    right_answer,
    spec_problem,
    truth_problem,
)
from rise_bench.data.image_facts import facts_of_row, inspect_image
from rise_bench.data.manifest import FileEntry, rows_sha256
from rise_bench.data.pictures import picture_hashes, pictures_of
from rise_bench.data.schema import features, gold_text, has_columns, row_to_gold
from rise_bench.data.splits import CONFIGS, shard_of
from rise_bench.errors import DataError
from rise_bench.files.atomic import sha256_file
from rise_bench.prompts.templates import answer_only_text
from rise_bench.scoring.scores import aggregate

if TYPE_CHECKING:
    from datasets import Features


@dataclass(frozen=True, slots=True)
class Finding:
    """Problem of a dataset: its place (a file, a row id, or "dataset") and what is wrong."""

    where: str
    problem: str


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
    """Check the folder of a benchmark; rows are streamed. `check_cots.check_folder` takes CoT datasets too.

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
        return findings  # rows of a file that is not the manifest's say nothing
    for path, entry in dataset.manifest.files.items():
        findings += _check_rows(dataset, path, entry, seen, advance, decode)
    findings += _check_whole(dataset, seen)
    for split, golds in seen.golds.items():
        findings += check_scores(dataset, split, golds)
    return findings + list(_check_card(dataset))


def check_files(dataset: BenchmarkDataset, expected: "Features") -> Iterator[Finding]:
    """Compare the files with the manifest and the expected columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name, entry in dataset.manifest.files.items():
        path = dataset.root / name
        if sha256_file(path) != entry.sha256:
            yield Finding(name, "its sha256 is not the manifest's; rebuild the dataset")
            continue
        try:
            schema, rows = pq.read_schema(path), pq.read_metadata(path).num_rows
        except (pa.ArrowException, OSError) as error:
            yield Finding(name, f"not a parquet file ({error}); rebuild the dataset")
            continue
        if not has_columns(schema, expected):
            yield Finding(name, "its columns are not those of the schema; rebuild with this rise-bench")
        if rows != entry.rows:
            yield Finding(name, f"holds {rows} rows, the manifest says {entry.rows}")
    for path in sorted((dataset.root / "data").glob("*")):
        name = path.relative_to(dataset.root).as_posix()
        if name not in dataset.manifest.files:
            yield Finding(name, "is not in the manifest; remove it")


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


def image_problems(dataset: BenchmarkDataset, row: dict[str, Any]) -> Iterator[str]:
    """Yield the problems of the images of a row."""
    if dataset.manifest.images_sha256.get(row["id"]) != row["source_sha256"]:
        yield "source_sha256 is not the manifest's"
    pictures, expected = pictures_of(row), dataset.spec.images_per_row
    if dataset.manifest.images == "reference":
        if row[dataset.spec.image_column] is not None:
            yield "holds an image in a dataset by reference"
        return
    if len(pictures) != expected:
        yield f"has {len(pictures)} images, expected {expected}" if pictures else "has no image"
        return
    try:
        facts = facts_of_row([inspect_image(data, "the image") for data in pictures], "the images")
    except DataError as error:
        yield str(error)
        return
    if facts.sha256 != row["source_sha256"]:
        yield "the image is not the one that source_sha256 names"
    if (facts.width_px, facts.height_px) != (row["width"], row["height"]):
        stated = f"{row['width']} x {row['height']}"
        yield f"the image is {facts.width_px} x {facts.height_px} px, the row says {stated}"


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
        if len(splits) > 1:
            yield Finding("dataset", f"one image is in two splits: {', '.join(sorted(splits.values()))}")
    for name, ranks in sorted(seen.shots.items()):
        if sorted(ranks) != list(range(len(ranks))):
            yield Finding("dataset", f"shot ranks of class {name!r} are not 0, 1, 2, …")


def check_scores(dataset: BenchmarkDataset, split: str, golds: list[Gold]) -> Iterator[Finding]:
    """Score correct and empty answers like responses of a model."""
    spec = dataset.spec
    scored: list[Gold] = []
    for gold in golds:
        if problem := truth_problem(spec, gold):
            yield Finding(f"row {gold.id!r}", problem)
        else:
            scored.append(gold)
    if not scored:
        return
    true = [right_answer(gold) for gold in scored]
    empty = [empty_answer(gold) for gold in scored]
    for gold, best, worst in zip(scored, true, empty, strict=True):
        if problem := answers_problem(spec, best, worst):
            yield Finding(f"row {gold.id!r}", problem)
    cases = ((true, spec.ranking.best, "the true answers"), (empty, spec.ranking.worst, "empty answers"))
    for scores, expected, name in cases:
        value = aggregate(spec, scored, scores, resamples=0).metrics[spec.metric].value
        if math.isnan(value):
            yield Finding(
                f"split {split}",
                f"{spec.metric} is not defined on it: none of its {len(scored)} rows has what it "
                "counts (boxes: an object); give it some, or another --seed or --test-fraction",
            )
            return
        if not abs(value - expected) <= TOLERANCE:
            yield Finding(f"split {split}", f"{name} have {spec.metric} {value:g}, expected {expected:g}")


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
        asked = [(_config(task["config"]), task["split"]) for task in tasks]
        known = all(config in configs and split in dataset.manifest.counts for config, split in asked)
    except (OSError, KeyError, TypeError, ValueError, RecursionError, yaml.YAMLError) as error:
        yield Finding("eval.yaml", f"is not readable ({error!r}); rebuild the dataset")
        return
    if not known:
        yield Finding("eval.yaml", "names a configuration or split that is not there")


def check_configurations(
    dataset: BenchmarkDataset, wanted: Mapping[tuple[str, str], set[str]]
) -> tuple[list[Finding], set[str]]:
    """Compare the card's configurations with (configuration, split) -> names of files.

    Returns:
        The problems, and the names of the configurations.
    """
    try:
        metadata, _ = split_card(dataset.root)
        named = {
            (_config(entry["config_name"], dataset.manifest.holds_cots), part["split"]): {
                path.name
                for pattern in ([part["path"]] if isinstance(part["path"], str) else part["path"])
                for path in dataset.root.glob(pattern)
            }
            for entry in metadata["configs"]
            for part in entry["data_files"]
        }
    except (DataError, KeyError, TypeError, ValueError, NotImplementedError) as error:
        return [Finding("README.md", f"has no readable configurations ({error}); rebuild the dataset")], set()
    return [
        Finding("README.md", f"configuration {config!r} does not name the files of {split}")
        for (config, split), files in wanted.items()
        if named.get((config, split), set()) != files
    ], {config for config, _ in named}


def _config(name: str, of_cots: bool = False) -> str:
    """Name of a configuration today; version 0.1.0 called `full` `default`."""
    return "full" if name == "default" and not of_cots else name
