"""A board as an HTML table: ranked submissions, those apart, the floors, with intervals on a common axis."""

import math
from collections.abc import Mapping

from rise_bench.annotations.metric import Metric
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.leaderboards.ranking.tables import Floor, Paired, Row, Table
from rise_bench.rendering.html import Markup, el
from rise_bench.scoring.bootstrap import Interval

TITLES = {"emotion6": "Emotion6", "lisa": "LISA", "imagenet_sub": "ImageNet-Sub", "coco_sub": "COCO-Sub"}
SHOTS = {"4": "4-shot", "16": "16-shot", "full": "full data"}
_FLOORS = {
    "uniform": "Uniform",
    "train_mean": "Mean of the training labels",
    "majority_class": "Most common class",
    "whole_image": "Whole image",
    "mean_box": "Mean training box",
}
_PLOT_WIDTH, _PLOT_HEIGHT, _PLOT_MARGIN = 132, 14, 5


def title_of(spec: BenchmarkSpec) -> str:
    """Return a benchmark's name as people write it."""
    return TITLES.get(spec.name, spec.name.replace("_", " ").capitalize())


def table_markup(table: Table, limit: int | None = None) -> Markup:
    """Return a board as a table: ranked rows, rows that are only recomputed, and floors, each in a body.

    Args:
        table: The board.
        limit: Most rows, ranked ones first; all if None.
    """
    metric = table.spec.ranking.title
    columns = [
        ("#", "rank", "number"),
        ("Model", "model", "text"),
        (metric, "score", "number"),
        ("To row above", "above", "number"),
        *([("To RISE", "rise", "number")] if table.rise else []),
        *([("Win-rate", "win", "number")] if table.reference else []),
        ("Read", "read", "number"),
        ("Tier", "tier", "text"),
        ("Date", "date", "text"),
    ]
    plot = _Plot.of(table)
    rows, apart = table.rows[:limit], table.apart
    if limit is not None:
        apart = apart[: max(0, limit - len(rows))]
    head = el(
        "tr",
        *(el("th", label, scope="col", class_=name, data_kind=kind) for label, name, kind in columns),
    )
    nothing = "No submission yet: the first one sets the pace."
    if table.apart:
        nothing = "Nothing is ranked yet: maintainers have not run any of what follows again."
    empty = el("tr", el("td", nothing, colspan=len(columns)), class_="empty")
    note = "Not ranked: scores recomputed from responses that nobody has reproduced. The truth is public."
    part = el("tr", el("td", note, colspan=len(columns)), class_="part")
    return el(
        "table",
        el("caption", f"{title_of(table.spec)}, {SHOTS[table.shots]}: {metric}", class_="hidden"),
        el("thead", head),
        el("tbody", *(_row(row, table, plot) for row in rows), *([] if rows else [empty]), class_="runs"),
        *([el("tbody", part, *(_row(row, table, plot) for row in apart), class_="apart")] if apart else []),
        el("tbody", *(_floor(floor, table, plot) for floor in table.floors), class_="floors"),
        class_="board",
        data_board=table.name,
        data_lower=not table.spec.ranking.higher_is_better,
    )


def _row(row: Row, table: Table, plot: "_Plot") -> Markup:
    entry, model = row.entry, row.entry.submission.model
    details = [entry.author, model.method, "zero-shot" if entry.submission.shots == "0" else ""]
    details.append(f"run {row.run} of {row.runs}" if row.runs > 1 else "")
    cells = [
        el(
            "td",
            el("a", str(row.rank or "–"), href=f"#{entry.key}", title="Link to this row"),
            class_="rank",
            data_v=row.rank or row.rank_of_all,
            data_all=row.rank_of_all,
        ),
        el(
            "td",
            el("span", model.name, class_="name", title=model.id)
            if table.hidden
            else el("a", model.name, href=f"samples.html?run={entry.key}", class_="name", title=model.id),
            el("span", " · ".join(d for d in details if d), class_="by"),
            class_="model",
        ),
        _score(entry.main, table.spec.ranking, plot),
        _difference(row.above, table.spec.ranking, "above"),
        *([_difference(row.rise, table.spec.ranking, "rise")] if table.rise else []),
        *_rates(entry.metrics, table),
        el("td", el("span", entry.tier, class_=f"tier-{entry.tier}"), class_="tier"),
        el("td", entry.submission.run.date, class_="date"),
    ]
    return el("tr", *cells, id=entry.key, class_="is-rise" if entry.key == table.rise else None)


