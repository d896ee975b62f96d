"""The page in a real browser: keys, dragging, sliders, two tabs, reload, hostile text, phone, dark.

Needs Chromium (Debian: `apt-get install chromium`) and skips without. Pictures of what was seen go to
$RISE_BENCH_SCREENSHOTS if that is set.
"""

import json
import os
import time
from pathlib import Path

import pytest

from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.kinds import KINDS
from rise_bench.annotations.polygons.values import Polygons, corners
from rise_bench.curation.decisions import Decision, read_decisions
from rise_bench.curation.queue import ReviewQueue

from ...support.chromium import Browser, browser, running  # noqa: F401  (fixtures)
from ...support.page_checks import too_wide, unreadable
from ...support.toy_kind import Word, WordKind
from .conftest import COT, HOSTILE, boxes, serving, write

ID = "document.querySelector('.name code')?.textContent"
STATUS = "document.querySelector('#status').textContent"
PROBLEM = "document.querySelector('#problem').textContent"
EDITING = "!document.querySelector('#editing').hidden"


def visit(browser: Browser, address: str) -> None:
    browser.open(address)
    browser.wait("document.querySelector('.frame img')?.complete && document.querySelector('.name')")


def forgive(browser: Browser, status: int) -> None:
    """Chromium logs an answer that the page expects and shows as an error."""
    logged = f"the server responded with a status of {status}"
    browser.run("1")
    browser.events = [event for event in browser.events if logged not in json.dumps(event)]


def press(browser: Browser, key: str, then: str) -> None:
    browser.press(key)
    browser.wait(then)


def at(browser: Browser, uid: str) -> None:
    browser.wait(f"{ID} === '{uid}'")


def seen(browser: Browser, name: str) -> None:
    if folder := os.environ.get("RISE_BENCH_SCREENSHOTS"):
        time.sleep(0.2)
        browser.screenshot(Path(folder) / f"review_{name}.png")


def saved(folder: Path) -> dict[str, Decision]:
    return read_decisions(folder / "decisions.csv")


def labels(folder: Path) -> dict[str, object]:
    header = ReviewQueue(folder).header
    return {uid: decision.read(header) for uid, decision in saved(folder).items()}


def test_a_queue_is_decided_by_keys_alone(browser, boxes_folder):
    with serving(boxes_folder) as address:
        visit(browser, address)
        assert "token" not in browser.run("location.href")
        at(browser, "000")
        seen(browser, "boxes")
        press(browser, "a", f"{ID} === '001'")
        press(browser, "m", f"{PROBLEM}.includes('leaves the image')")
        forgive(browser, 422)
        assert browser.run(ID) == "001" and set(saved(boxes_folder)) == {"000"}
        press(browser, "s", f"{ID} === '002'")
        browser.press("a")  # there is no label to accept
        browser.press("n")
        for letter in "dim":
            browser.press(letter)
        browser.press("Escape")
        press(browser, "m", f"{ID} === '003'")
        press(browser, "j", f"{ID} === '004'")
        press(browser, "ArrowLeft", f"{ID} === '003'")
        press(browser, "u", f"{ID} === '002' && {STATUS}.includes('undone')")
        actions = {uid: decision.action for uid, decision in saved(boxes_folder).items()}
        assert actions == {"000": "accept", "001": "skip"}
        press(browser, "m", f"{ID} === '003'")
        browser.run("document.querySelector('#show').value = 'all'")
        browser.run("document.querySelector('#show').dispatchEvent(new Event('change'))")
        at(browser, "000")
        press(browser, "j", f"{ID} === '001'")
        press(browser, "j", f"{ID} === '002'")
        press(browser, "s", f"{ID} === '003'")
        press(browser, "u", f"{ID} === '002' && {STATUS}.includes('undone')")
        assert saved(boxes_folder)["002"].action == "model"
        press(
            browser,
            "u",
            f"{STATUS}.includes('undone') && document.querySelector('#counts').textContent[0] === '2'",
        )
        assert set(saved(boxes_folder)) == {"000", "001"}
        press(browser, "m", f"{ID} === '003'")
        assert labels(boxes_folder)["002"] == boxes()
        browser.press("?")
        assert browser.run("document.querySelector('#help').open")
        browser.press("Escape")
        assert browser.run("document.querySelector('#counts').textContent") == "3 of 5 decided"


