"""Geometry of the plots of the site; templates draw them as SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rise_bench.annotations.metric import Metric
from rise_bench.leaderboards.ranking.models import Past
from rise_bench.leaderboards.ranking.tables import Row, Table
from rise_bench.rendering.line_chart import nice_ticks


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
class Point:
    """Submission in a plot, in units of its viewBox."""

    row: Row
    x: float
    y: float
    low: float
    high: float


class Chart:
    """Scores over another quantity, the better ones above."""

    width, height = 480, 250
    left, right, top, bottom = 56, 14, 12, 50

    def __init__(self, metric: Metric, rows: Sequence[Row], places: Sequence[float]) -> None:
        """Place rows with finite scores.

        Args:
            metric: Ranking metric.
            rows: The rows.
            places: Position of each row on the horizontal axis, in any unit.
        """
        shown = [
            (row, at) for row, at in zip(rows, places, strict=True) if math.isfinite(row.entry.main.value)
        ]
        ends = [row.entry.main for row, _ in shown]
        values = [v for main in ends for v in (main.value, main.low, main.high) if math.isfinite(v)]
        ticks = nice_ticks(min(values, default=0), max(values, default=1), count=3)
        self._ends = (ticks[0], ticks[-1]) if metric.higher_is_better else (ticks[-1], ticks[0])
        self._first, self._last = min(places, default=0.0), max(places, default=0.0)
        self.ticks = [(self.y(tick), metric.text(tick)) for tick in ticks]
        self.points = [self._point(row, at) for row, at in shown]

    def x(self, at: float) -> float:
        """Return the horizontal position of a place; a single place is in the middle."""
        span = self._last - self._first
        share = (at - self._first) / span if span else 0.5
        return round(self.left + (0.04 + 0.92 * share) * (self.width - self.left - self.right), 1)

    def y(self, value: float) -> float:
        """Return the vertical position of a score."""
        share = (value - self._ends[0]) / (self._ends[1] - self._ends[0])
        inside = min(1.0, max(0.0, share))
        return round(self.height - self.bottom - inside * (self.height - self.bottom - self.top), 1)

    def _point(self, row: Row, at: float) -> Point:
        main = row.entry.main
        low, high = (self.y(v if math.isfinite(v) else main.value) for v in (main.low, main.high))
        return Point(row, self.x(at), self.y(main.value), low, high)


class SizeChart(Chart):
    """Scores over the number of parameters, on a logarithmic axis."""

    def __init__(self, table: Table) -> None:
        """Place the rows that state their size."""
        rows = [row for row in table.all_rows if row.entry.submission.model.parameters]
        sizes = [row.entry.submission.model.parameters for row in rows]
        super().__init__(table.spec.ranking, rows, [math.log10(size) for size in sizes])
        texts = {row.entry.submission.model.parameters: row.entry.submission.model.size for row in rows}
        ends = sorted(texts)[:1] + sorted(texts)[1:][-1:]
        self.marks = [(self.x(math.log10(size)), texts[size]) for size in ends]


class HistoryChart(Chart):
    """Scores of the submissions of a model on one board, in order of their dates."""

    def __init__(self, past: Sequence[Past]) -> None:
        """Place submissions, oldest first."""
        rows = [each.row for each in past]
        super().__init__(past[0].table.spec.ranking, rows, [float(i) for i in range(len(rows))])
        dates = [each.entry.submission.run.date for each in past]
        ends = {0: dates[0], len(dates) - 1: dates[-1]}
        self.marks = [(self.x(at), date) for at, date in ends.items()]
