"""Out-of-domain tests: further splits of a dataset, each a benchmark of its own.

So each has a task, baselines and a board, and shares the training split of its dataset.
"""

import dataclasses
from collections.abc import Sequence

from rise_bench.catalog.spec import BenchmarkSpec

#: Test of a dataset as a benchmark of its own -> the dataset, and the split.
TEST_PARTS = {
    "counting_ood": ("counting", "ood"),
    "structure_ood": ("structure", "ood"),
    "transformation_left": ("transformation", "ood_left"),
    "transformation_right": ("transformation", "ood_right"),
    "drawn_counting_ood": ("drawn_counting", "ood"),
    "drawn_changes_ood": ("drawn_changes", "ood"),
}


def parts_of(name: str) -> dict[str, str]:
    """Return the tests of a dataset, name of the benchmark -> split.

    >>> parts_of("counting"), parts_of("emotion6")
    ({'counting': 'test', 'counting_ood': 'ood'}, {'emotion6': 'test'})
    """
    return {name: "test"} | {part: split for part, (task, split) in TEST_PARTS.items() if task == name}


def as_part(spec: BenchmarkSpec, name: str) -> BenchmarkSpec:
    """Return the spec of a test of a dataset as a benchmark of its own."""
    return dataclasses.replace(spec, name=name, part_of=spec.name)


def with_parts(specs: Sequence[BenchmarkSpec]) -> tuple[BenchmarkSpec, ...]:
    """Return benchmarks, followed by their out-of-domain tests."""
    by_name = {spec.name: spec for spec in specs}
    parts = (as_part(by_name[name], part) for part, (name, _) in TEST_PARTS.items() if name in by_name)
    return (*specs, *parts)