def test_a_key_pressed_twice_decides_once(browser, boxes_folder):
    with serving(boxes_folder) as address:
        visit(browser, address)
        key = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'a', bubbles: true}));"
        browser.run(key * 2)
        at(browser, "001")
        browser.run("new Promise(done => setTimeout(done, 300))")
        assert browser.run(ID) == "001" and browser.run(PROBLEM) == "" and set(saved(boxes_folder)) == {"000"}


def test_a_box_is_edited_by_keys(browser, boxes_folder):
    with serving(boxes_folder) as address:
        visit(browser, address)
        press(browser, "e", f"{EDITING} && document.activeElement.matches('input')")
        browser.run("document.activeElement.select()")
        for letter in "31.5":
            browser.press(letter)
        browser.press("Tab")
        browser.press("j")  # keys that turn the page rest while something is edited
        press(browser, "Enter", f"{ID} === '001'")
        (first, second) = labels(boxes_folder)["000"].xywh
        assert first == (31.5, 30.0, 60.0, 60.0) and second == boxes().xywh[1]
        press(browser, "e", f"{EDITING} && document.querySelectorAll('tr.chosen').length")
        browser.run("document.querySelector('.numbers button').focus()")
        browser.press("Enter")
        press(browser, "Escape", f"!({EDITING})")
        assert set(saved(boxes_folder)) == {"000"}, "a cancelled edit is not saved"


def test_a_box_is_edited_in_the_first_moments_of_a_page(browser, boxes_folder):
    with serving(boxes_folder) as address:
        visit(browser, address)
        browser.run("performance.now = () => 100")
        press(browser, "e", f"{EDITING} && document.activeElement.matches('input')")
        browser.run("document.activeElement.select()")
        for letter in "31.5":
            browser.press(letter)
        press(browser, "Enter", f"{ID} === '001'")
        assert labels(boxes_folder)["000"].xywh[0] == (31.5, 30.0, 60.0, 60.0)


@pytest.mark.parametrize("removed", ["row", "editor"])
@pytest.mark.parametrize("kind", ["boxes", "polygons"])
def test_a_field_that_is_gone_reports_late(browser, tmp_path, kind, removed):
    outlines = Polygons((corners((20.25, 30.0, 60.0, 60.0)), corners((5.0, 5.0, 10.0, 10.0))))
    folder = write(tmp_path, kind, [(boxes() if kind == "boxes" else outlines, None)])
    with serving(folder) as address:
        visit(browser, address)
        press(browser, "e", f"{EDITING} && document.querySelectorAll('.numbers tbody tr').length === 2")
        browser.run("window.gone = document.querySelector('.numbers tbody tr')")
        browser.run("window.more = document.querySelector('#editor > button')")
        browser.run("gone.querySelector('input, button').focus()")
        if removed == "row":
            browser.run("gone.querySelector('[aria-label^=Remove]').click()")
        else:
            press(browser, "Escape", f"!({EDITING})")
            browser.run("more.click()")
        browser.run(
            "gone.querySelectorAll('input').forEach(field => { field.value = 7; for (const name of "
            "['focus', 'input', 'change', 'blur']) field.dispatchEvent(new Event(name)); })"
        )
        browser.run("gone.querySelectorAll('button').forEach(button => button.click())")
        browser.run("new Promise(done => setTimeout(done, 1200))")  # the annotator looks again after a second
        left = {"row": 1, "editor": 0}[removed]
        assert browser.run("document.querySelectorAll('.numbers tbody tr').length") == left
        press(browser, "Escape", f"!({EDITING})")


def test_boxes_are_moved_drawn_and_removed_with_the_mouse(browser, boxes_folder):
    with serving(boxes_folder) as address:
        visit(browser, address)
        press(browser, "e", f"{EDITING} && document.querySelectorAll('.a9s-annotation').length === 2")
        left, top, scale = json.loads(
            browser.run(
                "(() => { const r = document.querySelector('.frame img').getBoundingClientRect(); "
                "return JSON.stringify([r.x, r.y, r.width / 200]); })()"
            )
        )

        def drag(start: tuple[float, float], end: tuple[float, float]) -> None:
            browser.drag(*((left + x * scale, top + y * scale) for x, y in (start, end)))

        drag((50, 60), (60, 70))  # the first box as a whole
        drag((90.25, 100), (100.25, 120))  # its lower right corner
        seen(browser, "boxes_edit")
        drag((10, 110), (40, 140))  # a new one
        browser.wait("document.querySelectorAll('.numbers tbody tr').length === 3")
        press(browser, "Enter", f"{ID} === '001'")
        moved, kept, drawn = labels(boxes_folder)["000"].xywh
        assert kept == boxes().xywh[1], "a box that nobody touched keeps its numbers"
        assert moved == pytest.approx((30.25, 40, 70, 80), abs=1)
        assert drawn == pytest.approx((10, 110, 30, 30), abs=1)
        press(browser, "k", f"document.querySelector('#show').value === 'undecided' && {ID} === '001'")
        browser.run("document.querySelector('#show').value = 'edit'")
        browser.run("document.querySelector('#show').dispatchEvent(new Event('change'))")
        at(browser, "000")
        press(browser, "e", f"{EDITING} && document.querySelectorAll('.a9s-annotation').length === 3")
        browser.run("document.querySelectorAll('.numbers tbody tr')[2].querySelector('input').focus()")
        browser.run("document.activeElement.blur()")
        press(browser, "Delete", "document.querySelectorAll('.numbers tbody tr').length === 2")
        press(browser, "Enter", f"!({EDITING})")
        assert labels(boxes_folder)["000"] == Boxes((moved, kept))


