"""Chains of thought from elsewhere, joined with the rows of a benchmark and marked as unverified."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rise_bench.annotations.kinds import kind_of
from rise_bench.cot.dataset import GROUNDED, SELECTED, VIEWS
from rise_bench.cot.writer import derived_manifest, write_shards
from rise_bench.data.card import joined_card
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.manifest import UNVERIFIED, Manifest, write_manifest
from rise_bench.data.replacing import refuse_to_replace
from rise_bench.data.schema import row_to_gold
from rise_bench.errors import DataError
from rise_bench.files.atomic import atomic_directory, atomic_write_text
from rise_bench.prompts.clean_text import clean_cot
from rise_bench.rendering.render import render
from rise_bench.scoring.leaks import leak_verdicts

_SPLIT = "train"


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
        rows = _rows(benchmark, told, json.dumps(provenance, sort_keys=True), leaks)
        files = write_shards(work, benchmark, _SPLIT, "low", rows)
        left_out = tuple(uid for uid in ids if uid not in told)
        drops = {"without a chain of thought": left_out} if left_out else {}
        options = {"cots_of": benchmark.sha256, "config": "full", UNVERIFIED: "yes"}
        manifest = derived_manifest(benchmark, files, told, drops, benchmark.manifest.options | options)
        atomic_write_text(work / "README.md", _card(manifest, provenance, sum(leaks), len(left_out)))
        write_manifest(work, manifest)
    return manifest


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
