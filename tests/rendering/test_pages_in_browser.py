"""Reports in a real browser: nothing beside the screen of a phone, and text that can be read in both modes.

Needs Chromium (Debian: `apt-get install chromium`) and skips without. The pages of the leaderboard and of the
review are looked at in the same way beside their own tests.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rise_bench.annotations.answer_format import DEFAULT_FORMAT
from rise_bench.annotations.kinds import KINDS
from rise_bench.rendering.downloads import csv_address
from rise_bench.rendering.histogram import histogram_figure
from rise_bench.rendering.line_chart import figure
from rise_bench.rendering.render import render
from rise_bench.rendering.strip_chart import strip_chart
from rise_bench.reports.cot_figures import answer_rollout
from rise_bench.reports.rollout_cards import cards

from ..support.chromium import Browser, browser, running  # noqa: F401  (fixtures)
from ..support.drawn_data import write_drawn
from ..support.page_checks import too_wide, unreadable

LONG = "an-identifier-without-a-blank-" * 6


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One page of each report, with a chart of three lines, cards of shares and boxes, and long names."""
    out = tmp_path_factory.mktemp("pages")
    series = {name: [(step, step / 40) for step in range(30)] for name in ("RISE", "SFT", "Visual-RFT")}
    curves = [figure("Reward", f"eq. 1, {LONG}", series, low=0.0, high=1.0)] * 2
    shown, drawn = [], []
    for name in ("moods", "scenes"):
        dataset = write_drawn(out / name, name, train=2, test=2)
        golds = dataset.golds("test")
        texts = [
            f"<think>{LONG} 0.5</think><answer>{KINDS[g.kind].render(g.annotation)}</answer>" for g in golds
        ]
        texts[1] = LONG
        rollouts = [answer_rollout(g, text, DEFAULT_FORMAT) for g, text in zip(golds, texts, strict=True)]
        shown.append(
            cards([(LONG, r) for r in rollouts], dataset, DEFAULT_FORMAT, split="test", remark=remark)
        )
        drawn += [(gold, KINDS[gold.kind]) for gold in golds]
    table = [("best", "RISE", "0.061 [0.052, 0.071]"), ("", "before training", "0.261 [0.252, 0.271]")]
    table += [("baseline", "baseline: majority_class", "0.563")]
    headings = ["", "JSD ↓", "Accuracy ↑"]
    common = {
        "title": f"RISE on {LONG}",
        "facts": {"Written": "2026-01-01 10:00 UTC", "Model": LONG},
        "downloads": {"scores.csv": csv_address([{"score": 1}])},
        "curves": curves,
        "reports": {"rise_cot": "runs/rise_cot/report.html", LONG: "x"},
    }
    chart, best = histogram_figure([0.1, 0.5, 0.9, 0.95], 0.75), shown[0]
    cots = {"rows": 4, "verified": 2, "tau": 0.75, "folder": LONG, "histogram": chart}
    html = {
        "own": render(
            "own_report.html.j2",
            scores={
                "pictures": 6,
                "headings": headings,
                "rows": [(kind, name, [cell] * 2) for kind, name, cell in table],
            },
            cots=cots | {"best": best, "worst": shown[1]},
            answers=shown[1],
            recipe=LONG,
            **common,
        ),
        "demo": render(
            "demo_report.html.j2",
            next_steps={"your GPU": f"rise-bench train {LONG}"},
            benchmark="moods",
            tau=0.75,
            test_pictures=6,
            headings=headings,
            rows=[(kind, [name, *[cell] * 2]) for kind, name, cell in table],
            columns_note=LONG,
            histogram=chart,
            best=best,
            false_ones=shown[1],
            worst=best,
            false_count=1,
            high_count=2,
            answers=shown[1],
            **common,
        ),
        "run": render(
            "run_report.html.j2",
            phases={"grpo": curves},
            cards=best,
            trouble=LONG,
            settings=LONG,
            **{name: common[name] for name in ("title", "facts", "downloads")},
        ),
        "audit": render(
            "audit.html.j2",
            headings=["AUROC", "AP", "P@1%", "P@5%", "P@10%"],
            measured=[],
            cards=[suspicious(gold, kind) for gold, kind in drawn],
            **{name: common[name] for name in ("title", "facts")},
        ),
    }
    for name, text in html.items():
        (out / f"{name}.html").write_text(text, encoding="utf-8")
    yield out


