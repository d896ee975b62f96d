"""Share of false statements in chains of thought about drawn pictures, at every stage.

    python -m rise_bench.experiments.false_statements moods runs/moods-16-shot-rise_cot/rollouts \
        runs/moods-16-shot-rise_cot/cots results/samples.jsonl

The first argument is the drawn benchmark (folder or name), the others are folders of rollout logs (a line for
each range of optimiser steps), CoT datasets (all rows, `high`, and `high` with `--min-groundedness`), or
samples files of evaluations (chains of thought of responses). It also prints how well the rewards that rows
have (reward, reward_blind, lift), and groundedness, rank true texts above false ones.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rise_bench.cot.dataset import GROUNDED, VIEWS, open_cots
from rise_bench.cot.rollout_log import latest_rollouts
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.data.manifest import MANIFEST_NAME
from rise_bench.errors import DataError, run_program
from rise_bench.evaluation.responses import read_responses
from rise_bench.hub.find import find_benchmark
from rise_bench.scoring.groundedness import auroc
from rise_bench.scoring.response import read_response
from rise_bench.synthetic.fact_check import Counted, check_texts, count_statements

Stage = tuple[str, Counted]
Row = Mapping[str, Any]


def count_rollouts(folder: Path, dataset: BenchmarkDataset, *, every: int = 20) -> Iterator[Stage]:
    """Count the statements of rollouts of a training run (`RUN/rollouts`) by `every` optimiser steps."""
    ranges: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for rollout in latest_rollouts([folder]):
        text = rollout.cot if rollout.response is None else rollout.response
        ranges[rollout.step // every].append((rollout.id, text))
    if not ranges:
        raise DataError(f"{folder} holds no rollouts; name the folder `rollouts` of a run")
    for number, texts in sorted(ranges.items()):
        name = f"rollouts, steps {number * every} to {(number + 1) * every - 1}"
        yield name, count_statements(texts, dataset, "train")


def count_retained(
    folder: Path, dataset: BenchmarkDataset, *, min_groundedness: float | None = None
) -> Iterator[Stage]:
    """Count the statements of a CoT dataset: all, `high`, and `high` of at least `min_groundedness`."""
    cots = open_cots(folder)
    rows = list(cots.rows(columns=["id", "cot"]))
    high = list(cots.rows("high"))
    yield "retained, all", count_statements(((r["id"], r["cot"]) for r in rows), dataset, "train")
    yield "retained, high", count_statements(((r["id"], r["cot"]) for r in high), dataset, "train")
    if min_groundedness is not None:
        judged = [(r["id"], r["cot"], r[cots.threshold_column]) for r in high]
        texts = [(uid, cot) for uid, cot, value in judged if value is not None and value >= min_groundedness]
        name = f"retained, high, groundedness >= {min_groundedness:g}"
        yield name, count_statements(texts, dataset, "train")


def count_samples(file: Path, dataset: BenchmarkDataset) -> Iterator[Stage]:
    """Count the statements of an evaluation's responses."""
    spec, responses = dataset.spec, read_responses(file).texts
    texts = ((uid, read_response(text, spec.kind, spec.classes).think) for uid, text in responses.items())
    yield "responses, test", count_statements(texts, dataset, "test")


def rank_truth(
    rows: Sequence[Row], dataset: BenchmarkDataset, *, column: str = "groundedness", threshold: float = 0.0
) -> dict[str, float]:
    """Return how well groundedness ranks true texts above texts with a false statement.

    Args:
        rows: Rows with `id`, `cot`, `groundedness` and `groundedness_worst_sentence`; unjudged rows and texts
            without statements are left out.
        dataset: Drawn benchmark of the rows (train split).
        column: Column that the threshold is compared with.
        threshold: Smallest groundedness of a gate.

    Returns:
        texts, false_texts, AUROC by `groundedness` and by `groundedness_worst_sentence`, and the shares of
        true and false texts that the gate stops; empty if a side is empty.
    """
    judged = [row for row in rows if row.get("groundedness_worst_sentence") is not None]
    sides = _true_and_false(judged, dataset)
    if not all(sides):
        return {}
    result = {"texts": float(len(sides[0]) + len(sides[1])), "false_texts": float(len(sides[1]))}
    for name in GROUNDED:
        result[f"auroc {name}"] = auroc(*([row[name] for row in side] for side in sides))
    for name, side in zip(("true", "false"), sides, strict=True):
        stopped = sum(row[column] < threshold for row in side)
        result[f"{name} texts stopped at {threshold:g}"] = stopped / len(side)
    return result


