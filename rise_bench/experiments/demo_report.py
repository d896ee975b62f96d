"""The report of the demo: one HTML file without script, to be opened from disk.

The table, the curves of training, the rewards as a histogram with tau, good and bad chains of thought beside
their pictures, and what RISE and Visual-RFT answered to the same test pictures.
"""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.metric import Metric
from rise_bench.cot.dataset import TAU, open_cots
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.evaluation.responses import read_responses
from rise_bench.experiments.cell import Cell
from rise_bench.experiments.comparison import COLUMNS_NOTE, Row, cells, headings, samples_file
from rise_bench.experiments.jobs import JobFolder
from rise_bench.experiments.methods import METHODS
from rise_bench.files.atomic import atomic_write_text
from rise_bench.models.base_model import MAX_PIXELS
from rise_bench.rendering.histogram import reward_histogram
from rise_bench.rendering.line_chart import figure
from rise_bench.rendering.render import render
from rise_bench.reports.rollout_cards import Badge, cards
from rise_bench.reports.run_report import read_metrics
from rise_bench.scoring.response import read_response
from rise_bench.scoring.rewards import r1_reward
from rise_bench.synthetic import fact_check

_SHOWN_COTS = 4
_SHOWN_TESTS = 2
_FORMAT = AnswerFormat(max_pixels=MAX_PIXELS)


def write_page(
    path: Path, cell: Cell, dataset: BenchmarkDataset, rows: Sequence[Row], folder: JobFolder
) -> None:
    """Write the report of a finished demo."""
    page = render(
        "demo_report.html.j2",
        title=f"RISE on {dataset.spec.name}, {cell.shots}, seed {cell.seed}",
        benchmark=dataset.spec.name,
        tau=TAU,
        test_pictures=len(dataset.golds("test")),
        headings=headings(dataset.spec.metric),
        rows=_table(rows, dataset.spec.ranking),
        columns_note=COLUMNS_NOTE,
        curves=_curves(cell),
        reports=_reports(path, cell),
        **_chains_of_thought(cell, dataset),
        answers=_answers(cell, dataset, folder),
    )
    atomic_write_text(path, page)


def _table(rows: Sequence[Row], metric: Metric) -> list[tuple[str, list[str]]]:
    """Cells of each row, and its kind: the best method, whichever it is, or a floor."""
    values = {row.title: row.report.metrics[metric.name].value for row in rows if row.method}
    best = min(values.values(), key=metric.cost, default=math.nan)
    kinds = ("floor" if not row.method else "best" if values[row.title] == best else "" for row in rows)
    return [(kind, list(cells(row, metric.name))) for kind, row in zip(kinds, rows, strict=True)]


def _curves(cell: Cell) -> list[dict[str, str]]:
    def points(run: str, name: str) -> list[tuple[float, float]]:
        return [(m["step"], float(m[name])) for m in read_metrics(cell.run(run)) if name in m]

    charts = (
        ("Reward of RISE-CoT", "eq. 1, mean of a step", {"RISE-CoT": points("rise_cot", "reward")}),
        (
            "Reward of think-answer training",
            "eq. 9; RISE starts from its SFT",
            {"RISE": points("rise_r1", "reward"), "Visual-RFT": points("visual_rft", "reward")},
        ),
        (
            "Leaks and lost formats of RISE-CoT",
            "share of rollouts",
            {
                "leaks": points("rise_cot", "leak_numbers"),
                "format lost": [(x, 1 - y) for x, y in points("rise_cot", "format_ok")],
            },
        ),
    )
    return [figure(title, meaning, series, low=0.0, high=1.0) for title, meaning, series in charts]


def _reports(page: Path, cell: Cell) -> dict[str, str]:
    """Name of each run -> its report, as seen from the page."""
    reports = sorted((cell.out / "runs").glob("*/report.html"))
    return {path.parent.name: Path(os.path.relpath(path, page.parent)).as_posix() for path in reports}


