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
from html import escape
from pathlib import Path
from typing import Any

from rise_bench.cot.dataset import TAU, open_cots
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.evaluation.responses import read_responses
from rise_bench.evaluation.score_run import LOWER_IS_BETTER
from rise_bench.experiments.cell import Cell
from rise_bench.experiments.comparison import COLUMNS_NOTE, Row, cells, headings, samples_file
from rise_bench.experiments.jobs import JobFolder
from rise_bench.experiments.methods import METHODS
from rise_bench.files.atomic import atomic_write_text
from rise_bench.models.base_model import MAX_PIXELS
from rise_bench.rendering.charts import legend, line_chart, reward_histogram
from rise_bench.rendering.style import STYLE
from rise_bench.reports.rollout_cards import Badge, cards
from rise_bench.reports.run_report import read_metrics
from rise_bench.scoring.response import read_response
from rise_bench.scoring.rewards import r1_reward
from rise_bench.synthetic import fact_check

_SHOWN_COTS = 4


_SHOWN_TESTS = 2


_MODEL: Mapping[str, Any] = {"box_unit": "norm1000", "max_pixels": MAX_PIXELS}


_EXTRA_STYLE = """
table.scores { width: auto; font-size: 15px; } table.scores td, table.scores th { padding: 4px 22px 4px 0; }
table.scores thead th { border-bottom: 1px solid var(--edge); }
table.scores td, table.scores thead th + th { text-align: right; }
table.scores tr.floor { color: var(--soft); }
table.scores tr.best > :nth-child(-n+2) { font-weight: 600; color: var(--ink); }
p.lead { max-width: 75ch; } img.histogram { max-width: 100%; }
"""


def write_page(
    path: Path, cell: Cell, dataset: BenchmarkDataset, rows: Sequence[Row], folder: JobFolder
) -> None:
    """Write the report of a finished demo."""
    spec = dataset.spec
    title = f"RISE on {spec.name}, {cell.shots}, seed {cell.seed}"
    parts = [
        f"<header><h1>{escape(title)}</h1>{_lead(dataset)}</header>",
        f"<section><h2>Scores on {len(dataset.golds('test'))} test pictures</h2>{_table(rows, spec.metric)}"
        f"<p class='note'>{escape(COLUMNS_NOTE)}</p></section>",
        f"<section><h2>Training</h2><div class='charts'>{_curves(cell)}</div>{_links(path, cell)}</section>",
        _chains_of_thought(cell, dataset),
        _answers(cell, dataset, folder),
    ]
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}{_EXTRA_STYLE}</style></head>\n<body>{''.join(parts)}</body></html>\n"
    )
    atomic_write_text(path, page)


def _lead(dataset: BenchmarkDataset) -> str:
    return (
        "<p class='lead'>RISE-CoT learns to explain annotations so that they can be reconstructed from the "
        "explanation; the best explanation of each training picture, with its reward, is the CoT dataset. "
        "RISE is then trained on the explanations with reward at least "
        f"{TAU:g} and by reinforcement on all {escape(dataset.spec.name)} annotations of this setting; its "
        "rivals see the same annotations and train for as many steps, RISE-CoT's included. Every model "
        "starts from the same base model of two million parameters.</p>"
    )


def _table(rows: Sequence[Row], metric: str) -> str:
    """Table of the scores; the best method is bold, whichever it is."""
    head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in headings(metric))
    values = {row.title: row.report.metrics[metric].value for row in rows if row.method}
    best = (min if metric in LOWER_IS_BETTER else max)(values.values(), default=math.nan)
    body = ""
    for row in rows:
        kind = "floor" if not row.method else "best" if values[row.title] == best else ""
        first, *rest = (escape(text) for text in cells(row, metric))
        data = "".join(f"<td>{text}</td>" for text in rest)
        body += f"<tr class='{kind}'><th scope='row'>{first}</th>{data}</tr>"
    return f"<table class='scores'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _curves(cell: Cell) -> str:
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
    figures = ""
    for title, meaning, series in charts:
        figures += (
            f"<figure><figcaption><b>{escape(title)}</b> <i>{escape(meaning)}</i></figcaption>"
            f"{line_chart(series, low=0.0, high=1.0)}{legend(series)}</figure>"
        )
    return figures


