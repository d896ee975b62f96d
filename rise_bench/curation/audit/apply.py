"""Decisions on an audit become a corrected dataset: a new folder and version, which keeps the old labels."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from rise_bench.annotations.base import Annotation, Gold
from rise_bench.annotations.kinds import KINDS, label_problem
from rise_bench.curation.audit.relabel import Change, write_copy
from rise_bench.curation.decisions import Decision
from rise_bench.curation.queue import QUEUE_NAME, QueueHeader, ReviewQueue
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.manifest import CORRECTIONS_NAME, MANIFEST_NAME, Manifest, read_manifest
from rise_bench.data.replacing import refuse_to_replace
from rise_bench.errors import ConfigError, DataError
from rise_bench.files.atomic import sha256_bytes, sha256_file


def apply_decisions(
    dataset: BenchmarkDataset,
    decisions: Mapping[str, Decision],
    source: Path,
    out: Path,
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
) -> Manifest:
    """Write a corrected dataset.

    Args:
        dataset: Dataset with images, of the version that was reviewed.
        decisions: Decisions by row id.
        source: File that they are from; its hash goes into the manifest.
        out: Folder to make.
        overwrite: Replace what is at `out`.
        progress: Called after each row.

    Raises:
        DataError: The dataset is not the one that was reviewed, a decision is of a row that is not there, or
            its label cannot be ground truth.
        ConfigError: No decision changes a label, or `out` may not be written.
    """
    _require_reviewed(source, decisions, dataset)
    if overwrite:
        refuse_to_replace(out)
        if out.resolve() in source.resolve().parents:
            raise ConfigError(f"{out} holds {source.name}, which would be deleted; choose another one")
    golds = {gold.id: (split, gold) for split in dataset.manifest.counts for gold in dataset.golds(split)}
    if unknown := sorted(decisions.keys() - golds.keys()):
        raise DataError(
            f"{source}: {len(unknown)} decisions are of rows that {dataset.root} lacks, e.g. {unknown[0]!r}; "
            "name the dataset that was reviewed"
        )
    spec = dataset.spec
    header = QueueHeader("", "audit", spec.kind, classes=spec.classes)
    labels: dict[str, Annotation] = {}
    for uid, decision in decisions.items():
        if (label := decision.read(header)) is not None:
            if problem := label_problem(replace(golds[uid][1], annotation=label), spec.classes):
                raise DataError(f"{source}: row {uid!r}: {problem}; decide it again in `rise-bench review`")
            labels[uid] = KINDS[spec.kind].stored(label)
    changed = {uid: label for uid, label in labels.items() if label != golds[uid][1].annotation}
    if not changed:
        raise ConfigError(f"no decision of {source} changes a label of {dataset.root}; nothing was written")
    lines = (_line(golds[uid], changed[uid], decisions[uid]) for uid in sorted(changed))
    text = _earlier(dataset) + "".join(lines)
    note = f"{len(changed)} labels were corrected by {source.name}; its maker keeps it and the old ones"
    options = {
        "corrected_labels": str(len(changed)),
        "corrected_from_sha256": dataset.sha256,
        "corrections_sha256": sha256_bytes(text.encode()),
        "decisions_sha256": sha256_file(source),
    }
    change = Change(changed, (note,), options, {CORRECTIONS_NAME: text})
    return write_copy(dataset, out, change, overwrite=overwrite, progress=progress)


def _require_reviewed(source: Path, decisions: Mapping[str, Decision], dataset: BenchmarkDataset) -> None:
    """Compare the dataset with that of the decisions, and of the queue or CoT dataset beside them, if known.

    Raises:
        DataError: It is of another dataset or version, e.g. of one with planted errors.
    """
    for decision in decisions.values():
        if decision.dataset_sha256 not in ("", dataset.sha256):
            raise DataError(
                f"{source} decides on version {decision.dataset_sha256[:12]} ({decision.id!r}), and "
                f"{dataset.root} is version {dataset.sha256[:12]}: name the dataset that was reviewed"
            )
    if not (source.parent / QUEUE_NAME).is_file():
        explained = ""
        if (source.parent / MANIFEST_NAME).is_file():
            explained = read_manifest(source.parent).options.get("cots_of", "")
        if explained not in ("", dataset.sha256):
            raise DataError(
                f"{source} decides on chains of thought for version {explained[:12]}; {dataset.root} is "
                f"version {dataset.sha256[:12]}: name the dataset that they explain"
            )
        return
    reviewed = ReviewQueue(source.parent).header
    if reviewed.dataset_sha256 not in ("", dataset.sha256):
        raise DataError(
            f"{source} decides on {reviewed.dataset}, version {reviewed.dataset_sha256[:12]}; {dataset.root} "
            f"is version {dataset.sha256[:12]}: name the dataset that was reviewed"
        )


def _earlier(dataset: BenchmarkDataset) -> str:
    """Return the corrections that the dataset itself came from; empty if there are none."""
    path = dataset.root / CORRECTIONS_NAME
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _line(row: tuple[str, Gold], label: Annotation, decision: Decision) -> str:
    split, gold = row
    kind = KINDS[gold.kind]
    record = {
        "id": gold.id,
        "split": split,
        "old": kind.to_json(gold.annotation),
        "new": kind.to_json(label),
        "action": decision.action,
        "note": decision.note,
        "time_utc": decision.time_utc,
    }
    return json.dumps(record, ensure_ascii=False) + "\n"