def remark(rollout: object) -> list[tuple[str, str]]:
    return [
        ("good", "all 3 statements true"),
        ("bad", f"1 of 3 statements false: {LONG}"),
        ("", "groundedness"),
    ]


def suspicious(gold, kind) -> dict[str, object]:
    annotations = {"gold": gold.annotation, "stated": gold.annotation}
    return {
        "rank": 1,
        "id": LONG,
        "asked": gold.question,
        "picture": "",
        "width_px": gold.width_px,
        "height_px": gold.height_px,
        "layers": [(name, kind.outlines(annotation)) for name, annotation in annotations.items()],
        "bars": {
            key: [("gold", share), ("stated", share)] for key, share in kind.shares(gold.annotation).items()
        },
        "given": kind.render(gold.annotation),
        "model": LONG,
        "reason": LONG,
        "badges": [("suspicion", "0.82"), ("answer similarity", "0.07")],
        "why": [f"The model disagrees with the label and says {LONG}."],
        "error": "swapped",
    }


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["own", "demo", "run", "audit"])
def test_a_report_fits_a_phone_and_can_be_read(browser: Browser, pages: Path, name: str, dark: bool) -> None:
    for width in (390, 1280):
        browser.screen(width, 844, dark=dark)
        browser.open((pages / f"{name}.html").as_uri())
        browser.run("document.querySelectorAll('details').forEach(part => { part.open = true; })")
        assert (width, too_wide(browser)) == (width, "[]")
        assert unreadable(browser) == "[]"
    background = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(", "))) < 200) == dark


def test_scores_of_a_phone_need_no_scrolling(browser: Browser, pages: Path) -> None:
    browser.screen(390, 844)
    browser.open((pages / "own.html").as_uri())
    table = "document.querySelector('table.scores')"
    assert browser.run(f"{table}.scrollWidth <= {table}.clientWidth")


def test_the_checks_find_what_they_look_for(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text(
        "<body style='background:#fff'><meta name=viewport content='width=device-width'>"
        "<p style='color:#888'>grey</p><div style='opacity:.4'><p style='color:#000'>pale</p></div>"
        "<svg width=20 height=20><text y=15 style='fill:#ccc'>drawn</text></svg><p>black</p>"
        "<p style='background:#222; color:#eee'>light on dark</p><table style='width:500px'><td>wide</table>"
    )
    browser.screen(390, 844)
    browser.open(page.as_uri())
    texts = unreadable(browser)
    assert all(word in texts for word in ("grey", "pale", "drawn")), texts
    assert not any(word in texts for word in ("black", "light on dark", "wide")), texts
    assert "TABLE" in too_wide(browser)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_strip_chart_can_be_read_and_has_the_colours_of_the_pages(
    browser: Browser, pages: Path, dark: bool
) -> None:
    drawing = strip_chart("t", "x", {"4-shot": {"RISE": [1.0], "SFT": [2.0]}}, ours="RISE")
    (pages / "chart.html").write_text(f"<body>{drawing}", encoding="utf-8")
    browser.screen(1280, 844, dark=dark)
    browser.open((pages / "chart.html").as_uri())
    # A rectangle is behind the text there, not the background of an element.
    browser.run("document.body.style.background = getComputedStyle(document.querySelector('.back')).fill")
    assert unreadable(browser) == "[]"
    fills = "[...document.querySelectorAll('.dot')].map(dot => getComputedStyle(dot).fill)"
    drawn = browser.run(f"[...new Set({fills})].sort().join(';')")
    browser.open((pages / "own.html").as_uri())
    body = "getComputedStyle(document.body).color"
    colours = [
        browser.run(f"document.body.style.color = 'var(--{name})'; {body}") for name in ("truth", "stated")
    ]
    assert drawn == ";".join(sorted(colours))
