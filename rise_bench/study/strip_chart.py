"""A strip chart as one SVG file: a dot for each seed, a bar for their mean; a row for each method."""

from collections.abc import Mapping, Sequence
from html import escape
from statistics import fmean

from rise_bench.svg import nice_ticks

#: Method -> its values, one a seed.
Panel = Mapping[str, Sequence[float]]

_PANEL, _GAP, _ROW, _TOP, _BOTTOM = 300, 28, 26, 54, 46
_LETTER = 7.2  # width in px, generous
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1d1f23; } .soft { fill: #5f656e; font-size: 12px; }
.title { font-weight: 600; } .grid { stroke: #dfe2e6; } .floor { stroke: #5f656e; stroke-dasharray: 4 3; }
.back { fill: #ffffff; } .dot { fill: #1f63c4; fill-opacity: .55; }
.mean { stroke: #1d1f23; stroke-width: 2.5; }
.ours .dot { fill: #c2410c; } .ours text { font-weight: 600; }
@media (prefers-color-scheme: dark) { text { fill: #e8eaed; } .soft { fill: #a2a9b3; }
.grid { stroke: #343a42; } .back { fill: #15171a; } .dot { fill: #7db0ff; }
.mean { stroke: #e8eaed; } .ours .dot { fill: #ff9d66; } }
"""


def strip_chart(
    title: str,
    axis: str,
    panels: Mapping[str, Panel],
    *,
    ours: str = "",
    floors: Mapping[str, float] | None = None,
) -> str:
    """Draw panels beside one another over one scale.

    Args:
        title: Above everything.
        axis: What the values are, with the direction that is better.
        panels: Heading of a panel -> its methods, top to bottom; one that a panel lacks has an empty row.
        ours: Method to stand out.
        floors: Name -> value of lines across all panels.

    Raises:
        ValueError: There is no value to draw.
    """
    floors = floors or {}
    methods = list(dict.fromkeys(name for panel in panels.values() for name in panel))
    values = [v for panel in panels.values() for points in panel.values() for v in points]
    if not values:
        raise ValueError("no values to draw")
    labels = round(24 + _LETTER * max(map(len, methods)))
    ticks = nice_ticks(min([*values, *floors.values()]), max([*values, *floors.values()]))
    width = labels + len(panels) * (_PANEL + _GAP)
    height = _TOP + len(methods) * _ROW + _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{escape(title)}"><style>{_STYLE}</style>'
        f'<rect class="back" width="{width}" height="{height}"/>'
        f'<text class="title" x="12" y="22">{escape(title)}</text>'
        f'<text class="soft" x="12" y="{height - 8}">{escape(axis)}. A dot is a seed, the bar their mean; '
        f"dashed: {escape(', '.join(floors) or 'none')}.</text>"
    ]
    for number, (heading, panel) in enumerate(panels.items()):
        left = labels + number * (_PANEL + _GAP)
        parts.append(f'<text class="title" x="{left}" y="{_TOP - 12}">{escape(heading)}</text>')
        parts += _frame(left, ticks, floors, len(methods))
        parts += [
            _row(left, row, name, panel.get(name, ()), ticks, label=number == 0, ours=name == ours)
            for row, name in enumerate(methods)
        ]
    return "".join(parts) + "</svg>\n"


def _x(left: float, value: float, ticks: Sequence[float]) -> float:
    return round(left + (value - ticks[0]) / (ticks[-1] - ticks[0]) * _PANEL, 1)


def _frame(left: float, ticks: Sequence[float], floors: Mapping[str, float], rows: int) -> list[str]:
    end = _TOP + rows * _ROW
    parts = []
    for tick in ticks:
        x = _x(left, tick, ticks)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{_TOP}" y2="{end}"/>')
        parts.append(f'<text class="soft" x="{x}" y="{end + 15}" text-anchor="middle">{tick:g}</text>')
    for name, value in floors.items():
        x = _x(left, value, ticks)
        line = f'<line class="floor" x1="{x}" x2="{x}" y1="{_TOP}" y2="{end}">'
        parts.append(f"{line}<title>{escape(name)}: {value:.4g}</title></line>")
    return parts


def _row(
    left: float,
    row: int,
    name: str,
    points: Sequence[float],
    ticks: Sequence[float],
    *,
    label: bool,
    ours: bool,
) -> str:
    y = _TOP + (row + 0.5) * _ROW
    text = f'<text x="{left - 12}" y="{y + 4}" text-anchor="end">{escape(name)}</text>' if label else ""
    dots = "".join(
        f'<circle class="dot" cx="{_x(left, v, ticks)}" cy="{y}" r="4.5">'
        f"<title>{escape(name)}: {v:.4g}</title></circle>"
        for v in points
    )
    x = _x(left, fmean(points), ticks) if points else 0
    mean = f'<line class="mean" x1="{x}" x2="{x}" y1="{y - 9}" y2="{y + 9}"/>' if points else ""
    return f'<g class="{"ours" if ours else "row"}">{text}{dots}{mean}</g>'
