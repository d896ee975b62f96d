"""Summary that `rise-bench build` prints for a complete dataset."""

from collections.abc import Mapping
from pathlib import Path

import typer

from rise_bench.catalog.benchmarks import is_own
from rise_bench.cli.tables import print_json, print_rows
from rise_bench.data.dataset import BenchmarkDataset, open_dataset
from rise_bench.data.manifest import Manifest
from rise_bench.data.summary import Summary, summarize

#: Classes that the table shows; `--json` has all.
_LISTED = 40


def print_summary(folder: Path, as_json: bool) -> None:
    """Print counts, what was left out, and what the dataset can be used for."""
    dataset = open_dataset(folder)
    manifest, summary = dataset.manifest, summarize(dataset)
    if as_json:
        print_json(_json(folder, manifest, summary))
        return
    _print_classes(manifest, summary)
    lines = [*_counts(manifest, summary), *_left_out(manifest), *_pictures(dataset), *_uses(manifest.counts)]
    typer.echo("\n".join([*lines, f"{folder} is complete; check it with: rise-bench check {folder}"]))


def _json(folder: Path, manifest: Manifest, summary: Summary) -> dict[str, object]:
    return {
        "folder": str(folder),
        "benchmark": manifest.spec["name"],
        "counts": manifest.counts,
        **summary.to_json(),
        "paper_counts": manifest.paper_counts,
        "differences": list(manifest.differences),
        "drops": {reason: len(names) for reason, names in manifest.drops.items()},
        "near_duplicate_pairs": manifest.near_duplicate_pairs,
        "partial": manifest.partial,
        "content_sha256": manifest.content_sha256,
        "bytes": sum(entry.bytes for entry in manifest.files.values()),
    }


def _print_classes(manifest: Manifest, summary: Summary) -> None:
    splits = list(manifest.counts)
    rows = [
        (name, *(str(counts[split]) for split in splits), str(sum(counts.values())))
        for name, counts in summary.classes.items()
    ]
    if more := rows[_LISTED:]:
        rows = [*rows[:_LISTED], (f"{len(more)} more classes (--json lists them)", *("" for _ in splits), "")]
    print_rows(f"{manifest.spec['name']}: rows by class", ("class", *splits, "all"), rows)


def _counts(manifest: Manifest, summary: Summary) -> list[str]:
    paper = manifest.paper_counts or {}
    counts = ", ".join(
        f"{rows} {split}" + (f" (paper {paper[split]})" if split in paper else "")
        for split, rows in manifest.counts.items()
    )
    lines = [f"{manifest.spec['name']}: {counts}, of {sum(summary.images.values())} images"]
    if empty := sum(summary.empty_images.values()):
        by_split = ", ".join(f"{number} in {split}" for split, number in summary.empty_images.items())
        lines.append(f"- {empty} images show no object ({by_split})")
    return lines


def _left_out(manifest: Manifest) -> list[str]:
    if manifest.differences:
        return [f"- {line}" for line in manifest.differences]
    return [f"- {len(names)} left out, e.g. {names[0]}: {reason}" for reason, names in manifest.drops.items()]


def _pictures(dataset: BenchmarkDataset) -> list[str]:
    """Explain what publishing does with a user's own pictures."""
    if not is_own(dataset.spec):
        return []
    if dataset.spec.images == "embed":
        return ["`rise-bench publish` sends the images with the dataset (--images embed)"]
    return [
        "`rise-bench publish` sends the images by reference only: ids and hashes, no picture; if they may be "
        "republished, build with --images embed"
    ]


def _uses(counts: Mapping[str, int]) -> list[str]:
    """Explain what the splits can be used for."""
    if "train" not in counts:
        return ["no train split: it can be evaluated on, and not trained on (see --test-fraction)"]
    if "test" not in counts:
        return ["no test split: it can be trained on, and not evaluated on (see --test-fraction)"]
    return [
        "test is for evaluation; `collect` writes chains of thought for train unless --splits names others"
    ]
