"""The site as files: complete without JavaScript, safe, small, the same from any number of processes."""

import csv
import json
import re
import unicodedata
from html.parser import HTMLParser
from pathlib import Path

import pytest

from rise_bench.annotations.base import Gold
from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.annotations.value.values import Value
from rise_bench.catalog.benchmarks import get_benchmark, texts_may_be_shown
from rise_bench.errors import ConfigError
from rise_bench.leaderboards.submissions.reasons import Reason
from rise_bench.leaderboards.verification.gold_board import BoardSettings
from rise_bench.leaderboards.web.build import build_site
from rise_bench.leaderboards.web.data import _truth

from .conftest import MODELS

HOSTILE_NAME = "<img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """Elements of a page, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data + " "


def pages(site: Path) -> list[Path]:
    found = sorted(site.glob("*.html"))
    models = {model.casefold() for _, model, *_ in MODELS}
    assert len(found) == 10 + len(models)
    return found


def test_pages_hold_no_script_or_style_of_their_own_and_forbid_any(site: Path):
    for path in pages(site):
        page = Page(path)
        policy = next(
            a["content"] for t, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"
        )
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        for tag, attributes in page.elements:
            assert tag not in {"style", "iframe", "object", "embed", "form", "base"}
            assert tag != "script" or attributes["src"] in {"site.js", "samples.js"}
            assert not any(name == "style" or name.startswith("on") for name in attributes), (path, tag)


def test_no_script_of_the_site_makes_markup_of_text():
    folder = Path(__file__).parents[2] / "leaderboards" / "web" / "static"
    for path in folder.glob("*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc|DOMParser",
            path.read_text(),
        ), path


def test_links_and_files_of_every_page_exist(site: Path):
    for path in pages(site):
        for _, attributes in Page(path).elements:
            for name in ("href", "src"):
                link = attributes.get(name)
                if link and not link.startswith(("#", "http")):
                    target = site / re.split(r"[?#]", link)[0]
                    assert target.is_file(), f"{path.name}: {link}"
                if link and link.startswith("samples.html?run="):
                    assert (site / "runs" / f"{link.partition('=')[2]}.json").is_file()


def test_the_main_table_is_readable_without_javascript(site: Path):
    text = " ".join(Page(site / "emotion6-full.html").text.split())
    for part in (
        "RISE 2B",
        "run 1 of 2",
        "Visual-RFT 2B",
        "zero-shot",
        "Uniform baseline",
        "recomputed",
        "reproduced",
        "Not ranked:",
        "To RISE",
        "p < 0.01",
    ):
        assert part in text, part


def test_a_board_without_a_pinned_rise_has_no_empty_column(site: Path):
    page = Page(site / "emotion6-4-shot.html")
    assert "To RISE" not in page.text
    assert not [a for tag, a in page.elements if tag in ("th", "td") and a.get("class") == "rise"]
    for path in pages(site):
        html = path.read_text()
        for table in re.findall(r"<table.*?</table>", html, re.DOTALL):
            columns = table.partition("</thead>")[0].count("<th ")
            for row in re.findall(r"<tr[^>]*>(.*?)</tr>", table.partition("<tbody")[2], re.DOTALL):
                wide = re.search(r'colspan="(\d+)"', row)
                assert (int(wide[1]) if wide else row.count("<td")) == columns


def test_hostile_names_are_text(site: Path):
    page = Page(site / "emotion6-full.html")
    assert HOSTILE_NAME in page.text
    assert "<b>bold</b>" in page.text
    assert not [attributes for tag, attributes in page.elements if tag in {"img", "b"}]


def test_first_page_is_small(site: Path):
    first = ("index.html", "site.css", "site.js", "icon.svg")
    assert sum((site / name).stat().st_size for name in first) < 300_000


def test_images_are_shown_only_where_they_may_be(site: Path):
    emotion6 = json.loads((site / "gold" / "emotion6.json").read_text())
    assert not any("image" in sample for sample in emotion6["samples"].values())
    assert [path.name for path in (site / "images").iterdir()] == ["coco_sub"]
    coco = json.loads((site / "gold" / "coco_sub.json").read_text())
    assert all((site / sample["image"]).is_file() for sample in coco["samples"].values())
    assert all(sample["license"] for sample in coco["samples"].values())


