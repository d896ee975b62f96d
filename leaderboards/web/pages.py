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
from rise_bench.leaderboards.ranking.tables import Row, Table
from rise_bench.rendering.render import render

#: Rows of a board on the first page.
FIRST_ROWS = 10

_TITLES = {"emotion6": "Emotion6", "lisa": "LISA", "imagenet_sub": "ImageNet-Sub", "coco_sub": "COCO-Sub"}


class Plot:
    """Common axis of the intervals of a board."""

    width, height, _margin = 132, 14, 5

    def __init__(self, table: Table) -> None:
        """Cover every interval of the board, and that of its best baseline."""
        intervals = [row.entry.main for row in table.all_rows]
        intervals += [baseline.main for baseline in table.baselines[:1]]
        ends = [v for i in intervals for v in (i.low, i.high, i.value) if math.isfinite(v)]
        self._low, high = min(ends, default=0.0), max(ends, default=1.0)
        self._span = (high - self._low) or 1.0
        self.baseline = table.baselines[0].main.value if table.baselines else None

    def x(self, value: float, otherwise: float = math.nan) -> str:
        """Return the position of a value, or of `otherwise` if it is not finite."""
        value = value if math.isfinite(value) else otherwise
        share = min(1.0, max(0.0, (value - self._low) / self._span))
        return f"{self._margin + share * (self.width - 2 * self._margin):.1f}".removesuffix(".0")


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

    @property
    def columns(self) -> list[tuple[str, str, str]]:
        """Heading, class and kind of each column."""
        return [
            ("#", "rank", "number"),
            ("Model", "model", "text"),
            (self.metric.title, "score", "number"),
            ("To row above", "above", "number"),
            *([("To RISE", "rise", "number")] if self.table.rise else []),
            *([("Win-rate", "win", "number")] if self.table.reference else []),
            ("Read", "read", "number"),
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
        return " · ".join(part for part in (row.entry.author, submission.model.method, shots, run) if part)


def pages(site: str, rules: str, tables: Sequence[Table]) -> dict[str, str]:
    """Return the pages of a site by file name.

    Args:
        site: Its title.
        rules: Markdown of the rules; only headings and lists are rendered.
        tables: Boards, grouped by benchmark, from few shots to many.
    """
    boards = [Board(table) for table in tables]
    by_benchmark = [list(group) for _, group in groupby(boards, key=lambda board: board.name)]
    # The board with the most rows of each benchmark, of equals that with the most shots.
    first = [max(reversed(group), key=lambda board: board.count) for group in by_benchmark]

    def page(template: str, **values: object) -> str:
        return render(
            template,
            package="rise_bench.leaderboards.web",
            site=site,
            first_boards=first,
            version=__version__,
            **values,
        )

    return {
        "index.html": page("index.html.j2", first_rows=FIRST_ROWS),
        "samples.html": page("samples.html.j2"),
        "rules.html": page("rules.html.j2", blocks=_blocks(rules)),
    } | {
        board.file: page("board.html.j2", board=board, settings=group)
        for group in by_benchmark
        for board in group
    }


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
