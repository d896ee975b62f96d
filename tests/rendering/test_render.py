"""Templates: what is put into them is text, a name that is missing is an error, charts keep their places."""

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

import rise_bench.rendering
from rise_bench.rendering.render import render
from rise_bench.rendering.strip_chart import strip_chart

ROW = ("id", "source_id", "license", "problem", "solution")


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="lines"):
        render("legend.html.j2")


def test_only_markup_that_a_template_made_is_kept() -> None:
    chart = render("legend.html.j2", lines=[("<i>", 0, 1.0, 2.0)])
    assert "&lt;i&gt;" in chart
    figure = {"title": "<b>", "meaning": chart, "chart": str(chart), "legend": "<hr>"}
    shown = render("figure.html.j2", figure=figure)
    assert "<b>&lt;b&gt;</b>" in shown and "&lt;hr&gt;" in shown
    assert "&lt;div class=" in shown, "a plain copy of markup is text again"


def test_every_template_says_by_its_name_how_it_escapes() -> None:
    folder = Path(rise_bench.rendering.__file__).parent / "templates"
    for path in folder.iterdir():
        assert path.name.endswith((".html.j2", ".svg.j2", ".md.j2", ".css")), path
        assert not re.search(r"\|\s*safe\b|autoescape", path.read_text("utf-8")), path


def test_a_strip_chart_holds_its_rows_between_headings_and_axis() -> None:
    drawn = strip_chart("t", "x", {"4-shot": {"a<b": [1.0, 2.0], "c": []}}, baselines={"mean": 1.5})
    height = int(re.search(r'viewBox="0 0 \d+ (\d+)"', drawn)[1])  # type: ignore[index]
    title, heading = (float(y) for y in re.findall(r'class="title" x="\d+" y="(\d+)"', drawn))
    dots = {float(y) for y in re.findall(r'class="dot" cx="[\d.]+" cy="([\d.]+)"', drawn)}
    axis = max(float(y) for y in re.findall(r'class="soft" x="[\d.]+" y="(\d+)" text-anchor', drawn))
    assert title < heading < min(dots) <= max(dots) < axis < height - 8
    assert "a&lt;b: 1" in drawn


@pytest.mark.parametrize("secret", ["plain-secret-1", "a&b<c>'d\"e", "x_*[y]|`z`"])
def test_no_secret_of_the_process_reaches_a_page_or_a_card(
    monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("SERVICE_PASSWORD", secret)
    page = render("legend.html.j2", lines=[(f"at {secret}", 0, 1.0, 2.0)])
    card = render("sample_rows.md.j2", rows=[(dict.fromkeys(ROW, f"at {secret}"), "")])
    assert page.count("at ***") == 1
    assert card.count("at \\*\\*\\*") == 3 and card.count("at ***") == 2, "in lines, and in blocks"
