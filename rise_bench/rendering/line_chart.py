"""Line charts as inline SVG; colours come from the page's CSS variables.

A point carries its value as an SVG `<title>`, which browsers show on hover, so a chart needs no script.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from rise_bench.rendering.render import render

WIDTH, HEIGHT = 420, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 10, 26
_SMOOTH_FROM = 20

Points = Sequence[tuple[float, float]]


def line_chart(series: Mapping[str, Points], *, low: float | None = None, high: float | None = None) -> str:
    """Draw lines over a common x axis of whole steps, with their moving average from 20 points on.

    Args:
        series: Name to (step, value) in order of steps; values that are not finite are left out.
        low: Lower end of the y axis; from the data if None.
        high: Upper end of the y axis; from the data if None.
    """
    values = [y for points in series.values() for _, y in points if math.isfinite(y)]
    steps = [x for points in series.values() for x, _ in points]
    ticks = (
        nice_ticks(min(values) if low is None else low, max(values) if high is None else high)
        if values
        else []
    )
    x0, x1 = min(steps, default=0), max(steps, default=0)

    def place_x(step: float) -> float:
        across = (step - x0) / (x1 - x0) if x1 > x0 else 0.5
        return round(_LEFT + across * (WIDTH - _LEFT - _RIGHT), 1)

    def place_y(value: float) -> float:
        up = (min(max(value, ticks[0]), ticks[-1]) - ticks[0]) / (ticks[-1] - ticks[0])
        return round(HEIGHT - _BOTTOM - up * (HEIGHT - _TOP - _BOTTOM), 1)

    lines = []
    for name, points in series.items():
        drawn = [(x, y) for x, y in points if math.isfinite(y)]
        smooth = moving_average([y for _, y in drawn], len(drawn) // 20) if len(drawn) >= _SMOOTH_FROM else []
        dots = [(place_x(x), place_y(y), x, y) for x, y in drawn]
        mean = [(dot[0], place_y(y)) for dot, y in zip(dots, smooth, strict=False)]
        lines.append({"name": name, "dots": dots, "mean": mean})
    return render(
        "line_chart.svg.j2",
        lines=lines if values else [],
        rows=[(place_y(tick), _short(tick)) for tick in ticks],
        ends=[
            (place_x(x), x, end)
            for x, end in ({x0: "start", x1: "end"} if x1 > x0 else {x0: "middle"}).items()
        ],
        width=WIDTH,
        height=HEIGHT,
        left=_LEFT,
        right=_RIGHT,
    )


def figure(
    title: str, meaning: str, series: Mapping[str, Points], *, low: float | None, high: float | None
) -> dict[str, str]:
    """Return a chart with its title, its meaning and its legend, as `figure.html.j2` shows them."""
    chart = line_chart(series, low=low, high=high)
    return {"title": title, "meaning": meaning, "chart": chart, "legend": legend(series)}


def legend(series: Mapping[str, Points]) -> str:
    """Name the lines of a chart, each with its mean over the first and over the last tenth of its points."""
    lines = []
    for number, (name, points) in enumerate(series.items()):
        if values := [y for _, y in points if math.isfinite(y)]:
            tenth = max(1, len(values) // 10)
            lines.append((name, number, fmean(values[:tenth]), fmean(values[-tenth:])))
    return render("legend.html.j2", lines=lines)


def moving_average(values: Sequence[float], window: int) -> list[float]:
    """Average each value with its neighbours, up to `window` on each side; fewer at the ends.

    >>> moving_average([0, 3, 6, 9, 30], 1)
    [1.5, 3.0, 6.0, 15.0, 19.5]
    """
    return [fmean(values[max(0, i - window) : i + window + 1]) for i in range(len(values))]


def nice_ticks(low: float, high: float, *, count: int = 4) -> list[float]:
    """Return round numbers that cover [low, high] in about `count` steps.

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
    """Return the label of a tick, short enough for the margin.

    >>> _short(0.000105)
    '1.05e-4'
    """
    text = f"{value:.4g}"
    mantissa, _, exponent = (f"{value:.2e}" if len(text) > 6 else text).partition("e")
    return f"{float(mantissa):g}e{int(exponent)}" if exponent else mantissa
