"""Strip charts as SVG files: a dot per seed, a bar at their mean, one row per method."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from rise_bench.rendering.line_chart import nice_ticks
from rise_bench.rendering.render import render

_PANEL, _GAP, _ROW, _TOP, _BOTTOM = 300, 28, 26, 54, 46
_LETTER = 7.2  # width in px, generous

#: Method -> its values, one per seed.
Panel = Mapping[str, Sequence[float]]


def strip_chart(
    title: str,
    axis: str,
    panels: Mapping[str, Panel],
    *,
    ours: str = "",
    baselines: Mapping[str, float] | None = None,
) -> str:
    """Draw panels side by side on a common scale.

    Args:
        title: Title of the chart.
        axis: Label of the axis, with the better direction.
        panels: Heading of a panel -> its methods, top to bottom; a method without values has an empty row.
        ours: Highlighted method.
        baselines: Name -> value of the dashed lines across all panels.

    Raises:
        ValueError: There is no value to draw.
    """
    baselines = baselines or {}
    methods = list(dict.fromkeys(name for panel in panels.values() for name in panel))
    values = [v for panel in panels.values() for points in panel.values() for v in points]
    if not values:
        raise ValueError("no values to draw")
    labels = round(24 + _LETTER * max(map(len, methods)))
    ticks = nice_ticks(min([*values, *baselines.values()]), max([*values, *baselines.values()]))
    drawn = []
    for number, (heading, panel) in enumerate(panels.items()):
        left = labels + number * (_PANEL + _GAP)

        def place(value: float, left: float = left) -> float:
            return round(left + (value - ticks[0]) / (ticks[-1] - ticks[0]) * _PANEL, 1)

        rows = [
            {
                "name": name,
                "y": _TOP + (row + 0.5) * _ROW,
                "dots": [(place(value), value) for value in panel.get(name, ())],
                "mean": place(fmean(panel[name])) if panel.get(name) else None,
            }
            for row, name in enumerate(methods)
        ]
        frame = [(place(tick), tick) for tick in ticks]
        lines = [(place(value), name, value) for name, value in baselines.items()]
        drawn.append({"heading": heading, "left": left, "rows": rows, "frame": frame, "baselines": lines})
    end = _TOP + len(methods) * _ROW
    width, height = labels + len(panels) * (_PANEL + _GAP), end + _BOTTOM
    return render(
        "strip_chart.svg.j2",
        title=title, axis=axis, panels=drawn, ours=ours, baselines=baselines,
        top=_TOP, end=end, width=width, height=height,
    )  # fmt: skip
