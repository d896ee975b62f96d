"""Pages of the site, readable without JavaScript, without inline styles and scripts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import ClassVar

from rise_bench import __version__
from rise_bench.annotations.kinds import KINDS
from rise_bench.annotations.metric import Metric
from rise_bench.leaderboards.ranking.models import ModelHistory, histories, in_overview
from rise_bench.leaderboards.ranking.tables import Row, Table
from rise_bench.leaderboards.submissions.schema import Model
from rise_bench.leaderboards.web.plots import HistoryChart, Plot, SizeChart
from rise_bench.rendering.render import render

#: Rows of a board on the first page.
FIRST_ROWS = 10

_TITLES = {"emotion6": "Emotion6", "lisa": "LISA", "imagenet_sub": "ImageNet-Sub", "coco_sub": "COCO-Sub"}


@dataclass(frozen=True)
class Board:
    """Table on a page."""

    table: Table
    no_value: ClassVar[float] = math.nan

    @property
    def name(self) -> str:
        """Name of the benchmark."""
        return self.table.spec.name

    @property
    def title(self) -> str:
        """Display name of the benchmark."""
        return _TITLES.get(self.name, self.name.replace("_", " ").capitalize())

    @property
    def shots(self) -> str:
        """Shot setting of the board."""
        return "full data" if self.table.shots == "full" else self.table.shots

    @property
    def file(self) -> str:
        """File of its page."""
        return f"{self.name}-{self.table.shots}.html"

    @property
    def question(self) -> str:
        """Question of the benchmark without placeholders."""
        asked = self.table.spec.question.replace("{question}", " ").replace("{category}", "…")
        return " ".join(asked.split()) or "Each image has a question of its own."

    @property
    def metric(self) -> Metric:
        """Ranking metric."""
        return self.table.spec.ranking

    @property
    def beside(self) -> list[Metric]:
        """Metrics that are shown below the ranking metric."""
        return [metric for metric in KINDS[self.table.spec.kind].metrics if metric.beside]

    @property
    def count(self) -> int:
        """Number of its rows."""
        return len(self.table.all_rows)

    @cached_property
    def plot(self) -> Plot:
        """Axis of its intervals."""
        return Plot(self.table)

    @cached_property
    def sizes(self) -> SizeChart | None:
        """Scores over sizes; None if fewer than two rows of different size state one."""
        chart = SizeChart(self.table)
        return chart if len(chart.marks) > 1 else None

    @property
    def has_sizes(self) -> bool:
        """Whether any row states the size of its model."""
        return any(row.entry.submission.model.parameters for row in self.table.all_rows)

    @property
    def columns(self) -> list[tuple[str, str, str]]:
        """Heading, class and kind of each column."""
        return [
            ("#", "rank", "number"),
            ("Model", "model", "text"),
            *([("Size", "size", "number")] if self.has_sizes else []),
            (self.metric.title, "score", "number"),
            ("To row above", "above", "number"),
            *([("To RISE", "rise", "number")] if self.table.rise else []),
            *([("Win-rate", "win", "number")] if self.table.reference else []),
            ("Parse rate", "read", "number"),
            ("Tier", "tier", "text"),
            ("Date", "date", "text"),
        ]

    def first(self, limit: int) -> tuple[Sequence[Row], Sequence[Row]]:
        """Return the first rows, ranked rows first."""
        rows = self.table.rows[:limit]
        return rows, self.table.apart[: limit - len(rows)]

    @staticmethod
    def details(row: Row) -> str:
        """Return the details below the name of a submission."""
        submission = row.entry.submission
        shots = "zero-shot" if submission.shots == "0-shot" else ""
        run = f"run {row.run} of {row.runs}" if row.runs > 1 else ""
        parts = (row.entry.author, submission.model.method, shots, run, weights(submission.model))
        return " · ".join(part for part in parts if part)


def weights(model: Model) -> str:
    """Return whether the weights of a model are open, and their licence."""
    return ", ".join(part for part in ("open weights" if model.is_open else "closed", model.license) if part)


def card_address(model: Model) -> str:
    """Return the address of the model card on the Hub at the commit; empty for closed weights."""
    return f"https://huggingface.co/{model.id}/blob/{model.revision}/README.md" if model.is_open else ""


def _model_page(history: ModelHistory, boards: Sequence[Board]) -> dict[str, object]:
    """Return the values of the page of a model."""
    by_name = {board.table.name: board for board in boards}
    parts = []
    for name in history.best:
        past = [each for each in history.past if each.table.name == name]
        chart = HistoryChart(past) if len(past) > 1 else None
        parts.append({"board": by_name[name], "past": past[::-1], "chart": chart})
    return {"history": history, "parts": parts}


def pages(site: str, rules: str, tables: Sequence[Table]) -> dict[str, str]:
    """Return the pages of a site by file name.

    Args:
        site: Its title.
        rules: Markdown of the rules; headings, lists and code are rendered.
        tables: Boards, grouped by benchmark, from few shots to many.
    """
    boards = [Board(table) for table in tables]
    by_benchmark = [list(group) for _, group in groupby(boards, key=lambda board: board.name)]
    # The board with the most rows of each benchmark, of equals that with the most shots.
    first = [max(reversed(group), key=lambda board: board.count) for group in by_benchmark]

    models = histories(tables)
    pages_of = {history.model.id.casefold(): history.file for history in models}

    def page(template: str, **values: object) -> str:
        return render(
            template,
            package="rise_bench.leaderboards.web",
            site=site,
            first_boards=first,
            model_pages=pages_of,
            weights=weights,
            card_address=card_address,
            version=__version__,
            **values,
        )

    return (
        {
            "index.html": page("index.html.j2", first_rows=FIRST_ROWS),
            "overview.html": page(
                "overview.html.j2", models=in_overview(models, [board.table.name for board in first])
            ),
            "samples.html": page("samples.html.j2"),
            "rules.html": page("rules.html.j2", blocks=_blocks(rules)),
        }
        | {
            board.file: page("board.html.j2", board=board, settings=group)
            for group in by_benchmark
            for board in group
        }
        | {history.file: page("model.html.j2", **_model_page(history, boards)) for history in models}
    )


def _blocks(rules: str) -> list[tuple[str, list[str]]]:
    """Tag and texts of each block of Markdown."""
    blocks = []
    for block in rules.strip().split("\n\n"):
        marks, _, heading = block.strip().partition(" ")
        if marks.startswith("#"):
            blocks.append((f"h{min(3, len(marks))}", [heading]))
        elif marks == "-":
            blocks.append(("ul", [" ".join(item.split()) for item in heading.split("\n- ")]))
        else:
            blocks.append(("p", [" ".join(block.split())]))
    return blocks