def test_outlines_are_shown_moved_drawn_and_removed(browser, tmp_path):
    square, triangle = corners((20.25, 30.0, 60.0, 60.0)), ((120.5, 20.0), (160.0, 20.0), (140.0, 60.0))
    given = Polygons((square, triangle), (corners((5.0, 5.0, 10.0, 10.0)),))
    folder = write(tmp_path, "polygons", [(given, Polygons((square,))), (given, None)])
    with serving(folder) as address:
        visit(browser, address)
        drawn = "[...document.querySelectorAll('polygon.gold')].map(e => e.getAttribute('points'))"
        assert browser.run(drawn)[1] == "120.5,20 160,20 140,60"
        assert browser.run("document.querySelectorAll('polygon.stated').length") == 1
        press(browser, "e", f"{EDITING} && document.querySelectorAll('.numbers tbody tr').length === 2")
        left, top, scale = json.loads(
            browser.run(
                "(() => { const r = document.querySelector('.frame img').getBoundingClientRect(); "
                "return JSON.stringify([r.x, r.y, r.width / 200]); })()"
            )
        )

        def drag(start: tuple[float, float], end: tuple[float, float]) -> None:
            browser.drag(*((left + x * scale, top + y * scale) for x, y in (start, end)))

        browser.click(left + 50 * scale, top + 60 * scale)
        browser.wait("document.querySelectorAll('tr.chosen').length === 1")
        drag((50, 60), (60, 70))  # the square as a whole
        seen(browser, "outlines_edit")
        browser.run("document.querySelector('#editor > button').click()")
        browser.wait("document.querySelectorAll('.numbers tbody tr').length === 3")
        press(browser, "Enter", f"{ID} === '001'")
        moved, kept, added = labels(folder)["000"].outlines
        assert labels(folder)["000"].ignored == given.ignored
        assert kept == triangle, "an outline that nobody touched keeps its numbers"
        for point, before in zip(moved, square, strict=True):
            assert point == pytest.approx((before[0] + 10, before[1] + 10), abs=1)
        assert added == corners((50.0, 37.5, 100.0, 75.0))
        press(browser, "e", f"{EDITING} && document.querySelectorAll('.numbers tbody tr').length === 2")
        for x, y in ((10, 120), (40, 120), (40, 145), (10, 120)):
            browser.click(left + x * scale, top + y * scale)
        browser.wait("document.querySelectorAll('.numbers tbody tr').length === 3")
        browser.run("document.querySelectorAll('.numbers tbody tr')[1].querySelectorAll('button')[1].click()")
        browser.wait("document.querySelectorAll('.numbers tbody tr').length === 2")
        press(browser, "Enter", f"{STATUS}.includes('Everything is decided')")
        first, new = labels(folder)["001"].outlines
        assert first == square and len(new) == 3
        assert new[2] == pytest.approx((40, 145), abs=1)


def test_sliders_keep_the_sum(browser, shares_folder):
    with serving(shares_folder) as address:
        visit(browser, address)
        press(browser, "e", f"{EDITING} && document.activeElement.type === 'range'")
        browser.press("Tab")
        browser.press("Tab")
        browser.press("Tab")
        assert browser.run("document.activeElement.ariaLabel") == HOSTILE
        for _ in range(30):
            browser.press("ArrowRight")
        seen(browser, "shares_edit")
        shown = browser.run(
            "[...document.querySelectorAll('.share input[type=number]')].map(f => f.value).join()"
        )
        assert shown == "70,30,0"
        press(browser, "Enter", f"{ID} === '001'")
        assert labels(shares_folder)["000"].probs == pytest.approx((0.7, 0.3, 0.0))
        press(browser, "e", EDITING)
        browser.run("document.querySelectorAll('.share button')[1].click()")
        press(browser, "Enter", f"{STATUS}.includes('Everything is decided')")
        assert labels(shares_folder)["001"].probs == (0.0, 1.0, 0.0)