def _chains_of_thought(cell: Cell, dataset: BenchmarkDataset) -> dict[str, Any]:
    rows = [
        {**row, "title": f"from step {_step(row)}", "reason": "ok"} for row in open_cots(cell.cots).rows()
    ]
    rows.sort(key=lambda row: -row["reward"])
    statements = Said(rows, dataset, "train")
    high = [row for row in rows if row["reward"] >= TAU]
    wrong = sorted(
        (row for row in high if statements.false(row)), key=lambda row: -len(statements.false(row))
    )

    def show(shown: Sequence[dict[str, Any]]) -> str:
        return cards(shown, dataset, _FORMAT, remark=statements.badges)

    return {
        "histogram": base64.b64encode(reward_histogram([row["reward"] for row in rows], TAU)).decode(),
        "best": show(rows[:_SHOWN_COTS]),
        "false_ones": show(wrong[:_SHOWN_COTS]),
        "worst": show(rows[-_SHOWN_COTS:]),
        "false_count": len(wrong),
        "high_count": len(high),
    }


def _answers(cell: Cell, dataset: BenchmarkDataset, folder: JobFolder) -> str:
    """Test pictures that RISE answers best and worst, each with the answer of Visual-RFT beside it."""
    golds = {gold.id: gold for gold in dataset.golds("test")}
    given = {m: read_responses(samples_file(cell, m, folder)) for m in ("rise", "visual_rft")}
    texts = {method: responses.texts for method, responses in given.items()}

    def row(method: str, uid: str) -> dict[str, Any]:
        verdict = r1_reward(golds[uid], texts[method][uid], given[method].answer_format)
        return {
            "id": uid,
            "title": METHODS[method].title,
            "response": texts[method][uid],
            "reward": verdict.reward,
            "similarity": verdict.similarity,
            "format_ok": verdict.format_ok,
            "reason": verdict.reason,
        }

    ranked = sorted(golds, key=lambda uid: (-row("rise", uid)["reward"], uid))
    chosen = [*ranked[:_SHOWN_TESTS], *ranked[-_SHOWN_TESTS:]]
    shown = [row(method, uid) for uid in chosen for method in texts]
    statements = Said(shown, dataset, "test")
    return cards(shown, dataset, _FORMAT, split="test", remark=statements.badges)


def _step(row: Mapping[str, Any]) -> int:
    step: int = json.loads(row["provenance"])["step"]
    return step


class Said:
    """The statements of rows' chains of thought, each true or false of its picture."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], dataset: BenchmarkDataset, split: str) -> None:
        """Check the rows (`id`, and `cot` or `response`) of a split."""
        self._spec = dataset.spec
        pairs = [(row["id"], self._thought(row)) for row in rows]
        checked = fact_check.check_texts(pairs, dataset, split)
        self._statements = dict(zip(pairs, checked, strict=True))

    def false(self, row: Mapping[str, Any]) -> list[str]:
        """Return what a row's chain of thought says that does not hold."""
        statements = self._statements[row["id"], self._thought(row)]
        return [statement.text for statement in statements if not statement.true]

    def badges(self, row: Mapping[str, Any]) -> list[Badge]:
        """Say how much of a row's chain of thought is false and, where it was judged, how grounded it is."""
        statements = self._statements[row["id"], self._thought(row)]
        badges: list[Badge] = []
        if wrong := self.false(row):
            badges.append(("bad", f"{len(wrong)} of {len(statements)} statements false: {'; '.join(wrong)}"))
        elif statements:
            badges.append(("good", f"all {len(statements)} statements true"))
        if row.get("groundedness") is not None:
            worst = row["groundedness_worst_sentence"]
            badges.append(("", f"groundedness {row['groundedness']:+.2f}, worst sentence {worst:+.2f}"))
        return badges

    def _thought(self, row: Mapping[str, Any]) -> str:
        if "cot" in row:
            return str(row["cot"])
        return read_response(row["response"], self._spec.kind, self._spec.classes).think
