"""The HTML report shows what the run folder holds, and nothing in it can break or leave the page."""

import base64
import csv
import io
import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.leak_rule import Secrets
from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.cli import app
from rise_bench.cot.rollout_log import Rollout, latest_rollouts
from rise_bench.cot.row_log import RowLog
from rise_bench.data.build_plan import SourcePlan, SourceRow
from rise_bench.data.writer import write_dataset
from rise_bench.errors import DataError
from rise_bench.rendering.line_chart import legend, line_chart, nice_ticks
from rise_bench.reports.rollout_cards import choose, mark_leaks
from rise_bench.reports.run_report import PANELS, read_metrics, render_report, write_report
from rise_bench.trainers import rise_cot
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.recipe_loader import load_config

VOID = {"meta", "img", "br"}


class Balanced(HTMLParser):
    """Fails on a tag that is not closed, and gathers what a page could load from elsewhere."""

    def __init__(self, page):
        super().__init__()
        self.open, self.links, self.tags = [], [], []
        self.feed(page)
        assert self.open == [], self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [
            v for k, v in attrs if k in ("src", "href") and not v.startswith("data:image/jpeg;base64,")
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):  # SVG's <line/>
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def row(**changes):
    return {
        "id": "lisa/a",
        "step": 0,
        "group": 0,
        "cot": "A round thing stands out.",
        "reconstruction": "<answer>[[100, 250, 200, 500]]</answer>",
        "reward": 0.5,
        "similarity": 0.5,
        "leak_numbers": False,
        "leak_strict": False,
        "format_ok": True,
        "reason": "ok",
    } | changes


@pytest.fixture
def boxes_run(tmp_path):
    """A run on one image of 200 x 100 pixels whose box is (20, 30, 40, 50)."""
    spec = get_benchmark("lisa")
    file = tmp_path / "a.png"
    Image.new("RGB", (200, 100), "teal").save(file)
    truth = Boxes(((20.0, 30.0, 40.0, 50.0),))
    rows = [SourceRow("lisa/a", "a", file, truth, question="What is <round>?")]
    plan = SourcePlan(spec, train=rows, test=[], shortfalls=["one image"])
    write_dataset(plan, tmp_path / "data", workers=1, allow_partial=True)
    overrides = [f"data.benchmark={tmp_path / 'data'}", f"run.output_dir={tmp_path / 'run'}"]
    return RunFolder.create(load_config("lisa/rise_cot", overrides))


def test_a_real_run_gives_one_page_that_loads_nothing(make_config, toy):
    config = make_config()
    run = RunFolder.create(config)
    rise_cot.train(config, run)
    page = write_report(run.path).read_text()
    parsed = Balanced(page)
    assert [link.partition(",")[0] for link in parsed.links] == ["data:text/csv;charset=utf-8;base64"]
    assert "script" not in parsed.tags
    assert parsed.tags.count("article") == 4  # the rollouts of the last step
    drawn = set(re.findall(r"<figcaption><b>(.+?)</b>", page))
    assert {panel.title for panel in PANELS} - drawn == {
        "Token accuracy",
        "Reward of eq. 1",
    }  # SFT; other views
    reward = [r["reward"] for r in read_metrics(run.path) if "reward" in r]
    assert f"<b>{reward[0]:.3g}</b> to <b>{reward[-1]:.3g}</b>" in page
    for gold in toy.golds:
        if f"<h3>{gold.id}," in page:
            assert f'alt="{gold.id}"' in page


def test_boxes_are_drawn_in_pixels_of_the_image_whatever_unit_the_model_writes(boxes_run):
    RowLog(boxes_run.rollouts_dir, 0, attempt="1").append([row()])
    page = render_report(boxes_run.path)
    Balanced(page)
    layer = (
        r'<svg class="overlay {}" viewBox="0 0 200 100"[^>]*>'
        r'<polygon points="{}"/></svg>'
    )
    assert re.search(layer.format("gold", "20.0,30.0 60.0,30.0 60.0,80.0 20.0,80.0"), page)
    assert re.search(
        layer.format("stated", "20.0,25.0 60.0,25.0 60.0,75.0 20.0,75.0"), page
    )  # thousandths -> pixels
    assert "What is &lt;round&gt;?" in page