def test_a_truth_without_a_drawing_is_a_text_and_an_empty_picture_has_no_outline():
    for annotation, expected in (
        (Value("3"), {"gold": {}, "text": "3"}),
        (Boxes(()), {"gold": {"outlines": []}}),
        (Distribution(("x", "y"), (0.25, 0.75)), {"gold": {"shares": [0.25, 0.75]}}),
    ):
        assert _truth(Gold("a", annotation, 10, 10), shown=True) == expected
    assert _truth(Gold("a", Value("3"), 10, 10), shown=False) == {"gold": {}}
    assert not texts_may_be_shown(get_benchmark("structure")) and texts_may_be_shown(get_benchmark("moods"))


def test_a_run_holds_what_the_sample_view_shows(site: Path, results):
    run = json.loads((site / "runs" / "mallory--emotion6-5.json").read_text())
    assert len(run["samples"]) == len(results.boards["emotion6"].golds)
    bad = run["samples"][0]
    assert bad["reason"] == "no_class_numbers"
    assert "<script>" in bad["think"]
    good = run["samples"][1]
    assert {"id", "score", "similarity", "think", "answer", "stated"} == set(good)
    assert "metrics" not in run["run"], "claims are not shown"


def test_the_site_is_the_same_from_one_and_from_two_processes(results, tmp_path: Path, site: Path):
    build_site(results.root, results.settings, results.boards, tmp_path / "two", workers=2)
    names = sorted(path.relative_to(site) for path in site.rglob("*") if path.is_file())
    assert names == sorted(
        p.relative_to(tmp_path / "two") for p in (tmp_path / "two").rglob("*") if p.is_file()
    )
    for name in names:
        assert (site / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_hidden_submissions_are_gone_from_every_file(results, tmp_path: Path):
    hidden = {f"submissions/mallory/{name}-5": "spam" for name in ("emotion6", "coco-sub")}
    settings = results.settings.model_copy(update={"hidden": hidden})
    build_site(results.root, settings, results.boards, tmp_path / "site", workers=1)
    for path in (tmp_path / "site").rglob("*"):
        assert "mallory" not in path.name
        assert path.is_dir() or path.suffix in {".jpg"} or "mallory" not in path.read_text("utf-8")


def test_a_refused_submission_is_not_shown_and_a_held_one_only_when_a_person_accepted_it(
    results, tmp_path: Path, monkeypatch
):
    from rise_bench.leaderboards.ranking.entries import load_entries
    from rise_bench.leaderboards.verification import verifier

    held = [Reason("too_good", "looks like the truth", "hold")]
    monkeypatch.setattr(
        verifier, "perfection", lambda spec, scores, golds, **_: held if spec.name == "emotion6" else []
    )
    entries, refused = load_entries(results.root, results.settings, results.boards, workers=1)
    assert len(entries) == len(refused) == 6
    assert {reason.code for r in refused for reason in r.reasons} == {"too_good"}

    import shutil

    copy = tmp_path / "results"
    shutil.copytree(results.root, copy)
    outcome = verifier.verify(
        (copy / refused[0].path / "submission.json").read_bytes(),
        (copy / refused[0].path / "samples.jsonl").read_bytes(),
        results.boards,
        path=refused[0].path,
    )
    report = copy / "reports" / (refused[0].path.partition("/")[2] + ".json")
    report.parent.mkdir(parents=True)
    report.write_text(json.dumps(outcome.to_json() | {"decision": "accept"}))
    entries, refused = load_entries(copy, results.settings, results.boards, workers=1)
    assert (len(entries), len(refused)) == (7, 5)
    (copy / entries[-1].path / "samples.jsonl").write_bytes(b"edited on main\n")
    assert len(load_entries(copy, results.settings, results.boards, workers=1)[1]) == 6


BEFORE = (
    "",
    " ",
    "\t",
    "\r",
    "\n",
    "\u00a0",
    "\u3000",
    "\ufeff",
    "\u200b",
    "\u202e",
    "\x00",
    "x;",
    "x; ",
    "x,",
    "x|",
)
FORMULAS = [
    *(f"{before}{sign}cmd|' /C calc'!A0" for sign in "=+-@＝＋－＠﹦﹢﹣﹫" for before in BEFORE),
    *(
        "x\t=1",
        "x\n=1",
        '=HYPERLINK("http://example.org?"&A1)',
        "＝１＋１",
        "-2+3+cmd",
        "@SUM(1+1)*cmd",
        "a;=1;b;+2",
    ),
]


def test_csv_and_json_can_be_read_and_run_no_formula(site: Path):
    rows = list(csv.DictReader((site / "leaderboard.csv").read_text().splitlines()))
    assert len(rows) == 5 * 2 + 2 * 2 + 1 * 2
    assert {row["board"] for row in rows} >= {"emotion6/4-shot", "coco_sub/full"}
    from rise_bench.leaderboards.web.build import _no_formula

    assert [_no_formula(t) for t in ("=1+1", "@x", "-2", "+3", "RISE")] == [
        "'=1+1",
        "'@x",
        "'-2",
        "'+3",
        "RISE",
    ]
    for text in FORMULAS:
        plain = _no_formula(text)
        for cell in re.split(r"[,;|\t\r\n\u2028]", plain):
            shown = unicodedata.normalize("NFKC", re.sub(r"[\s\x00-\x1f\u200b-\u206f\ufeff]", "", cell))
            assert not shown.startswith(("=", "+", "-", "@")), (text, plain)
        assert plain.replace("'", "") == text.replace("'", "")
    for text in ("Qwen2-VL", "a=b", "x + y", "anna@home", "C++", "SFT, 16-shot", "1-2", "a;b", ""):
        assert _no_formula(text) == text
    boards = json.loads((site / "leaderboard.json").read_text())["boards"]
    assert [len(board["rows"]) for board in boards] == [1, 2, 3, 1, 2, 3]
    assert [len(board["recomputed_rows"]) for board in boards] == [0, 0, 2, 0, 0, 2]
    ranks = [(row["tier"], row["rank"]) for row in rows if row["board"] == "emotion6/full"]
    assert ranks == [*(("reproduced", str(n)) for n in (1, 2, 3)), ("recomputed", ""), ("recomputed", "")]
    assert sorted(row["rank_of_all"] for row in rows if row["board"] == "emotion6/full") == list("12345")


def test_eval_results_are_what_the_hub_client_reads(results):
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    from rise_bench.leaderboards.ranking.entries import load_entries
    from rise_bench.leaderboards.ranking.export import eval_results

    entries, _ = load_entries(results.root, results.settings, results.boards, workers=1)
    files = eval_results(entries, results.boards, "https://example.org/board")
    assert "rise-bench/rise-2b/.eval_results/emotion6-full.yaml" in files
    assert len(files) == 10, "the better of two runs of a model is exported"
    for text in files.values():
        (found,) = yaml.safe_load(text)
        entry = EvalResultEntry(
            dataset_id=found["dataset"]["id"],
            task_id=found["dataset"]["task_id"],
            value=found["value"],
            date=found["date"],
            source_url=found["source"]["url"],
            source_name=found["source"]["name"],
            source_user=found["source"]["user"],
            notes=found["notes"],
        )
        assert eval_result_entries_to_yaml([entry]) == [found]


def test_an_empty_board_is_a_page_too(boards, tmp_path: Path):
    settings = BoardSettings(schema_version=1, benchmarks={name: b.pin for name, b in boards.items()})
    build_site(tmp_path, settings, boards, tmp_path / "site", workers=1)
    assert "No submission yet" in (tmp_path / "site" / "emotion6-4-shot.html").read_text()


def test_a_site_that_is_there_is_not_overwritten_unasked(results, site: Path):
    with pytest.raises(ConfigError, match="not empty"):
        build_site(results.root, results.settings, results.boards, site, workers=1)
