"""Line charts and boxes as inline SVG, without a drawing library; colours come from the page's CSS variables.

A point carries its value as an SVG `<title>`, which browsers show on hover, so a chart needs no script.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from html import escape
from statistics import fmean

from rise_bench.annotations.boxes.values import Boxes

WIDTH, HEIGHT = 420, 200


_SMOOTH_FROM = 20


_PANEL, _GAP, _ROW, _TOP, _BOTTOM = 300, 28, 26, 54, 46


_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 10, 26


Points = Sequence[tuple[float, float]]


def line_chart(series: Mapping[str, Points], *, low: float | None = None, high: float | None = None) -> str:
    """Draw lines over a common x axis of whole steps, with their moving average from 20 points on.

    Args:
        series: Name to (step, value) in order of steps; values that are not finite are left out.
        low: Lower end of the y axis; taken from the data if None.
        high: Upper end of the y axis; taken from the data if None.
    """
    values = [y for points in series.values() for _, y in points if math.isfinite(y)]
    steps = [x for points in series.values() for x, _ in points]
    if not values:
        return '<p class="none">no values</p>'
    ticks = nice_ticks(min(values) if low is None else low, max(values) if high is None else high)
    x0, x1, y0, y1 = min(steps), max(steps), ticks[0], ticks[-1]

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x0) / (x1 - x0) if x1 > x0 else 0.5
        up = (min(max(y, y0), y1) - y0) / (y1 - y0)
        return (
            round(_LEFT + across * (WIDTH - _LEFT - _RIGHT), 1),
            round(HEIGHT - _BOTTOM - up * (HEIGHT - _TOP - _BOTTOM), 1),
        )

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(", ".join(series))}">']
    for tick in ticks:
        _, y = place(x0, tick)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(
            f'<text class="tick" x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{_short(tick)}</text>'
        )
    for step, anchor in {x0: "start", x1: "end"}.items() if x1 > x0 else {x0: "middle"}.items():
        x, _ = place(step, y0)
        parts.append(
            f'<text class="tick" x="{x}" y="{HEIGHT - 8}" text-anchor="{anchor}">step {step:g}</text>'
        )
    for number, (name, points) in enumerate(series.items()):
        drawn = [(x, y) for x, y in points if math.isfinite(y)]
        many = len(drawn) >= _SMOOTH_FROM
        parts += _line(name, [(x, y, *place(x, y)) for x, y in drawn], number, pale=many)
        if many:
            mean = moving_average([y for _, y in drawn], len(drawn) // 20)
            path = " ".join("{},{}".format(*place(x, y)) for (x, _), y in zip(drawn, mean, strict=True))
            parts.append(f'<polyline class="line s{number}" points="{path}"/>')
    return "".join(parts) + "</svg>"


def legend(series: Mapping[str, Points]) -> str:
    """Name the lines of a chart, each with its mean over the first and over the last tenth of its points."""
    keys = ""
    for number, (name, points) in enumerate(series.items()):
        values = [y for _, y in points if math.isfinite(y)]
        if values:
            few = max(1, len(values) // 10)
            first, last = fmean(values[:few]), fmean(values[-few:])
            keys += (
                f"<span class='key s{number}'>{escape(name)}: <b>{first:.3g}</b> to <b>{last:.3g}</b></span>"
            )
    return f"<div class='legend' title='means of the first and the last tenth of the steps'>{keys}</div>"


def moving_average(values: Sequence[float], window: int) -> list[float]:
    """Average each value with its neighbours, up to `window` on each side; fewer at the ends.

    >>> moving_average([0, 3, 6, 9, 30], 1)
    [1.5, 3.0, 6.0, 15.0, 19.5]
    """
    return [fmean(values[max(0, i - window) : i + window + 1]) for i in range(len(values))]


def nice_ticks(low: float, high: float, *, count: int = 4) -> list[float]:
    """Round numbers that cover [low, high], about `count` steps.

    >>> nice_ticks(0.02, 0.93)
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    if high - low <= max(1e-9 * max(abs(low), abs(high)), 1e-200):  # as good as flat
        pad = abs(high) / 10 if abs(high) > 1e-200 else 1.0
        low, high = low - pad, high + pad
    raw = (high - low) / count
    scale = 10.0 ** math.floor(math.log10(raw))
    step = next(s * scale for s in (1, 2, 2.5, 5, 10) if s * scale >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{i * step:.12g}") for i in range(first, last + 1)]


def _short(value: float) -> str:
    """Label of a tick, short enough for the margin.

    >>> _short(0.000105)
    '1.05e-4'
    """
    text = f"{value:.4g}"
    mantissa, _, exponent = (f"{value:.2e}" if len(text) > 6 else text).partition("e")
    return f"{float(mantissa):g}e{int(exponent)}" if exponent else mantissa


def boxes_overlay(boxes: Boxes, width_px: int, height_px: int, *, css_class: str) -> str:
    """Draw boxes as a layer to be laid over the image of that size; boxes are in its pixels."""
    rectangles = "".join(
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}"/>' for x, y, w, h in boxes.xywh
    )
    return (
        f'<svg class="overlay {escape(css_class)}" viewBox="0 0 {width_px} {height_px}" '
        f'preserveAspectRatio="none">{rectangles}</svg>'
    )