def test_truth_and_statement_differ_in_more_than_red_and_green(boxes_run):
    """In light and in dark mode, and the words beside them name what is seen."""
    RowLog(boxes_run.rollouts_dir, 0, attempt="1").append([row()])
    page = render_report(boxes_run.path)
    assert "truth (blue, solid)" in page and "answer (orange, dashed)" in page
    pairs = re.findall(r"--truth: #(\w{6}); --stated: #(\w{6})", page)
    assert len(pairs) == 2
    for truth, stated in pairs:
        assert int(truth[4:], 16) - int(stated[4:], 16) > 100, "blue apart from orange"


def test_the_pair_of_colours_is_that_of_the_board(root):
    css = [
        root / "rise_bench" / "rendering" / "templates" / "report.css",
        root / "leaderboards" / "web" / "static" / "site.css",
    ]
    pairs = [
        [re.findall(rf"--{name}: (#\w{{6}})", path.read_text())[:2] for name in names]
        for path, names in zip(css, (("truth", "stated"), ("gold", "stated")), strict=True)
    ]
    assert pairs[0] == pairs[1] and len(pairs[0][0]) == 2


def test_a_report_says_when_and_how_long_and_holds_its_numbers(boxes_run):
    boxes_run.log("grpo", 1, {"reward": 0.5})
    boxes_run.log("grpo", 2, {"reward": 0.75, "loss": float("nan")})
    page = render_report(boxes_run.path)
    assert re.search(r"<dt>Started</dt><dd>20\d\d-\d\d-\d\dT", page)
    assert re.search(r"<dt>Duration</dt><dd>[\d.]+ min from the first start", page)
    address = re.search(r'href="data:text/csv;charset=utf-8;base64,([^"]+)" download="metrics.csv"', page)[1]
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(address).decode())))
    assert [(row["step"], row["reward"]) for row in rows] == [("1", "0.5"), ("2", "0.75")]
    assert list(rows[0])[:3] == ["phase", "step", "time"]


@pytest.mark.parametrize("field", ["id", "cot", "reconstruction", "reason"])
def test_text_of_a_model_cannot_become_markup(boxes_run, field):
    attack = '</pre><script>alert("x")</script><img src=http://evil.example onerror=x>'
    RowLog(boxes_run.rollouts_dir, 0, attempt="1").append([row(**{field: attack})])
    parsed = Balanced(render_report(boxes_run.path))
    assert "script" not in parsed.tags and parsed.links == []


def test_a_response_of_think_answer_training_is_shown_whole(boxes_run):
    response = "<think>It is round.</think><answer>[[100, 250, 200, 500]]</answer>"
    shown = {k: v for k, v in row(response=response).items() if k not in ("cot", "reconstruction")}
    RowLog(boxes_run.rollouts_dir, 0, attempt="1").append([shown])
    page = render_report(boxes_run.path)
    assert "&lt;think&gt;It is round.&lt;/think&gt;" in page and 'class="overlay stated"' in page


def test_a_resumed_run_shows_each_step_once_and_passes_torn_lines(boxes_run):
    boxes_run.log("grpo", 1, {"reward": 0.1})
    with (boxes_run.path / "metrics.jsonl").open("a") as file:
        file.write('{"phase": "grpo", "step": 2, "rew')
    boxes_run.log("grpo", 1, {"reward": 0.7})
    assert [(r["step"], r["reward"]) for r in read_metrics(boxes_run.path)] == [(1, 0.7)]
    RowLog(boxes_run.rollouts_dir, 0, attempt="1").append([row(reward=0.1), row(step=1, reward=0.2)])
    RowLog(boxes_run.rollouts_dir, 0, attempt="2").append([row(step=1, reward=0.9)])
    assert [(r.step, r.reward) for r in latest_rollouts([boxes_run.path / "rollouts"])] == [
        (0, 0.1),
        (1, 0.9),
    ]


