"""Chains of thought from elsewhere, joined with the rows of a benchmark and marked as unverified."""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from rise_bench.annotations.kinds import kind_of
from rise_bench.cot.dataset import GROUNDED, SELECTED, VIEWS, cot_features
from rise_bench.data.card import joined_card
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.manifest import UNVERIFIED, FileEntry, Manifest, write_manifest
from rise_bench.data.replacing import refuse_to_replace
from rise_bench.data.schema import row_to_gold
from rise_bench.errors import DataError
from rise_bench.files.atomic import atomic_directory, atomic_write_text, sha256_file
from rise_bench.prompts.clean_text import clean_cot
from rise_bench.rendering.render import render
from rise_bench.scoring.leaks import leak_verdicts

_ROWS_PER_FILE = 2_000
_ROWS_PER_GROUP = 50
_SPLIT, _SHARD = "train", "low"


def write_unverified(
    benchmark: BenchmarkDataset,
    texts: Mapping[str, str],
    provenance: Mapping[str, Any],
    out: Path,
    *,
    overwrite: bool = False,
) -> Manifest:
    """Write a CoT dataset whose rewards are null, because nothing was reconstructed.

    Args:
        benchmark: Benchmark with a train split, images included.
        texts: Chain of thought by the id of its row; rows without one are skipped.
        provenance: Origin of the texts.
        out: Folder to make.
        overwrite: Replace other content of `out`.

    Raises:
        DataError: No row has a chain of thought.
        ConfigError: `out` may not be written.
    """
    ids = [gold.id for gold in benchmark.train_golds()]
    told = {uid: texts[uid] for uid in ids if texts.get(uid, "").strip()}
    if not told:
        raise DataError(f"no chain of thought belongs to a training row of {benchmark.root}")
    if overwrite:
        refuse_to_replace(out, cots=True)
    with atomic_directory(out, overwrite=overwrite) as work:
        (work / "data").mkdir()
        leaks: list[bool] = []
        files = _write(work, benchmark, told, provenance, leaks)
        parent = benchmark.manifest
        left_out = tuple(uid for uid in ids if uid not in told)
        options = {"cots_of": benchmark.sha256, "config": "full", UNVERIFIED: "yes"}
        manifest = parent.model_copy(
            update={
                "counts": {_SPLIT: len(told)},
                "paper_counts": None,
                "differences": (),
                "drops": {"without a chain of thought": left_out} if left_out else {},
                "options": parent.options | options,
                "near_duplicates": (),
                "near_duplicate_pairs": 0,
                "rows_sha256": None,
                "files": files,
                "images_sha256": {uid: parent.images_sha256[uid] for uid in told},
            }
        )
        manifest = manifest.model_copy(update={"content_sha256": manifest.files_sha256})
        atomic_write_text(work / "README.md", _card(manifest, provenance, sum(leaks), len(left_out)))
        write_manifest(work, manifest)
    return manifest


def _write(
    work: Path,
    benchmark: BenchmarkDataset,
    told: Mapping[str, str],
    provenance: Mapping[str, Any],
    leaks: list[bool],
) -> dict[str, FileEntry]:
    """Write the parquet files, and note of each row whether its chain of thought leaks."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = cot_features(benchmark.spec, benchmark.manifest.categories).arrow_schema
    rows, files = _rows(benchmark, told, json.dumps(provenance, sort_keys=True), leaks), {}
    for number in range(-(-len(told) // _ROWS_PER_FILE)):
        path = work / "data" / f"{_SPLIT}-{_SHARD}-{number:05d}.parquet"
        written = 0
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            while written < _ROWS_PER_FILE and (group := list(islice(rows, _ROWS_PER_GROUP))):
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
                written += len(group)
        files[path.relative_to(work).as_posix()] = FileEntry(
            split=_SPLIT, shard=_SHARD, sha256=sha256_file(path), rows=written, bytes=path.stat().st_size
        )
    return files


def _rows(
    benchmark: BenchmarkDataset, told: Mapping[str, str], provenance: str, leaks: list[bool]
) -> Iterator[dict[str, Any]]:
    names = ("reward", "similarity", "prior_score", "format_ok", "group_rewards")
    unknown = dict.fromkeys((*names, SELECTED, *GROUNDED, *VIEWS))
    for row in benchmark.rows(_SPLIT):
        if (cot := told.get(row["id"])) is None:
            continue
        gold = row_to_gold(benchmark.spec, row)
        secrets = kind_of(gold.annotation).secrets(gold.annotation, gold.category)
        numbers, strict = leak_verdicts(clean_cot(cot), *secrets)
        leaks.append(numbers)
        texts = {"cot": cot, "reconstruction": "", "provenance": provenance}
        yield row | unknown | texts | {"leak_numbers": numbers, "leak_strict": strict}


def _card(manifest: Manifest, provenance: Mapping[str, Any], leaks: int, left_out: int) -> str:
    spec = manifest.benchmark
    metadata = {
        "license": spec.license,
        "task_categories": ["image-text-to-text"],
        "tags": ["rise", "chain-of-thought", UNVERIFIED],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": _SPLIT, "path": f"data/{_SPLIT}-*.parquet"}],
            }
        ],
    }
    body = render(
        "unverified_card.md.j2",
        benchmark=spec.name.replace("_", " "),
        split_of=spec.name,
        rows=manifest.counts[_SPLIT],
        model=provenance.get("model", ""),
        leaks=leaks,
        left_out=left_out,
    )
    return joined_card(metadata, body, manifest)
