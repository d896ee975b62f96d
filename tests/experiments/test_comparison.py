"""The comparison's table: its cells stand under its headings, on every kind of benchmark."""

import pytest

from rise_bench.evaluation.score_run import score_baselines
from rise_bench.experiments.comparison import Row, cells, headings

from ..support.drawn_data import write_drawn


@pytest.mark.parametrize(("benchmark", "win_rate"), [("moods", True), ("kinds", True), ("scenes", False)])
def test_cells_stand_under_their_headings(benchmark, win_rate, tmp_path):
    dataset = write_drawn(tmp_path / benchmark, benchmark, train=8, test=4)
    metric = dataset.spec.metric
    report = next(iter(score_baselines(dataset, resamples=0).values()))
    row = Row("RISE", report, "rise", false_statements=0.25, statements=6.0, minutes=2.0)
    shown = dict(zip(headings(metric), cells(row, metric), strict=True))
    assert shown["method"] == "RISE"
    assert shown["false statements per CoT"] == "0.25 of 6.0"
    assert shown["minutes"] == "2.0"
    assert ("win-rate against RISE" in shown) == win_rate