def test_without_the_dataset_the_texts_are_shown_and_the_page_says_why(boxes_run, tmp_path):
    (tmp_path / "data" / "manifest.json").unlink()
    RowLog(boxes_run.rollouts_dir, 0, attempt="1").append([row()])
    page = render_report(boxes_run.path)
    Balanced(page)
    assert "Without images:" in page and "A round thing stands out." in page and "<img" not in page


def test_the_samples_span_best_to_worst_of_the_last_steps():
    rollouts = [Rollout("a", step, 0, i / 9) for step in range(20) for i in range(10)]
    chosen = choose(rollouts, 5)
    assert [r.reward for r in chosen] == sorted((r.reward for r in chosen), reverse=True)
    assert (chosen[0].reward, chosen[-1].reward) == (1, 0) and {r.step for r in chosen} <= {18, 19}
    assert choose(rollouts, 0) == [] and len(choose(rollouts[:3], 5)) == 3


def test_leaks_are_marked_where_they_are(boxes_run):
    pieces = mark_leaks("About 40% <joy> is here", Secrets(("joy", "fear")))
    assert [text for text, _ in pieces] == ["About ", "40%", " <", "joy", "> is here"]
    assert [bool(reason) for _, reason in pieces] == [False, True, False, True, False]
    RowLog(boxes_run.rollouts_dir, 0, attempt="1").append([row(cot="<b>It is</b> 40% of it")])
    page = render_report(boxes_run.path)
    assert re.search(r'&lt;b&gt;It is&lt;/b&gt; <mark title="[^"]+">40%</mark> of it', page)


def test_a_line_goes_through_its_points():
    drawn = line_chart({"a": [(0, 0.0), (10, 1.0), (20, float("nan"))]}, low=0, high=1)
    (points,) = re.findall(r'<polyline class="line s0" points="([^"]+)"', drawn)
    assert points == "52.0,174.0 230.0,10.0"
    assert "<title>a, step 10: 1</title>" in drawn
    assert "no values" in line_chart({"a": [(0, float("nan"))]})


def test_many_points_have_their_average_in_front_and_the_legend_says_means():
    """A first step is one draw: the curve of a noisy reward that rises must not read as one that falls."""
    noisy = [(step, step / 100 + (0.5 if step == 0 else -0.5 if step == 39 else 0)) for step in range(40)]
    pale, mean = re.findall(r'<polyline class="line s0( pale)?" points="', line_chart({"a": noisy}))
    assert (pale, mean) == (" pale", "")
    assert "a: <b>0.14</b> to <b>0.25</b>" in legend({"a": noisy})
    assert "<b>" not in legend({"a": [(0, float("nan"))]})


finite = st.floats(-1e6, 1e6)


@given(finite, finite)
def test_ticks_cover_the_data_with_few_round_numbers(a, b):
    low, high = min(a, b), max(a, b)
    ticks = nice_ticks(low, high)
    slack = (ticks[-1] - ticks[0]) * 1e-6
    assert ticks[0] <= low + slack and ticks[-1] >= high - slack
    assert 2 <= len(ticks) <= 7 and ticks == sorted(set(ticks))


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no config\.yaml"):
        render_report(tmp_path)


def test_command_prints_the_path_or_json(boxes_run):
    boxes_run.log("grpo", 1, {"reward": 0.25})
    shown = CliRunner().invoke(app, ["report", str(boxes_run.path)])
    assert shown.exit_code == 0 and shown.stdout.strip() == str(boxes_run.path / "report.html")
    shown = CliRunner().invoke(app, ["report", str(boxes_run.path), "--json"])
    assert json.loads(shown.stdout)["last"]["grpo"]["reward"] == 0.25
