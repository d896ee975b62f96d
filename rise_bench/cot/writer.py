"""Writer of CoT datasets: joins the rows of a benchmark with the best rollout of each sample."""

import json
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, product
from pathlib import Path
from statistics import fmean
from typing import Any

from rise_bench.annotations.annotation_kind import Predictor
from rise_bench.annotations.base import SimilarityVariant
from rise_bench.annotations.kinds import KINDS, fit_baselines, similarity
from rise_bench.cot.dataset import GROUNDED, SELECTED, VIEWS, cot_features
from rise_bench.cot.rollout_groups import Group
from rise_bench.data.card import joined_card
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.manifest import FileEntry, Manifest, write_manifest
from rise_bench.data.replacing import refuse_to_replace
from rise_bench.data.schema import row_to_gold
from rise_bench.errors import DataError
from rise_bench.files.atomic import atomic_directory, atomic_write_text, sha256_bytes, sha256_file
from rise_bench.files.paths import without_folders
from rise_bench.rendering.render import render

_ROWS_PER_FILE = 2_000
_ROWS_PER_GROUP = 50


@dataclass(frozen=True, slots=True)
class CotPlan:
    """Contents of a CoT dataset.

    Attributes:
        benchmark: Benchmark of the rows.
        config: Its configuration: 4-shot, 16-shot or full.
        best: Group with the best rollout by sample id; samples without one are skipped and listed.
        provenance: Function from group to model, prompt hash, reward rule, sampling and versions.
        tau: Smallest reward of the shard `high`.
        variant: Variant of the similarity in `prior_score`.
        only: Ids of the samples to collect; None for all.
        splits: Splits of the rows.
        grounded: Groundedness of the chain of thought and of its worst sentence by sample id.
        judge: The judge's description of itself, for the provenance.
        options: Further options for the manifest.
        verified: Whether the chains of thought were written elsewhere.
        reconstructions: New reconstructions of each row, whose mean is its reward; 0 if there are none.
    """

    benchmark: BenchmarkDataset
    config: str
    best: Mapping[str, Group]
    provenance: Callable[[Group], dict[str, Any]]
    tau: float = 0.75
    variant: SimilarityVariant = "paper"
    only: frozenset[str] | None = None
    splits: tuple[str, ...] = ("train",)
    grounded: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    judge: dict[str, Any] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    verified: bool = False
    reconstructions: int = 0


def write_cots(plan: CotPlan, out: Path, *, overwrite: bool = False) -> Manifest:
    """Write the folder: Parquet shards `high` and `low`, then the card, then the manifest.

    Raises:
        DataError: No sample has a rollout.
        ConfigError: `out` exists and may not be replaced.
    """
    if not plan.best:
        raise DataError("there is no rollout to collect; train rise_cot first, or sweep with --model")
    if overwrite:
        refuse_to_replace(out, cots=True)
    with atomic_directory(out, overwrite=overwrite) as work:
        (work / "data").mkdir()
        files, prior = dict[str, FileEntry](), _prior(plan)
        for split, shard in product(plan.splits, ("high", "low")):
            rows = _rows(plan, split, shard, prior)
            files |= write_shards(work, plan.benchmark, split, shard, rows)
        manifest = _manifest(plan, files)
        atomic_write_text(work / "README.md", card(plan, manifest))
        write_manifest(work, manifest)
    return manifest