def test_a_kind_without_an_editor_of_its_own_is_edited_as_json(browser, tmp_path, monkeypatch):
    monkeypatch.setitem(KINDS, "word", WordKind())
    folder = write(tmp_path, "word", [(Word("crane"), Word(HOSTILE))])
    with serving(folder) as address:
        visit(browser, address)
        assert browser.run("[...document.querySelectorAll('.texts dd')].map(e => e.textContent)") == [
            "crane",
            HOSTILE,
        ]
        press(browser, "e", f"{EDITING} && document.activeElement.matches('#editor textarea')")
        browser.run("document.activeElement.value = '[\"stork\"'")
        browser.run("document.querySelector('#save').click()")
        browser.wait(f"{PROBLEM}.startsWith('This is not JSON')")
        browser.run("document.querySelector('#editor textarea').value = '[\"stork\"]'")
        browser.run("document.querySelector('#save').click()")
        browser.wait(f"{STATUS}.includes('edited')")
        assert labels(folder) == {"000": Word("stork")}


def test_two_tabs_do_not_lose_each_others_decisions(browser, boxes_folder):
    with serving(boxes_folder) as address:
        visit(browser, address)
        first = browser.new_tab()
        visit(browser, address)
        press(browser, "s", f"{ID} === '001'")
        second = browser.turn_to(first)
        assert browser.run(ID) == "000"
        press(browser, "a", f"{PROBLEM}.includes('decided elsewhere')")
        assert "skipped" in browser.run(PROBLEM) and "not saved" in browser.run(PROBLEM)
        assert saved(boxes_folder)["000"].action == "skip"
        press(browser, "a", f"{ID} === '001'")
        press(browser, "s", f"{ID} === '002'")
        browser.turn_to(second)
        press(browser, "u", f"{PROBLEM}.includes('decided elsewhere')")
        assert {uid: d.action for uid, d in saved(boxes_folder).items()} == {"000": "accept", "001": "skip"}
        browser.turn_to(first)
        browser.close_tab(second)
        forgive(browser, 409)


def test_a_reload_shows_the_same_item_with_its_decision_and_note(browser, boxes_folder):
    with serving(boxes_folder) as address:
        visit(browser, address)
        browser.run("document.querySelector('#show').value = 'all'")
        browser.run("document.querySelector('#show').dispatchEvent(new Event('change'))")
        browser.wait("location.search.includes('show=all')")
        press(browser, "j", f"{ID} === '001'")
        browser.press("n")
        browser.press("x")
        press(browser, "Escape", "sessionStorage.length")
        browser.open(browser.run("location.href"))
        at(browser, "001")
        assert browser.run("document.querySelector('#note').value") == "x"
        press(browser, "s", f"{ID} === '002'")
        press(browser, "k", f"{ID} === '001'")
        browser.open(browser.run("location.href"))
        at(browser, "001")
        assert browser.run("document.querySelector('.told .state').textContent") == "skipped"
        assert saved(boxes_folder)["001"].note == "x"
        browser.press("n")
        browser.press("y")
        press(browser, "Escape", f"{STATUS} === 'The note is saved.'")
        assert saved(boxes_folder)["001"].note in ("xy", "yx") and saved(boxes_folder)["001"].action == "skip"


def test_a_note_is_saved_before_what_follows_it(browser, boxes_folder):
    """The keys come faster than the server answers."""
    with serving(boxes_folder) as address:
        visit(browser, address)
        browser.run("document.querySelector('#show').value = 'all'")
        browser.run("document.querySelector('#show').dispatchEvent(new Event('change'))")
        browser.wait("location.search.includes('show=all')")
        press(browser, "a", f"{ID} === '001'")
        press(browser, "k", f"{ID} === '000'")
        for key in ("n", "x", "Escape", "m"):
            browser.press(key)
        at(browser, "001")
        assert (saved(boxes_folder)["000"].action, saved(boxes_folder)["000"].note) == ("model", "x")
        press(browser, "k", f"{ID} === '000'")
        for key in ("n", "y", "Escape", "j"):
            browser.press(key)
        at(browser, "001")
        time.sleep(0.3)
        at(browser, "001")  # the answer about the note does not lead back
        assert saved(boxes_folder)["000"].note in ("xy", "yx")
        press(browser, "k", f"{ID} === '000'")
        press(browser, "e", EDITING)
        browser.run("document.querySelector('#note').value = 'of the edit'")
        browser.run("document.querySelector('#note').dispatchEvent(new Event('change'))")
        press(browser, "Escape", f"!({EDITING})")
        assert browser.run("document.querySelector('#note').value") == "of the edit"