def rank_truth_by_rewards(rows: Sequence[Row], dataset: BenchmarkDataset) -> dict[str, float]:
    """Return how well rewards rank true texts above texts with a false statement.

    Args:
        rows: Rows with `id` and `cot`; of each reward, rows without it are left out.
        dataset: Drawn benchmark of the rows (train split).

    Returns:
        AUROC by `reward` (eq. 1), `reward_blind`, `lift` and `paid` (what the policy received, where that is
        not `reward`), and the number of texts of each; a reward is absent if either side has no text with it.
        Of rollouts also the AUROC over pairs of a true and a false text of one prompt and step, which is what
        GRPO learns from, and the number of these pairs.
    """
    result = {}
    both = _true_and_false(rows, dataset)
    for name in ("reward", *VIEWS, "paid"):
        sides = [[row for row in side if _has(row, name)] for side in both]
        if all(sides):
            result[f"auroc {name}"] = auroc(*([row[name] for row in side] for side in sides))
            result[f"texts with {name}"] = float(sum(map(len, sides)))
            result |= _within_groups(name, sides)
    return result


def _within_groups(name: str, sides: Sequence[Sequence[Row]]) -> dict[str, float]:
    """Return the AUROC within groups of GRPO; empty without a group that has both sides."""
    groups: dict[tuple[str, int, int], tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for number, side in enumerate(sides):
        for row in side:
            if "group" in row:  # a prompt may be there twice in a step
                groups[row["id"], row["step"], row["group"]][number].append(row[name])
    mixed = [group for group in groups.values() if all(group)]
    pairs = sum(len(true) * len(false) for true, false in mixed)
    if not pairs:
        return {}
    won = sum(auroc(true, false) * len(true) * len(false) for true, false in mixed)
    return {f"auroc {name} within groups": won / pairs, f"pairs with {name}": float(pairs)}


def _has(row: Row, name: str) -> bool:
    """Whether a row has a reward; `reward` of a blind run is its blind one."""
    return row.get(name) is not None and not (name == "reward" and row.get("view") == "blind")


def _true_and_false(rows: Sequence[Row], dataset: BenchmarkDataset) -> tuple[list[Row], list[Row]]:
    """Return the rows whose statements are all true, and those with a false one."""
    checked = check_texts(((row["id"], row["cot"]) for row in rows), dataset, "train")
    sides: tuple[list[Row], list[Row]] = ([], [])
    for row, facts in zip(rows, checked, strict=True):
        if facts:
            sides[any(not fact.true for fact in facts)].append(row)
    return sides


def count_any(path: Path, dataset: BenchmarkDataset, **options: Any) -> Iterator[Stage]:
    """Count the statements of a folder or file, see the module."""
    if path.is_file():
        yield from count_samples(path, dataset)
    elif (path / MANIFEST_NAME).is_file():
        yield from count_retained(path, dataset, min_groundedness=options.get("min_groundedness"))
    else:
        yield from count_rollouts(path, dataset, every=options.get("every", 20))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description="False statements of chains of thought about drawn pictures."
    )
    parser.add_argument("benchmark", help="drawn benchmark: name or folder")
    parser.add_argument("paths", nargs="+", type=Path, help="rollouts, CoT datasets, samples files")
    parser.add_argument("--every", type=int, default=20, help="optimiser steps in one range")
    parser.add_argument(
        "--min-groundedness",
        type=float,
        help="of the gate (0), and of one more line of `high` rows",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    a = parser.parse_args()
    dataset = find_benchmark(a.benchmark)
    for path in a.paths:
        for stage, counted in count_any(path, dataset, every=a.every, min_groundedness=a.min_groundedness):
            facts = {"false_rate": counted.rate, "false_per_text": counted.false_per_text}
            if a.json:
                line = json.dumps({"path": str(path), "stage": stage, **asdict(counted), **facts})
            else:
                line = (
                    f"{stage:<44} {counted.texts:>6} texts {counted.statements:>7} statements "
                    f"{counted.false:>6} false, rate {counted.rate:.3f}, {counted.false_per_text:.3f} a text"
                )
            sys.stdout.write(line + "\n")
        rows, column = _rows(path) if path.is_dir() else ([], "")
        judged = rank_truth(rows, dataset, column=column, threshold=a.min_groundedness or 0.0)
        if ranked := rank_truth_by_rewards(rows, dataset) | judged:
            sys.stdout.write(json.dumps(ranked, indent=None if a.json else 1) + "\n")


def _rows(folder: Path) -> tuple[list[Row], str]:
    """Return the rows of a folder and the column that their threshold is compared with."""
    if (folder / MANIFEST_NAME).is_file():
        cots = open_cots(folder)
        return list(cots.rows()), cots.threshold_column
    rows: list[Row] = [rollout.to_json() for rollout in latest_rollouts([folder])]
    named = any("groundedness_measure" in row for row in rows)
    return rows, "groundedness" if named else "groundedness_worst_sentence"


if __name__ == "__main__":
    run_program(main)