def write_shards(
    work: Path, benchmark: BenchmarkDataset, split: str, shard: str, rows: Iterator[dict[str, Any]]
) -> dict[str, FileEntry]:
    """Write the rows of a shard as Parquet files, none if there are no rows, and return their entries."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = cot_features(benchmark.spec, benchmark.manifest.categories).arrow_schema
    files: dict[str, FileEntry] = {}
    group = list(islice(rows, _ROWS_PER_GROUP))
    while group:
        path = work / "data" / f"{split}-{shard}-{len(files):05d}.parquet"
        written = 0
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            while group and written < _ROWS_PER_FILE:
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
                written += len(group)
                group = list(islice(rows, _ROWS_PER_GROUP))
        files[path.relative_to(work).as_posix()] = FileEntry(
            split=split, shard=shard, sha256=sha256_file(path), rows=written, bytes=path.stat().st_size
        )
    return files


def _rows(plan: CotPlan, split: str, shard: str, prior: Predictor) -> Iterator[dict[str, Any]]:
    for row in plan.benchmark.rows(split, plan.config):
        group = plan.best.get(row["id"])
        if group is None or (group.reward >= plan.tau) != (shard == "high"):
            continue
        rollout = group.read_rescored()
        gold = row_to_gold(plan.benchmark.spec, row)
        kept = (
            "cot",
            "reconstruction",
            "reward",
            "similarity",
            "leak_numbers",
            "leak_strict",
            "format_ok",
            *VIEWS,
        )
        provenance = plan.provenance(group) | {"step": group.step}
        if plan.judge:
            provenance["judge"] = without_folders(plan.judge)
        yield (
            row
            | {name: getattr(rollout, name) for name in kept}
            | dict(zip(GROUNDED, plan.grounded.get(row["id"], (None, None)), strict=True))
            | {
                "prior_score": similarity(gold.annotation, prior(gold), plan.variant),
                SELECTED: None if plan.verified else group.reward_selected,
                "group_rewards": group.rewards,
                "provenance": json.dumps(provenance, sort_keys=True, ensure_ascii=False),
            }
        )


def _prior(plan: CotPlan) -> Predictor:
    counts = plan.benchmark.manifest.counts
    golds = plan.benchmark.golds_of(("train",) if "train" in counts else plan.splits, plan.config)
    return fit_baselines(golds)[KINDS[plan.benchmark.spec.kind].prior]


def _manifest(plan: CotPlan, files: dict[str, FileEntry]) -> Manifest:
    ids = (row["id"] for row in plan.benchmark.rows_of(plan.splits, plan.config, columns=["id"]))
    asked = (uid for uid in ids if plan.only is None or uid in plan.only)
    left_out = tuple(uid for uid in asked if uid not in plan.best)
    drops = {"never sampled": left_out} if left_out else {}
    options = cot_options(plan.benchmark, plan.config, plan.tau, plan.only, plan.splits) | plan.options
    return derived_manifest(plan.benchmark, files, plan.best, drops, options)


def derived_manifest(
    benchmark: BenchmarkDataset,
    files: dict[str, FileEntry],
    ids: Container[str],
    drops: dict[str, tuple[str, ...]],
    options: dict[str, str],
) -> Manifest:
    """Return the manifest of chains of thought that belong to the rows `ids` of a benchmark."""
    parent = benchmark.manifest
    manifest = parent.model_copy(
        update={
            "counts": _rows_of_splits(files),
            "paper_counts": None,
            "differences": (),
            "drops": drops,
            "options": options,
            "near_duplicates": (),
            "near_duplicate_pairs": 0,
            "rows_sha256": None,
            "files": files,
            "images_sha256": {uid: sha256 for uid, sha256 in parent.images_sha256.items() if uid in ids},
        }
    )
    return manifest.model_copy(update={"content_sha256": manifest.files_sha256})


def _rows_of_splits(files: Mapping[str, FileEntry]) -> dict[str, int]:
    rows = Counter[str]()
    for entry in files.values():
        rows[entry.split] += entry.rows
    return dict(rows)


def cot_options(
    benchmark: BenchmarkDataset,
    config: str,
    tau: float,
    only: frozenset[str] | None,
    splits: tuple[str, ...] = ("train",),
) -> dict[str, str]:
    """Return the options that decide which rows a CoT dataset has, and in which shard."""
    options = {"cots_of": benchmark.sha256, "config": config, "tau": f"{tau:g}"}
    if only is not None:
        options["only_ids_sha256"] = sha256_bytes("\n".join(sorted(only)).encode())
    if splits != ("train",):
        options["splits"] = ",".join(splits)
    return benchmark.manifest.options | options


def card(plan: CotPlan, manifest: Manifest) -> str:
    """Return the dataset card with the configurations for `load_dataset`."""
    spec = plan.benchmark.spec
    counts = {s: sum(e.rows for e in manifest.files.values() if e.shard == s) for s in ("high", "low")}
    metadata = {
        "license": spec.license,
        "task_categories": ["image-text-to-text"],
        "tags": ["rise", "chain-of-thought"],
        "configs": _configurations(manifest),
    }
    grounded = [score for score, _ in plan.grounded.values()]
    body = render(
        "cot_card.md.j2",
        benchmark=spec.name.replace("_", " "),
        split_of=spec.name,
        splits=plan.splits,
        config=plan.config,
        verified=plan.verified,
        models=sorted({plan.provenance(group).get("model", "") for group in plan.best.values()}),
        tau=plan.tau,
        high=counts["high"],
        rows=counts["high"] + counts["low"],
        groundedness=fmean(grounded) if grounded else None,
        judge=without_folders(plan.judge["model"]) if grounded else "",
        mean_reward=fmean(group.reward for group in plan.best.values()),
        reconstructions=plan.reconstructions,
        mean_selected=fmean(group.reward_selected for group in plan.best.values()),
        views=set(manifest.options.get("views", "").split(",")),
        never_sampled=len(manifest.drops.get("never sampled", ())),
    )
    return joined_card(metadata, body, manifest)


def _configurations(manifest: Manifest) -> list[dict[str, Any]]:
    """Return the files of each configuration by split, without empty ones, which `datasets` cannot load."""
    held = {(entry.split, entry.shard) for entry in manifest.files.values()}
    configurations = []
    for name, pattern in (("default", ""), ("high", "high-")):
        files = [
            {"split": split, "path": f"data/{split}-{pattern}*.parquet"}
            for split in manifest.counts
            if not pattern or (split, "high") in held
        ]
        if files:
            configurations.append({"config_name": name, "data_files": files})
    return configurations