def _line(
    name: str, points: list[tuple[float, float, float, float]], number: int, *, pale: bool
) -> list[str]:
    path = " ".join(f"{x},{y}" for _, _, x, y in points)
    dots = [
        f'<circle class="dot s{number}" cx="{x}" cy="{y}" r="5"><title>{escape(name)}, step {step:g}: '
        f"{value:.4g}</title></circle>"
        for step, value, x, y in points
    ]
    alone = f'<circle class="mark s{number}" cx="{points[0][2]}" cy="{points[0][3]}" r="3"/>'
    return [
        f'<polyline class="line s{number}{" pale" if pale else ""}" points="{path}"/>',
        *([alone] if len(points) == 1 else []),
        *dots,
    ]


BINS = 20


_WIDTH_PX, _HEIGHT_PX = 800, 360


_LEFT_PX, _RIGHT_PX, _TOP_PX, _BOTTOM_PX = 60, 20, 40, 50


_INK, _GRID = (118, 124, 133), (118, 124, 133, 70)


_BACKGROUND = (*_INK, 0)  # of the ink's colour, so that the edges of letters do not darken


_HIGH, _LOW, _TAU = (37, 99, 235), (148, 163, 184), (220, 38, 38)


def bin_counts(rewards: Sequence[float]) -> list[int]:
    """Count rewards in `BINS` equal bins of [0, 1]; 1 (and above) falls in the last.

    >>> bin_counts([0.0, 0.04, 0.05, 1.0])[:2], bin_counts([1.0])[-1]
    ([2, 1], 1)
    """
    counts = [0] * BINS
    for reward in rewards:
        counts[min(BINS - 1, max(0, int(reward * BINS)))] += 1
    return counts


def reward_histogram(rewards: Sequence[float], tau: float) -> bytes:
    """Draw a histogram of rewards with the threshold tau; returns a PNG.

    Args:
        rewards: Rewards in [0, 1].
        tau: Rewards from here on are `high`.
    """
    from PIL import Image, ImageDraw, ImageFont

    counts = bin_counts(rewards)
    picture = Image.new("RGBA", (_WIDTH_PX, _HEIGHT_PX), _BACKGROUND)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(14)
    plot_w, plot_h = _WIDTH_PX - _LEFT_PX - _RIGHT_PX, _HEIGHT_PX - _TOP_PX - _BOTTOM_PX
    base, top = _TOP_PX + plot_h, max(max(counts), 1)

    def x_of(reward: float) -> float:
        return _LEFT_PX + reward * plot_w

    for share in (0.5, 1.0):
        y = base - share * plot_h
        draw.line((_LEFT_PX, y, _WIDTH_PX - _RIGHT_PX, y), fill=_GRID)
        draw.text((_LEFT_PX - 8, y), f"{share * top:g}", fill=_INK, font=font, anchor="rm")
    for index, count in enumerate(counts):
        left, right = x_of(index / BINS) + 1, x_of((index + 1) / BINS) - 1
        color = _HIGH if (index + 0.5) / BINS >= tau else _LOW
        draw.rectangle((left, base - count / top * plot_h, right, base), fill=color)
    draw.line((_LEFT_PX, base, _WIDTH_PX - _RIGHT_PX, base), fill=_INK)
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        draw.text((x_of(tick), base + 8), f"{tick:g}", fill=_INK, font=font, anchor="ma")
    draw.line((x_of(tau), _TOP_PX - 8, x_of(tau), base), fill=_TAU, width=2)
    high = sum(reward >= tau for reward in rewards)
    title = f"{len(rewards)} rows, {high} with reward >= tau = {tau:g}"
    draw.text((_WIDTH_PX / 2, 10), title, fill=_INK, font=font, anchor="ma")
    draw.text((_WIDTH_PX / 2, _HEIGHT_PX - 8), "reward", fill=_INK, font=font, anchor="ms")
    encoded = io.BytesIO()
    picture.save(encoded, format="PNG", optimize=True)
    return encoded.getvalue()


#: Method -> its values, one a seed.
Panel = Mapping[str, Sequence[float]]


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
