"""Histogram of rewards: inline SVG for pages, a PNG for cards on the Hub."""

import io
from collections.abc import Sequence

from rise_bench.rendering.line_chart import HEIGHT, WIDTH
from rise_bench.rendering.render import render

BINS = 20
_WIDTH_PX, _HEIGHT_PX = 800, 360
_LEFT_PX, _RIGHT_PX, _TOP_PX, _BOTTOM_PX = 60, 20, 40, 50
_INK, _GRID = (118, 124, 133), (118, 124, 133, 70)
_BACKGROUND = (*_INK, 0)  # of the ink's colour, so that the edges of letters do not darken
_HIGH, _LOW, _TAU = (0, 114, 178), (148, 163, 184), (213, 94, 0)


def bin_counts(rewards: Sequence[float]) -> list[int]:
    """Count rewards in `BINS` equal bins of [0, 1]; 1 (and above) falls in the last.

    >>> bin_counts([0.0, 0.04, 0.05, 1.0])[:2], bin_counts([1.0])[-1]
    ([2, 1], 1)
    """
    counts = [0] * BINS
    for reward in rewards:
        counts[min(BINS - 1, max(0, int(reward * BINS)))] += 1
    return counts


def histogram_figure(rewards: Sequence[float], tau: float) -> dict[str, str]:
    """Return the histogram of rewards in [0, 1] with the threshold tau, as `figure.html.j2` shows it.

    Colours come from the page's CSS variables; a bar carries its number as an SVG `<title>`.
    """
    left, right, top, base = 52, 12, 10, HEIGHT - 26
    counts = bin_counts(rewards)
    highest = max(max(counts), 1)

    def place_x(reward: float) -> float:
        return round(left + reward * (WIDTH - left - right), 1)

    def place_y(count: int) -> float:
        return round(base - count / highest * (base - top), 1)

    bins = [
        {
            "start": index / BINS,
            "end": (index + 1) / BINS,
            "count": count,
            "high": (index + 0.5) / BINS >= tau,
            "x": place_x(index / BINS) + 1,
            "y": place_y(count),
            "width": round((WIDTH - left - right) / BINS - 2, 1),
            "height": round(base - place_y(count), 1),
        }
        for index, count in enumerate(counts)
        if count
    ]
    chart = render(
        "histogram.svg.j2",
        bins=bins,
        rows=[(place_y(count), count) for count in sorted({0, highest // 2, highest})],
        marks=[(place_x(reward), reward) for reward in (0.0, 0.25, 0.5, 0.75, 1.0)],
        tau_x=place_x(tau),
        width=WIDTH, height=HEIGHT, left=left, right=right, top=top, base=base,
    )  # fmt: skip
    high = sum(reward >= tau for reward in rewards)
    meaning = f"{high} of {len(rewards)} are at least {tau:g}, the dashed line"
    return {"title": "Rewards", "meaning": meaning, "chart": chart, "legend": ""}


def reward_histogram(rewards: Sequence[float], tau: float) -> bytes:
    """Return a PNG histogram of rewards in [0, 1] with the threshold tau."""
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
