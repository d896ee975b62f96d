"""`.eval_results` entries: files in a model's repository that display its score on the Hub."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.leaderboards.ranking.entries import Entry
from rise_bench.leaderboards.verification.gold_board import GoldBoard


def eval_results(entries: Sequence[Entry], boards: Mapping[str, GoldBoard], site: str = "") -> dict[str, str]:
    """Write the best entry of each model, benchmark and shot setting in the Hub's format; ranked ones first.

    Args:
        entries: Scored submissions.
        boards: Ground truth by benchmark.
        site: Address of the site for links, or "".

    Returns:
        "<org>/<model>/.eval_results/<benchmark>-<shots>.yaml" -> YAML; what follows the model is the path in
        its repository.
    """
    best: dict[str, tuple[str, Entry]] = {}
    for entry in entries:
        submission, spec = entry.submission, boards[entry.submission.benchmark].spec
        path = f"{submission.model.id}/.eval_results/{submission.benchmark}-{submission.shots}.yaml"
        key, before = path.casefold(), best.get(path.casefold())
        if before is None or _merit(entry, spec) > _merit(before[1], spec):
            best[key] = path, entry
    return {
        path: yaml.safe_dump([_entry(entry, boards, site)], sort_keys=False, allow_unicode=True)
        for path, entry in sorted(best.values(), key=lambda pair: pair[0])
    }


def _merit(entry: Entry, spec: BenchmarkSpec) -> tuple[bool, float]:
    return entry.ranked, -spec.ranking.cost(entry.main.value)


def _entry(entry: Entry, boards: Mapping[str, GoldBoard], site: str) -> dict[str, Any]:
    submission, board = entry.submission, boards[entry.submission.benchmark]
    dataset = {"id": board.pin.dataset, "task_id": f"rise_{submission.benchmark}"}
    if board.pin.revision:
        dataset["revision"] = board.pin.revision
    shots = {"0-shot": "zero-shot", "full": "full data"}.get(submission.shots, submission.shots)
    low, high = entry.main.low, entry.main.high
    note = f"{shots}, {board.spec.metric}, 95% interval {low:.4f} to {high:.4f}, {entry.tier}"
    content: dict[str, Any] = {
        "dataset": dataset,
        "value": round(entry.main.value, 6),
        "date": submission.run.date,
    }
    if site:
        address = f"{site.rstrip('/')}/samples.html?run={entry.key}"
        content["source"] = {"url": address, "name": "RISE-Bench", "user": entry.author}
    return content | {"notes": note}