def test_hostile_texts_are_text_and_nothing_else_is_asked_of_the_network(browser, shares_folder):
    with serving(shares_folder) as address:
        visit(browser, address)
        assert browser.run("document.querySelector('.think').textContent") == COT
        assert browser.run("document.querySelectorAll('.shares th[scope=row]')[1].textContent") == HOSTILE
        assert HOSTILE in browser.run("document.querySelector('ul.why').textContent")
        assert browser.run("document.querySelector('h1').textContent") == "A <b>queue"
        assert browser.run("document.querySelectorAll('main script, main b, main img').length") == 1
        requests = [
            e["params"]["request"]["url"]
            for e in browser.events
            if e.get("method") == "Network.requestWillBeSent"
        ]
        assert len(requests) > 8 and all(url.startswith(address.partition("?")[0]) for url in requests)


def test_the_list_shows_a_page_at_a_time(browser, tmp_path):
    folder = write(tmp_path, "boxes", [(boxes(), boxes(1))] * 120)
    with serving(folder) as address:
        visit(browser, address)
        browser.run("document.querySelector('#list').open = true")
        browser.wait("document.querySelectorAll('#rows li').length === 50")
        browser.run("document.querySelector('#later').click()")
        browser.wait("document.querySelector('#range').textContent === '51–100 of 120'")
        browser.run("document.querySelectorAll('#rows button')[9].click()")
        at(browser, "059")
        browser.press("/")
        for letter in "11":
            browser.press(letter)
        press(browser, "Escape", f"{ID} === '011'")
        assert browser.run("document.querySelector('#place').textContent") == "1 of 11"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("folder", ["boxes_folder", "shares_folder"])
def test_a_phone_needs_no_sideways_scrolling_and_every_text_can_be_read(browser, request, folder, dark):
    browser.screen(390, 844, dark=dark)
    with serving(request.getfixturevalue(folder)) as address:
        visit(browser, address)
        for name in ("", "_edit"):
            if name:
                press(browser, "e", EDITING)
            seen(browser, f"phone_{folder.partition('_')[0]}{name}{'_dark' if dark else ''}")
            assert too_wide(browser) == unreadable(browser) == "[]"
            buttons = "[...document.querySelectorAll('.actions:not([hidden]) button')]"
            inside = "r.left >= 0 && r.right <= 390 && r.bottom <= innerHeight"
            assert browser.run(f"{buttons}.map(b => b.getBoundingClientRect()).every(r => {inside})")
        background = browser.run("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, background[4:-1].split(", "))) < 200) == dark
        browser.press("Escape")
        press(browser, "?", "document.querySelector('#help').open")
        keys = "[...document.querySelectorAll('#help kbd')].every(key => key.getClientRects().length)"
        assert browser.run(keys) and too_wide(browser) == unreadable(browser) == "[]"


def test_every_control_has_a_name(browser, boxes_folder):
    with serving(boxes_folder) as address:
        visit(browser, address)
        for handles in (
            0,
            5,
        ):  # Annotorious leaves the handles of a box unnamed; the fields beside do the same
            tree = browser.send("Accessibility.getFullAXTree")["nodes"]
            controls = {
                "button",
                "textbox",
                "searchbox",
                "combobox",
                "spinbutton",
                "slider",
                "image",
                "progressbar",
            }
            nodes = [node for node in tree if not node["ignored"] and node["role"]["value"] in controls]
            unnamed = [node for node in nodes if not node["name"]["value"]]
            assert len(nodes) > 10 and len(unnamed) == handles
            press(browser, "e", f"{EDITING} && document.querySelector('tr.chosen')")
        browser.press("Escape")


def test_the_page_of_a_review_that_ended_says_so(running, boxes_folder):
    running.screen(1280, 900)
    with serving(boxes_folder) as address:
        running.open(address.partition("?")[0])
        visit(running, address)
        running.send("Network.clearBrowserCookies")
        press(running, "a", f"{PROBLEM}.includes('has ended')")
        running.open(address.partition("?")[0])
        assert "holds the token" in running.run("document.body.textContent")
    assert not (boxes_folder / "decisions.csv").exists()