def _floor(floor: Floor, table: Table, plot: "_Plot") -> Markup:
    name = el("span", _FLOORS.get(floor.name, floor.name), class_="name")
    return el(
        "tr",
        el("td", "", class_="rank"),
        el("td", name, el("span", "floor", class_="by"), class_="model"),
        _score(floor.main, table.spec.ranking, plot),
        el("td", "", class_="above"),
        *([el("td", "", class_="rise")] if table.rise else []),
        *_rates(floor.metrics, table),
        el("td", "", class_="tier"),
        el("td", "", class_="date"),
    )


def _score(main: Interval, metric: Metric, plot: "_Plot") -> Markup:
    value = el("span", metric.text(main.value), class_="value")
    ends = el("span", f"{metric.text(main.low)} – {metric.text(main.high)}", class_="by interval")
    return el("td", value, plot.draw(main), ends, class_="score", data_v=main.value)


def _rates(metrics: Mapping[str, float], table: Table) -> list[Markup]:
    cells = []
    if table.reference:
        ties = metrics.get("tie_rate", 0.0)
        beside = el("span", f"{ties:.0%} ties", class_="by") if ties > 0 else None
        win = metrics.get("win_rate", math.nan)
        cells.append(el("td", f"{win:.0%}", beside, class_="win", data_v=win))
    read = metrics["parse_rate"]
    return [*cells, el("td", "100%" if read == 1 else f"{read:.1%}", class_="read", data_v=read)]


def _difference(paired: Paired | None, metric: Metric, name: str) -> Markup:
    if paired is None:
        return el("td", "", class_=name)
    text = metric.text(paired.difference, "+").replace("-", "−")
    sure = el("span", p_text(paired.p), class_="p sure" if paired.p < 0.05 else "p")
    return el("td", text, sure, class_=name, data_v=paired.difference)


def p_text(p: float) -> str:
    """Write a p-value."""
    return "p < 0.01" if p < 0.01 else f"p {p:.2f}"


class _Plot:
    """Intervals of one table on a common axis, as small drawings."""

    def __init__(self, low: float, high: float, floor: float | None) -> None:
        self.low, self.span, self.floor = low, (high - low) or 1.0, floor

    @classmethod
    def of(cls, table: Table) -> "_Plot":
        shown = [row.entry.main for row in table.all_rows] + [floor.main for floor in table.floors[:1]]
        ends = [v for i in shown for v in (i.low, i.high, i.value) if math.isfinite(v)]
        floor = table.floors[0].main.value if table.floors else None
        return cls(min(ends, default=0.0), max(ends, default=1.0), floor)

    def draw(self, main: Interval) -> Markup:
        middle = _PLOT_HEIGHT / 2
        low, high = (self._x(v if math.isfinite(v) else main.value) for v in (main.low, main.high))
        floor = self._x(self.floor) if self.floor is not None else None
        return el(
            "svg",
            None
            if floor is None
            else el("line", x1=floor, x2=floor, y1=0, y2=_PLOT_HEIGHT, class_="at-floor"),
            el("line", x1=low, x2=high, y1=middle, y2=middle, class_="whisker"),
            el("circle", cx=self._x(main.value), cy=middle, r=3),
            viewBox=f"0 0 {_PLOT_WIDTH} {_PLOT_HEIGHT}",
            class_="plot",
            aria_hidden="true",
        )

    def _x(self, value: float) -> float:
        share = min(1.0, max(0.0, (value - self.low) / self.span))
        return round(_PLOT_MARGIN + share * (_PLOT_WIDTH - 2 * _PLOT_MARGIN), 1)
