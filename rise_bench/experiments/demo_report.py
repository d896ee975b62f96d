"""Report of the demo: an HTML file without script.

It shows the table, training curves, the histogram of rewards with tau, good and bad chains of thought beside
their pictures, and answers of RISE and Visual-RFT to the same test pictures.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rise_bench import __version__
from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.metric import Metric
from rise_bench.cot.dataset import TAU, open_cots
from rise_bench.cot.rollout_log import Rollout
from rise_bench.data.dataset import BenchmarkDataset
from rise_bench.evaluation.responses import read_responses
from rise_bench.experiments.cell import Cell
from rise_bench.experiments.comparison import COLUMNS_NOTE, Row, cells, headings, samples_file
from rise_bench.experiments.job_folder import JobFolder
from rise_bench.experiments.methods import METHODS
from rise_bench.files.atomic import atomic_write_text
from rise_bench.models.base_model import MAX_PIXELS
from rise_bench.rendering.downloads import csv_address, json_address
from rise_bench.rendering.histogram import histogram_figure
from rise_bench.rendering.render import render
from rise_bench.reports.cot_figures import answer_rollout, cot_rollouts, training_curves
from rise_bench.reports.rollout_cards import Badge, cards
from rise_bench.scoring.response import read_response
from rise_bench.synthetic import fact_check

_SHOWN_COTS = 4
_SHOWN_TESTS = 2
_FORMAT = AnswerFormat(max_pixels=MAX_PIXELS)


def title_of(cell: Cell, dataset: BenchmarkDataset) -> str:
    """Return the title of the report and of the table in the terminal."""
    return f"RISE on {dataset.spec.name}, {cell.shots}, seed {cell.seed}"


def write_page(
    path: Path,
    cell: Cell,
    dataset: BenchmarkDataset,
    rows: Sequence[Row],
    folder: JobFolder,
    next_steps: Mapping[str, str],
) -> None:
    """Write the report of a finished demo; `next_steps` are commands by title."""
    numbers = [row.to_json() for row in rows]
    flat = [
        {name: value for name, value in row.items() if name != "metrics"}
        | {f"{metric}_{part}": v for metric, parts in row["metrics"].items() for part, v in parts.items()}
        for row in numbers
    ]
    page = render(
        "demo_report.html.j2",
        title=title_of(cell, dataset),
        facts={
            "Written": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            "Version": f"rise-bench {__version__}",
            "Duration": f"{sum(folder.all_seconds().values()) / 60:.1f} min of all trainings and evaluations",
        },
        downloads={"scores.csv": csv_address(flat), "scores.json": json_address(numbers)},
        next_steps=next_steps,
        benchmark=dataset.spec.name,
        tau=TAU,
        test_pictures=len(dataset.golds("test")),
        headings=headings(dataset.spec.metric),
        rows=_table(rows, dataset.spec.ranking),
        columns_note=COLUMNS_NOTE,
        curves=training_curves(
            cell.run("rise_cot"), {"RISE": cell.run("rise_r1"), "Visual-RFT": cell.run("visual_rft")}
        ),
        reports=_reports(path, cell),
        **_chains_of_thought(cell, dataset),
        answers=_answers(cell, dataset, folder),
    )
    atomic_write_text(path, page)


def _table(rows: Sequence[Row], metric: Metric) -> list[tuple[str, list[str]]]:
    """Return the cells of each row, and its kind: best method, baseline or other."""
    values = {row.title: row.report.metrics[metric.name].value for row in rows if row.method}
    best = min(values.values(), key=metric.cost, default=math.nan)
    kinds = ("baseline" if not row.method else "best" if values[row.title] == best else "" for row in rows)
    return [(kind, list(cells(row, metric.name))) for kind, row in zip(kinds, rows, strict=True)]


def _reports(page: Path, cell: Cell) -> dict[str, str]:
    """Return the report of each run by name, relative to the page."""
    reports = sorted((cell.out / "runs").glob("*/report.html"))
    return {path.parent.name: Path(os.path.relpath(path, page.parent)).as_posix() for path in reports}


def _chains_of_thought(cell: Cell, dataset: BenchmarkDataset) -> dict[str, Any]:
    rollouts = cot_rollouts(open_cots(cell.cots))
    statements = Said(rollouts, dataset, "train")
    high = [rollout for rollout in rollouts if rollout.reward >= TAU]
    wrong = sorted((r for r in high if statements.false(r)), key=lambda r: -len(statements.false(r)))

    def show(shown: Sequence[Rollout]) -> str:
        titled = [(f"from step {rollout.step}", rollout) for rollout in shown]
        return cards(titled, dataset, _FORMAT, remark=statements.badges)

    return {
        "histogram": histogram_figure([rollout.reward for rollout in rollouts], TAU),
        "best": show(rollouts[:_SHOWN_COTS]),
        "false_ones": show(wrong[:_SHOWN_COTS]),
        "worst": show(rollouts[-_SHOWN_COTS:]),
        "false_count": len(wrong),
        "high_count": len(high),
    }


def _answers(cell: Cell, dataset: BenchmarkDataset, folder: JobFolder) -> str:
    """Return the test pictures with RISE's best and worst answers, and the answers of Visual-RFT."""
    golds = {gold.id: gold for gold in dataset.golds("test")}
    given = {m: read_responses(samples_file(cell, m, folder)) for m in ("rise", "visual_rft")}
    texts = {method: responses.texts for method, responses in given.items()}

    def answered(method: str, uid: str) -> Rollout:
        return answer_rollout(golds[uid], texts[method][uid], given[method].answer_format)

    ranked = sorted(golds, key=lambda uid: (-answered("rise", uid).reward, uid))
    chosen = [*ranked[:_SHOWN_TESTS], *ranked[-_SHOWN_TESTS:]]
    titled = [(METHODS[method].title, answered(method, uid)) for uid in chosen for method in texts]
    statements = Said([rollout for _, rollout in titled], dataset, "test")
    return cards(titled, dataset, _FORMAT, split="test", remark=statements.badges)


class Said:
    """True and false statements of rollouts' chains of thought."""

    def __init__(self, rollouts: Sequence[Rollout], dataset: BenchmarkDataset, split: str) -> None:
        """Check rollouts for samples of a split."""
        self._spec = dataset.spec
        pairs = [(rollout.id, self._thought(rollout)) for rollout in rollouts]
        checked = fact_check.check_texts(pairs, dataset, split)
        self._statements = dict(zip(pairs, checked, strict=True))

    def false(self, rollout: Rollout) -> list[str]:
        """Return the false statements of a chain of thought."""
        statements = self._statements[rollout.id, self._thought(rollout)]
        return [statement.text for statement in statements if not statement.true]

    def badges(self, rollout: Rollout) -> list[Badge]:
        """Return badges of a chain of thought: false statements and, if judged, groundedness."""
        statements = self._statements[rollout.id, self._thought(rollout)]
        badges: list[Badge] = []
        if wrong := self.false(rollout):
            badges.append(("bad", f"{len(wrong)} of {len(statements)} statements false: {'; '.join(wrong)}"))
        elif statements:
            badges.append(("good", f"all {len(statements)} statements true"))
        if rollout.groundedness is not None:
            worst = rollout.groundedness_worst_sentence
            badges.append(("", f"groundedness {rollout.groundedness:+.2f}, worst sentence {worst:+.2f}"))
        return badges

    def _thought(self, rollout: Rollout) -> str:
        if rollout.response is None:
            return rollout.cot
        return read_response(rollout.response, self._spec.kind, self._spec.classes).think
