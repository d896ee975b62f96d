"""Planted errors: a copy of a dataset in which some labels are known to be wrong."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rise_bench.annotations.base import Annotation, Gold
from rise_bench.annotations.kinds import KINDS, label_problem
from rise_bench.curation.audit.relabel import Change, write_copy
from rise_bench.data.dataset import BenchmarkDataset, open_dataset
from rise_bench.data.manifest import MANIFEST_NAME
from rise_bench.data.splits import by_rank
from rise_bench.errors import ConfigError, DataError

PLANTED_NAME = "planted.json"

#: Similarity with the true label from which a wrong one is too small an error to be looked for.
MOST_SIMILAR = 0.9


@dataclass(frozen=True, slots=True)
class Planted:
    """A dataset with planted errors.

    Attributes:
        dataset: The copy.
        errors: Name of the error by id of the row that has it.
    """

    dataset: BenchmarkDataset
    errors: dict[str, str]


def plant(
    dataset: BenchmarkDataset,
    splits: tuple[str, ...],
    share: float,
    seed: int,
    out: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
) -> Planted:
    """Write a copy with planted errors, or open it if that is done.

    The kinds of errors take turns over the rows, which are drawn by seed.

    Args:
        dataset: Dataset with images.
        splits: Splits whose rows may get an error.
        share: Share of the rows that get one.
        seed: Seed of rows and errors.
        out: Folder of the copy.
        progress: Called after each row.

    Raises:
        DataError: No row can get an error.
        ConfigError: The share leaves no row with, or none without, an error.
    """
    golds = {gold.id: gold for split in splits for gold in dataset.golds(split)}
    wanted = round(share * len(golds))
    if not 0 < wanted < len(golds):
        raise ConfigError(
            f"--plant {share:g} makes {wanted} of {len(golds)} labels wrong; expected at least one wrong and "
            "one right: name another share"
        )
    labels, errors = _wrong_labels(dataset, golds, wanted, seed)
    if (out / MANIFEST_NAME).is_file():
        copy = open_dataset(out)
        if copy.manifest.options.get("planted_in") != f"{dataset.sha256} {share:g} {seed}":
            raise ConfigError(f"{out} holds other planted errors; choose another --out")
        return Planted(copy, errors)
    change = Change(
        labels,
        (f"TEST DATA: {len(labels)} labels are wrong on purpose, to test an audit (see {PLANTED_NAME})",),
        {"planted_in": f"{dataset.sha256} {share:g} {seed}"},
        {PLANTED_NAME: json.dumps(errors, indent=1, ensure_ascii=False) + "\n"},
    )
    write_copy(dataset, out, change, progress=progress)
    return Planted(open_dataset(out), errors)


def _wrong_labels(
    dataset: BenchmarkDataset, golds: dict[str, Gold], wanted: int, seed: int
) -> tuple[dict[str, Annotation], dict[str, str]]:
    """Return wrong labels and the names of their errors, by row id."""
    labels: dict[str, Annotation] = {}
    errors: dict[str, str] = {}
    used: dict[str, int] = {}
    ids = by_rank(seed, "planted errors", list(golds))
    for uid in ids:
        if len(labels) == wanted:
            return labels, errors
        rng = random.Random(f"{seed} {uid}")
        choices = _errors(dataset, golds[uid], golds[rng.choice(ids)], rng)
        if choices:
            name = min(choices, key=lambda name: (used.get(name, 0), name))
            used[name] = used.get(name, 0) + 1
            labels[uid], errors[uid] = choices[name], name
    if not labels:
        raise DataError(f"no label of {dataset.root} can be made wrong; audit it without --plant")
    return labels, errors


def _errors(dataset: BenchmarkDataset, gold: Gold, other: Gold, rng: random.Random) -> dict[str, Annotation]:
    """Return the errors of a kind that matter and that a dataset can hold."""
    kind, errors = KINDS[gold.kind], {}
    for name, label in kind.planted_errors(gold, other, rng).items():
        similar = kind.similarity(gold.annotation, label, kind.audit_variant)
        wrong = replace(gold, annotation=label)
        if similar <= MOST_SIMILAR and not label_problem(wrong, dataset.spec.classes):
            errors[name] = label
    return errors
