"""A dataset whose test annotations only a board has, and the public dataset that goes with it.

The private dataset has the ground truth. The public one has the same rows and images; its test annotations
are those of a baseline, which is fitted to the training rows and says nothing about the test. In both, the
test rows are in random order under numbers, because an id or its place may tell the annotation.
"""

import dataclasses
import random
import secrets
from collections.abc import Mapping, Sequence

from rise_bench.annotations.annotation_kind import Predictor
from rise_bench.annotations.base import Gold
from rise_bench.annotations.kinds import KINDS, fit_baselines
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.data.build_plan import SourcePlan, SourceRow
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.manifest import TEST_TRUTH
from rise_bench.data.pictures import held_pictures
from rise_bench.data.schema import row_to_gold
from rise_bench.data.writer import shortfalls_of
from rise_bench.errors import ConfigError

_NOTE = (
    "The annotations of the test rows are placeholders, one constant answer of a baseline: the true ones are "
    "kept by a leaderboard, which alone can score the test."
)
_WARNING = "PRIVATE: this dataset holds the test annotations of a leaderboard. Do not publish it."


def new_secret() -> int:
    """Return a random seed of 128 bits, which nobody can guess."""
    return secrets.randbits(128)


def plan_of(dataset: BenchmarkDataset) -> SourcePlan:
    """Return the rows of a dataset as the plan of another one.

    Raises:
        DataError: If it holds no images.
    """
    spec, manifest = dataset.spec, dataset.manifest

    def rows(split: str) -> list[SourceRow]:
        return [_source_row(dataset, row) for row in dataset.rows(split)] if split in manifest.counts else []

    more = {split: rows(split) for split in manifest.counts if split not in ("train", "test")}
    return SourcePlan(
        spec,
        rows("train"),
        rows("test"),
        manifest.categories,
        drops=manifest.drops,
        shortfalls=shortfalls_of(manifest),
        notes=manifest.differences,
        options=manifest.options,
        more_tests=more,
    )


def _source_row(dataset: BenchmarkDataset, row: Mapping[str, object]) -> SourceRow:
    gold = row_to_gold(dataset.spec, row)
    first, *more = held_pictures(row, dataset.root)
    return SourceRow(
        id=gold.id,
        source_id=str(row["source_id"] or ""),
        image=first,
        annotation=gold.annotation,
        category=gold.category,
        question=gold.question,
        license=str(row["license"] or ""),
        where=str(dataset.root),
        size_px=(gold.width_px, gold.height_px),
        more_images=tuple(more),
    )


def split_truth(plan: SourcePlan, secret: int) -> tuple[SourcePlan, SourcePlan]:
    """Return the plans of the private and the public dataset.

    Args:
        plan: All rows with their annotations and the sizes of their images.
        secret: Seed of the order of the test rows; whoever knows it knows the order.

    Raises:
        ConfigError: If there are no training rows, or no baseline is a valid annotation of all test rows.
    """
    if not plan.train:
        raise ConfigError(f"{plan.spec.name} has no training rows, which placeholders are fitted to")
    tests = {split: _numbered(plan.spec, split, rows, secret) for split, rows in plan.tests.items()}
    private = _with_tests(plan, tests, "private", (*plan.notes, _WARNING))
    placeholder = _placeholder(plan, [row for rows in tests.values() for row in rows])
    public = {
        split: [dataclasses.replace(r, source_id=r.id, annotation=placeholder(_gold(r))) for r in rows]
        for split, rows in tests.items()
    }
    return private, _with_tests(plan, public, "withheld", (*plan.notes, _NOTE))


def _numbered(
    spec: BenchmarkSpec, split: str, rows: Sequence[SourceRow], secret: int
) -> tuple[SourceRow, ...]:
    mixed = list(rows)
    random.Random(f"{spec.name}:{split}:{secret}").shuffle(mixed)
    return tuple(
        dataclasses.replace(row, id=f"{spec.name}/hidden-{split}/{number:06d}")
        for number, row in enumerate(mixed)
    )


def _with_tests(
    plan: SourcePlan, tests: Mapping[str, Sequence[SourceRow]], truth: str, notes: Sequence[str]
) -> SourcePlan:
    more = {split: rows for split, rows in tests.items() if split != "test"}
    options = {**plan.options, TEST_TRUTH: truth}
    return dataclasses.replace(plan, test=tests["test"], more_tests=more, options=options, notes=notes)


def _placeholder(plan: SourcePlan, tests: Sequence[SourceRow]) -> Predictor:
    """Return the first baseline whose answers are valid annotations."""
    golds = [_gold(row) for row in tests]
    for predict in fit_baselines([_gold(row) for row in plan.train]).values():
        guessed = [dataclasses.replace(gold, annotation=predict(gold)) for gold in golds]
        if not any(KINDS[plan.spec.kind].problem(gold, plan.spec.classes) for gold in guessed):
            return predict
    raise ConfigError(f"no baseline of {plan.spec.name} is a valid annotation of every test row")


def _gold(row: SourceRow) -> Gold:
    assert row.size_px is not None
    return Gold(row.id, row.annotation, *row.size_px, row.category, row.question)
