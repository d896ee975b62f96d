"""The site in a real browser: sorting, filters, links, keyboard, samples, hostile text, phone, dark, print.

Needs Chromium (Debian: `apt-get install chromium`) and skips without. Pictures of what was seen go to
$RISE_BENCH_SCREENSHOTS if that is set.
"""

import contextlib
import functools
import http.server
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.chromium import Browser, browser, running  # noqa: F401  (fixtures)
from ..support.page_checks import too_wide, unreadable

HOSTILE_NAME = "<img src=x onerror=alert(1)>"
SAMPLES = "document.querySelectorAll('.sample').length"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@contextlib.contextmanager
def served(site: Path) -> Iterator[str]:
    """A folder on a plain file server."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with served(site) as where:
        yield where


def seen(browser: Browser, name: str) -> None:
    folder = os.environ.get("RISE_BENCH_SCREENSHOTS")
    if folder:
        browser.run("new Promise(done => setTimeout(done, 200))")
        browser.screenshot(Path(folder) / f"{name}.png")


def names(browser: Browser) -> list[str]:
    code = "[...document.querySelectorAll('tbody tr:not([hidden]) a.name')].map(a => a.textContent)"
    return json.loads(browser.run(f"JSON.stringify({code})"))


def click(browser: Browser, selector: str) -> None:
    browser.run(f"document.querySelector({json.dumps(selector)}).click()")


def choose(browser: Browser, selector: str, value: str) -> None:
    browser.run(
        f"(() => {{ const control = document.querySelector({json.dumps(selector)}); control.value = "
        f"{json.dumps(value)}; control.dispatchEvent(new Event('input', {{bubbles: true}})); }})()"
    )


def test_first_page_is_usable_with_less_than_300_kb(browser: Browser, address: str):
    browser.send("Network.clearBrowserCache")
    browser.open(f"{address}/index.html")
    browser.wait("document.querySelector('th button')")
    assert 10_000 < browser.bytes_received() < 300_000
    seen(browser, "index")


def test_sorting_by_a_click_and_by_a_link(browser: Browser, address: str):
    browser.open(f"{address}/emotion6-full.html")
    by_rank = names(browser)
    assert by_rank[0] == "RISE 2B"
    click(browser, "th.score button")
    assert names(browser) == by_rank
    click(browser, "th.score button")
    turned = by_rank[:3][::-1] + by_rank[3:][::-1]
    assert names(browser) == turned, "ranked rows first, then those that are only recomputed"
    assert browser.run("document.querySelector('th.score').getAttribute('aria-sort')") == "descending"
    link = browser.run("location.href")
    browser.open("about:blank#")
    browser.open(link)
    assert names(browser) == turned


RANKS = "[...document.querySelectorAll('tbody tr[id] td.rank')].map(td => td.textContent).join()"


def test_recomputed_rows_are_apart_until_the_reader_ranks_everything(browser: Browser, address: str):
    browser.open(f"{address}/emotion6-full.html")
    assert browser.run(RANKS) == "1,2,3,–,–"
    assert browser.run("document.querySelectorAll('tbody.apart tr[id] .tier-recomputed').length") == 2
    apart = names(browser)[3:]
    seen(browser, "apart")
    choose(browser, "select[name=rank]", "all")
    assert browser.run(RANKS) == "1,2,3,4,5"
    scores = "[...document.querySelectorAll('tbody.runs tr[id] td.score')].map(td => Number(td.dataset.v))"
    scores = json.loads(browser.run(f"JSON.stringify({scores})"))
    assert len(scores) == 5 and scores == sorted(scores)
    assert not browser.run("document.querySelector('tr.part').getClientRects().length")
    seen(browser, "ranked_all")
    browser.open(browser.run("location.href"))
    assert browser.run(RANKS) == "1,2,3,4,5", "the view is in the link"
    choose(browser, "select[name=rank]", "")
    assert (browser.run(RANKS), names(browser)[3:]) == ("1,2,3,–,–", apart)
    choose(browser, "select[name=tier]", "reproduced")
    assert not browser.run("document.querySelector('tr.part').getClientRects().length")


def test_the_samples_page_opened_from_disk_says_how_to_serve_it(running: Browser, site: Path):
    running.screen(1280, 900)
    running.open((site / "samples.html").as_uri() + "?run=rise--emotion6-0")
    running.wait("document.querySelector('main').textContent.includes('python -m http.server')")
    seen(running, "from_disk")
    running.open((site / "emotion6-full.html").as_uri())
    assert "Not ranked" in running.run("document.querySelector('table').textContent")


def test_search_and_filters_are_in_the_link(browser: Browser, address: str):
    browser.open(f"{address}/emotion6-full.html")
    choose(browser, "input[type=search]", "visual rft")
    assert names(browser) == ["Visual-RFT 2B"]
    assert browser.run("document.querySelector('.status').textContent") == "1 of 5 submissions"
    browser.open(browser.run("location.href"))
    assert names(browser) == ["Visual-RFT 2B"]
    choose(browser, "input[type=search]", "")
    choose(browser, "select[name=runs]", "best")
    assert sorted(names(browser)) == sorted({"RISE 2B", "Visual-RFT 2B", HOSTILE_NAME, "Qwen2-VL 2B"})
    choose(browser, "select[name=runs]", "certain")
    assert "Qwen2-VL 2B" not in names(browser)
    choose(browser, "select[name=tier]", "hidden-split")
    assert names(browser) == []


def test_keyboard_alone_opens_the_samples(browser: Browser, address: str):
    browser.open(f"{address}/emotion6-full.html")
    browser.press("/")
    assert browser.run("document.activeElement.type") == "search"
    browser.press("Escape")
    browser.press("j")
    browser.press("j")
    assert browser.run("document.activeElement.textContent") == "Visual-RFT 2B"
    browser.press("Enter")
    browser.wait(f"location.pathname.endsWith('samples.html') && {SAMPLES}")
    assert browser.run("document.querySelector('h1').textContent") == "Visual-RFT 2B"
    browser.press("j")
    assert browser.run("document.activeElement.className").startswith("sample")


def test_a_row_can_be_linked(browser: Browser, address: str):
    browser.open(f"{address}/emotion6-full.html#lab--emotion6-2")
    assert browser.run("document.querySelector('tr:target a.name').textContent") == "Visual-RFT 2B"


def test_rules_show_names_of_files_as_code(browser: Browser, address: str):
    browser.open(f"{address}/rules.html")
    codes = json.loads(
        browser.run("JSON.stringify([...document.querySelectorAll('li code')].map(e => e.textContent))")
    )
    assert "samples.jsonl" in codes and "submissions/<your account>/<name>/submission.json" in codes
    assert "`" not in browser.run("document.querySelector('main').textContent")


def test_without_javascript_the_table_is_there(browser: Browser, address: str):
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.send("Page.navigate", url=f"{address}/coco_sub-full.html")
        deadline = time.monotonic() + 10
        expected, shown = {"RISE 2B", "Whole image"}, set()
        while not expected <= shown:
            assert time.monotonic() < deadline, shown
            time.sleep(0.05)
            shown = set(browser.send("DOMSnapshot.captureSnapshot", computedStyles=[])["strings"])
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)


def test_samples_are_worst_first_with_boxes_on_the_picture(browser: Browser, address: str, site: Path):
    browser.open(f"{address}/samples.html?run=rise--coco-sub-0")
    browser.wait(SAMPLES)
    browser.wait("document.querySelector('.sample img').complete")
    assert browser.run("document.querySelector('.sample img').naturalWidth") in (320, 400)
    run = json.loads((site / "runs" / "rise--coco-sub-0.json").read_text())
    worst = min(run["samples"], key=lambda sample: sample["similarity"])
    assert browser.run("document.querySelector('.sample h3 a').textContent") == worst["id"]
    stated = browser.run("document.querySelectorAll('.sample')[0].querySelectorAll('polygon.stated').length")
    assert stated == len(worst["stated"]["outlines"])
    box = browser.run(
        "(() => { const [img, drawn] = ['img', 'polygon.stated'].map(name => document"
        ".querySelector('.sample ' + name).getBoundingClientRect());"
        " return [(drawn.x - img.x) / img.width, drawn.width / img.width]; })()"
    )
    width = json.loads((site / "gold" / "coco_sub.json").read_text())["samples"][worst["id"]]["width"]
    (left, _), _, (right, _), _ = worst["stated"]["outlines"][0]
    assert box == pytest.approx([left / width, (right - left) / width], abs=0.02)
    assert browser.run(SAMPLES) == 20
    click(browser, "#more")
    assert browser.run(SAMPLES) == 40
    seen(browser, "samples")
    choose(browser, "select[name=only]", "worst")
    assert browser.run(SAMPLES) == 4
    assert browser.run("document.querySelector('.sample h3 a').textContent") == worst["id"]


def test_two_models_side_by_side(browser: Browser, address: str):
    browser.open(f"{address}/samples.html?run=rise--emotion6-0&with=lab--emotion6-2&sort=differ")
    browser.wait(SAMPLES)
    heads = "[...document.querySelector('.sample').querySelectorAll('h4 span:first-child')]"
    heads = json.loads(browser.run(f"JSON.stringify({heads}.map(e => e.textContent))"))
    assert heads == ["RISE 2B", "Visual-RFT 2B"]
    seen(browser, "compare")
    browser.screen(1280, 900, dark=True)
    seen(browser, "compare_dark")


def test_a_sample_can_be_linked(browser: Browser, address: str):
    browser.open(f"{address}/samples.html?run=rise--emotion6-0&id=emotion6/077")
    browser.wait(SAMPLES)
    assert browser.run("document.querySelector('.sample.here h3 a').textContent") == "emotion6/077"


def test_hostile_names_and_thoughts_are_text(browser: Browser, address: str):
    browser.open(f"{address}/emotion6-full.html")
    assert HOSTILE_NAME in names(browser)
    browser.open(f"{address}/samples.html?run=mallory--emotion6-5&only=unreadable")
    browser.wait(SAMPLES)
    assert browser.run("document.querySelector('h1').textContent") == HOSTILE_NAME
    thought = browser.run("document.querySelector('.think').textContent")
    assert thought.startswith("<script>alert(2)</script><svg onload")
    assert (
        browser.run("document.querySelectorAll('main script, main img, main a[href^=javascript]').length")
        == 0
    )
    seen(browser, "hostile")


@pytest.mark.parametrize("run", ["../board", "a/b", "<b>", ""])
def test_a_link_to_no_run_says_so(browser: Browser, address: str, run: str):
    browser.open(f"{address}/samples.html?run={run}")
    browser.wait("document.querySelector('.lead')")
    assert "No run is named" in browser.run("document.querySelector('.lead').textContent")


@pytest.mark.parametrize(
    "page",
    [
        "index.html",
        "overview.html",
        "emotion6-full.html",
        "model-rise-bench--rise-2b.html",
        "samples.html?run=rise--coco-sub-0",
        "samples.html?run=rise--emotion6-0&with=lab--emotion6-2",
        "rules.html",
    ],
)
@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_needs_no_sideways_scrolling_and_every_text_can_be_read(
    browser: Browser, address: str, page: str, dark: bool
):
    browser.screen(390, 844, dark=dark)
    browser.open(f"{address}/{page}")
    if page.startswith("samples"):
        browser.wait(SAMPLES)
    seen(browser, f"phone_{page.split('.')[0]}{'_dark' if dark else ''}")
    assert too_wide(browser) == unreadable(browser) == "[]"
    background = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(", "))) < 200) == dark


def test_a_phone_shows_every_number_and_sorts_by_touch(browser: Browser, address: str):
    browser.screen(390, 844)
    browser.open(f"{address}/emotion6-full.html")
    row = "document.querySelectorAll('tbody.runs tr[id]')[1]"
    for name in ("score", "above", "rise", "win", "read", "tier"):
        assert browser.run(f"{row}.querySelector('td.{name}').getClientRects().length"), name
    by_rank = names(browser)
    # What a finger meets at the middle of the heading, not what a script may click unseen.
    browser.run("document.querySelector('th.model').scrollIntoView({block: 'center', behavior: 'instant'})")
    touched = (
        "(() => { const r = document.querySelector('th.model button').getBoundingClientRect(); "
        "const hit = document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2); "
        "hit.click(); return hit.tagName; })()"
    )
    assert browser.run(touched) == "BUTTON"
    parts = (by_rank[:3], by_rank[3:])
    assert names(browser) == [name for part in parts for name in sorted(part, key=str.lower)] != by_rank


def test_print_leaves_the_controls_out(browser: Browser, address: str):
    browser.screen(1280, 900, media="print")
    browser.open(f"{address}/emotion6-full.html")
    assert browser.run("getComputedStyle(document.querySelector('.controls')).display") == "none"
    assert browser.run("getComputedStyle(document.querySelector('table.board')).display") == "table"
    seen(browser, "print")


def test_a_sheet_of_a4_has_all_columns_and_the_setting(browser: Browser, address: str):
    browser.screen(717, 1000, media="print", dark=True)  # what is left of 210 mm between the margins, in px
    browser.open(f"{address}/emotion6-full.html")
    seen(browser, "print_a4")
    assert browser.run("document.documentElement.scrollWidth") <= 717
    shown = "[...document.querySelectorAll('th')].every(th => th.getClientRects().length)"
    assert browser.run(shown)
    tabs = "[...document.querySelectorAll('.tabs a')].filter(a => a.getClientRects().length)"
    assert browser.run(f"{tabs}.map(a => a.firstChild.textContent).join()") == "full data"
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_a_long_board_is_shown_a_page_at_a_time(browser: Browser, site: Path, tmp_path: Path):
    """A row, repeated under other names, as if many had been sent."""
    shutil.copytree(site, tmp_path / "site")
    path = tmp_path / "site" / "emotion6-full.html"
    before, start, rest = path.read_text().partition('<tr id="rise--emotion6-0"')
    row, end, after = rest.partition("</tr>")
    copies = "".join(f'<tr id="copy--{i}"{row}{end}' for i in range(120))
    path.write_text(before + start + row + end + copies + after)
    body = "[...document.querySelectorAll('tbody.runs tr[id], tbody.apart tr[id]')]"
    shown = f"{body}.filter(row => row.offsetParent).length"
    with served(tmp_path / "site") as where:
        browser.open(f"{where}/emotion6-full.html")
        browser.wait(f"{shown} === 50")
        click(browser, "button.page")
        assert browser.run(shown) == 100
        click(browser, "th.model button")
        assert browser.run(shown) == 100, "sorting keeps the number of rows"
        browser.open(f"{where}/emotion6-full.html#mallory--emotion6-5")
        browser.wait("document.getElementById('mallory--emotion6-5').offsetParent")
        browser.run("document.querySelector('input[type=search]').value = 'mallory'")
        browser.run("document.querySelector('input[type=search]').dispatchEvent(new Event('input'))")
        assert browser.run(shown) == 1 and browser.run("document.querySelector('button.page').hidden")
