"""Line charts and boxes as inline SVG, without a drawing library; colours come from the page's CSS variables.

A point carries its value as an SVG `<title>`, which browsers show on hover, so a chart needs no script.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from statistics import fmean

from rise_bench.values import Boxes

WIDTH, HEIGHT = 420, 200
_SMOOTH_FROM = 20
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