def _links(page: Path, cell: Cell) -> str:
    reports = sorted((cell.out / "runs").glob("*/report.html"))
    links = ", ".join(
        f'<a href="{escape(Path(os.path.relpath(report, page.parent)).as_posix())}">'
        f"{escape(report.parent.name)}</a>"
        for report in reports
    )
    return f"<p>All curves and rollouts of each run: {links}.</p>"


def _chains_of_thought(cell: Cell, dataset: BenchmarkDataset) -> str:
    rows = [
        {**row, "title": f"from step {_step(row)}", "reason": "ok"} for row in open_cots(cell.cots).rows()
    ]
    rows.sort(key=lambda row: -row["reward"])
    rewards = [row["reward"] for row in rows]
    png = base64.b64encode(reward_histogram(rewards, TAU)).decode()
    said = Said(rows, dataset, "train")
    high = [row for row in rows if row["reward"] >= TAU]
    wrong = sorted((row for row in high if said.false(row)), key=lambda row: -len(said.false(row)))

    def show(title: str, some: Sequence[dict[str, Any]], text: str = "") -> str:
        return f"<h2>{title}</h2>{text}{cards(some, dataset, _MODEL, remark=said.badges)}"

    return (
        "<section><h2>The CoT dataset</h2>"
        "<p><img class='histogram' alt='Histogram of rewards' "
        f"src='data:image/png;base64,{png}'></p>"
        f"{show('Its best chains of thought', rows[:_SHOWN_COTS])}"
        f"{show('Rewarded, but false', wrong[:_SHOWN_COTS], _wrong(len(wrong), len(high)))}"
        f"{show('Its worst', rows[-_SHOWN_COTS:])}</section>"
    )


def _wrong(wrong: int, high: int) -> str:
    return (
        f"<p class='lead'>{wrong} of the {high} chains of thought with reward at least {TAU:g} say something "
        "that is not so. The reward cannot see that: it asks whether the annotation can be reconstructed. "
        "Here the drawing knows. For any picture groundedness, in nats a token, is a sign: below 0, other "
        "pictures fit the words better than this one.</p>"
    )


def _answers(cell: Cell, dataset: BenchmarkDataset, folder: JobFolder) -> str:
    """Test pictures that RISE answers best and worst, each with the answer of Visual-RFT beside it."""
    golds = {gold.id: gold for gold in dataset.golds("test")}
    given = {m: read_responses(samples_file(cell, m, folder)) for m in ("rise", "visual_rft")}
    texts = {method: responses.texts for method, responses in given.items()}

    def row(method: str, uid: str) -> dict[str, Any]:
        verdict = r1_reward(golds[uid], texts[method][uid], **given[method].asked.keywords())
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
    said = Said(shown, dataset, "test")
    return (
        "<section><h2>Test pictures that RISE answers best and worst, with the answer of Visual-RFT</h2>"
        f"{cards(shown, dataset, _MODEL, split='test', remark=said.badges)}</section>"
    )


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
        said = self._statements[row["id"], self._thought(row)]
        return [statement.text for statement in said if not statement.true]

    def badges(self, row: Mapping[str, Any]) -> list[Badge]:
        """Say how much of a row's chain of thought is false and, where it was judged, how grounded it is."""
        said = self._statements[row["id"], self._thought(row)]
        badges: list[Badge] = []
        if wrong := self.false(row):
            badges.append(("bad", f"{len(wrong)} of {len(said)} statements false: {'; '.join(wrong)}"))
        elif said:
            badges.append(("good", f"all {len(said)} statements true"))
        if row.get("groundedness") is not None:
            worst = row["groundedness_worst_sentence"]
            badges.append(("", f"groundedness {row['groundedness']:+.2f}, worst sentence {worst:+.2f}"))
        return badges

    def _thought(self, row: Mapping[str, Any]) -> str:
        if "cot" in row:
            return str(row["cot"])
        return read_response(row["response"], self._spec.kind, self._spec.classes).think
