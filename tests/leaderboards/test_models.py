"""Models over all benchmarks: the overview, the page of a model, sizes, paging."""

from pathlib import Path

import pytest

from rise_bench.errors import ConfigError
from rise_bench.leaderboards.pack import _count
from rise_bench.leaderboards.ranking.entries import load_entries
from rise_bench.leaderboards.ranking.models import histories, in_overview
from rise_bench.leaderboards.ranking.tables import build_tables
from rise_bench.leaderboards.submissions.schema import Model
from rise_bench.leaderboards.web.pages import card_address
from rise_bench.leaderboards.web.plots import HistoryChart, SizeChart

from .test_site import Page


@pytest.fixture(scope="module")
def tables(results):
    entries, _ = load_entries(results.root, results.settings, results.boards, workers=1)
    return build_tables(results.settings, results.boards, entries)


def test_a_model_has_all_its_submissions_and_its_best_row_on_each_board(tables):
    by_id = {history.model.id: history for history in histories(tables)}
    rise = by_id["rise-bench/rise-2b"]
    assert [past.table.name for past in rise.past] == ["coco_sub/full", "emotion6/full"] * 2
    dates = [past.entry.submission.run.date for past in rise.past]
    assert dates == sorted(dates)
    ours = {table.name: [row for row in table.all_rows if row.entry.author == "rise"] for table in tables}
    assert rise.best == {name: rows[0] for name, rows in ours.items() if rows}
    assert rise.file == "model-rise-bench--rise-2b.html"
    assert by_id["mallory/x"].ranks == [], "recomputed only"


def test_the_overview_puts_models_ranked_on_more_boards_first(tables):
    order = [h.model.id for h in in_overview(histories(tables), ["emotion6/full", "coco_sub/full"])]
    assert order[0] == "rise-bench/rise-2b" and order[-1] == "mallory/x"
    assert "lab/sft-2b" not in order, "it is on boards of 16 shots only"


def test_better_scores_are_higher_up_and_larger_models_to_the_right(tables):
    for table in tables:
        cost = table.spec.ranking.cost
        points = SizeChart(table).points
        for a in points:
            assert a.row.entry.submission.model.parameters and 0 < a.x < 480 and 0 < a.y < 240
            for b in points:
                sizes = [point.row.entry.submission.model.parameters for point in (a, b)]
                assert (a.x < b.x) == (sizes[0] < sizes[1])
                if cost(a.row.entry.main.value) < cost(b.row.entry.main.value):
                    assert a.y <= b.y
    (rise,) = [h for h in histories(tables) if h.model.id == "rise-bench/rise-2b"]
    chart = HistoryChart([past for past in rise.past if past.table.name == "emotion6/full"])
    assert [point.x for point in chart.points] == sorted(point.x for point in chart.points)
    assert [text for _, text in chart.marks] == ["2026-02-01", "2026-02-02"]


def test_the_pages_of_models_link_to_card_board_and_samples(site: Path):
    overview = Page(site / "overview.html")
    links = {attributes.get("href") for tag, attributes in overview.elements if tag == "a"}
    assert {"model-rise-bench--rise-2b.html", "emotion6-full.html#rise--emotion6-0"} <= links
    assert "2.21B" in overview.text and "open weights, apache-2.0" in overview.text
    page = Page(site / "model-rise-bench--rise-2b.html")
    links = {attributes.get("href") for tag, attributes in page.elements if tag == "a"}
    assert f"https://huggingface.co/rise-bench/rise-2b/blob/{'a' * 40}/README.md" in links
    assert "https://huggingface.co/Qwen/Qwen2-VL-2B-Instruct" in links
    assert "emotion6-full.html#rise--emotion6-1" in links
    board = (site / "emotion6-full.html").read_text()
    assert 'class="chart"' in board and 'href="model-mallory--x.html">all runs' in board
    assert 'class="chart"' not in (site / "emotion6-4-shot.html").read_text(), "one size is no plot"


def test_sizes_are_written_and_read():
    assert [_count(text) for text in ("1.5T", "2.2B", "450M", "2_209_000_000", "", "7 k")] == [
        1_500_000_000_000,
        2_200_000_000,
        450_000_000,
        2_209_000_000,
        0,
        7_000,
    ]
    with pytest.raises(ConfigError, match="write it like 2.2B"):
        _count("two billion")
    sizes = {0: "", 950: "950", 2_000_000: "2M", 2_209_000_000: "2.21B", 72_700_000_000: "72.7B"}
    sizes |= {999_600_000: "1B", 1_040_000_000_000: "1.04T", 10**14: "100T", 999: "999"}
    models = [Model(id="a/b", revision="closed", name="b", parameters=count) for count in sizes]
    assert [model.size for model in models] == list(sizes.values())
    assert card_address(models[0]) == "" and not models[0].is_open
