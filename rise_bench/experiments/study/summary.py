"""Means and paired tests of results."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.errors import DataError
from rise_bench.experiments.comparison import AGAINST
from rise_bench.experiments.study.claims import CLAIMS, FALSE_SHARE, Claim, lower_is_better
from rise_bench.experiments.study.measure import Result
from rise_bench.experiments.study.paired_test import PairedTest, paired_test
from rise_bench.files.atomic import atomic_write_text


@dataclass(frozen=True, slots=True)
class Group:
    """Results of a benchmark, budget and number of shots.

    Attributes:
        benchmark: Name of the benchmark.
        budget: steps, time or paper.
        shots: Number of shots, or `mean`.
        methods: Results by method and seed.
    """

    benchmark: str
    budget: str
    shots: str
    methods: Mapping[str, Mapping[int, Result]]

    @property
    def metric(self) -> str:
        """The benchmark's own metric."""
        results = (result for by_seed in self.methods.values() for result in by_seed.values())
        recorded = next((result.metric for result in results if result.metric), "")
        return recorded or get_benchmark(self.benchmark).metric

    def values(self, method: str, number: str) -> list[float]:
        """Return a number of a method, for each seed with it."""
        results = self.methods.get(method, {})
        return [r.numbers[number] for _, r in sorted(results.items()) if number in r.numbers]

    def compare(self, first: str, second: str, number: str = "", limit: int = 0) -> PairedTest | None:
        """Compare two methods on their common seeds, those below `limit` if it is given; None without any."""
        number = number or self.metric
        a, b = self.methods.get(first, {}), self.methods.get(second, {})
        seeds = [s for s in sorted(a.keys() & b.keys()) if number in a[s].numbers and number in b[s].numbers]
        seeds = [seed for seed in seeds if not limit or seed < limit]
        if not seeds:
            return None
        pairs = ([by_seed[seed].numbers[number] for seed in seeds] for by_seed in (a, b))
        return paired_test(*pairs, lower_is_better=lower_is_better(number))


def groups(results: Iterable[Result]) -> list[Group]:
    """Sort results into groups; baselines, without budget and shots, are in none."""
    by_method: dict[tuple[str, str, str], dict[str, dict[int, Result]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for result in results:
        if result.budget:
            by_method[result.benchmark, result.budget, result.shots][result.method][result.seed] = result
    order = ("4-shot", "16-shot", "full")
    keys = sorted(by_method, key=lambda key: (key[0], key[1], order.index(key[2])))
    return [Group(*key, dict(by_method[key])) for key in keys]


def over_shots(compared: Sequence[Group]) -> list[Group]:
    """Return a group `mean` of averages over all numbers of shots; empty with a single number.

    A method has the seeds with a result at every number of shots. These results share test pictures, so the
    seed stays the unit of the tests.
    """
    if len(compared) < 2:
        return []
    first, methods = compared[0], {}
    for name in first.methods:
        by_shots = [group.methods.get(name, {}) for group in compared]
        seeds = sorted(set.intersection(*(set(results) for results in by_shots)))
        if seeds:
            methods[name] = {seed: _mean_result([by_seed[seed] for by_seed in by_shots]) for seed in seeds}
    return [Group(first.benchmark, first.budget, "mean", methods)] if methods else []


def _mean_result(compared: Sequence[Result]) -> Result:
    shared = [name for name in compared[0].numbers if all(name in by_seed.numbers for by_seed in compared)]
    numbers = {name: fmean(by_seed.numbers[name] for by_seed in compared) for name in shared}
    return replace(compared[0], shots="mean", numbers=numbers)


def by_budget(results: Iterable[Result]) -> list[list[Group]]:
    """Return the groups of each benchmark and budget, from few shots to many."""
    by_method: dict[tuple[str, str], list[Group]] = defaultdict(list)
    for group in groups(results):
        by_method[group.benchmark, group.budget].append(group)
    return list(by_method.values())


def mean_sd(values: Sequence[float]) -> dict[str, float]:
    """Return mean, standard deviation over seeds (NaN of one) and number."""
    return {
        "mean": fmean(values),
        "sd": stdev(values) if len(values) > 1 else float("nan"),
        "n": len(values),
    }


def judged(group: Group) -> list[tuple[Claim, PairedTest]]:
    """Return the claims with results of both methods, and their tests."""
    tests = ((claim, group.compare(claim.better, claim.worse, claim.number)) for claim in CLAIMS)
    return [(claim, test) for claim, test in tests if test is not None]


def summarise(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return means, tests against RISE and tests of claims of each group, as plain JSON values."""
    return [
        {
            "benchmark": group.benchmark,
            "budget": group.budget,
            "shots": group.shots,
            "metric": group.metric,
            "methods": {name: _numbers(group, name) for name in group.methods},
            "rise_against": {
                name: {number: test.to_json() for number, test in against(group, name).items()}
                for name in group.methods
                if name != AGAINST
            },
            "claims": [
                {
                    "claim": claim.name,
                    "table": claim.table,
                    "number": claim.number or group.metric,
                    **test.to_json(),
                }
                for claim, test in judged(group)
            ],
        }
        for compared in by_budget(results)
        for group in (*compared, *over_shots(compared))
    ]


def against(group: Group, method: str) -> dict[str, PairedTest]:
    """Compare RISE with a method on the benchmark's metric and, if both think, on false statements."""
    tests = {n: group.compare(AGAINST, method, n) for n in (group.metric, FALSE_SHARE)}
    return {number: test for number, test in tests.items() if test is not None}


def _numbers(group: Group, method: str) -> dict[str, dict[str, float]]:
    names = {name: None for result in group.methods[method].values() for name in result.numbers}
    return {name: mean_sd(group.values(method, name)) for name in names}


def read_results(path: Path) -> list[Result]:
    """Read results.jsonl; empty if it does not exist.

    Raises:
        DataError: It has another format.
    """
    if not path.is_file():
        return []
    try:
        return [Result.from_json(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is not a file of results ({error}). Remove it; it is written again."
        ) from error


def write_results(
    path: Path, results: Iterable[Result], outdated: Collection[tuple[str, str, str, int, str]] = ()
) -> list[Result]:
    """Replace results of the same key, remove those with outdated keys, keep others; return all in order."""
    before = (result for result in read_results(path) if result.key not in outdated)
    merged = {result.key: result for result in (*before, *results)}
    ordered = [merged[key] for key in sorted(merged)]
    lines = (json.dumps(r.to_json(), ensure_ascii=False, allow_nan=False) for r in ordered)
    atomic_write_text(path, "".join(f"{line}\n" for line in lines))
    return ordered
