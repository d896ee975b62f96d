"""Ranks, intervals and paired tests."""

import numpy as np
import pytest

from rise_bench.bootstrap import Interval
from rise_bench.leaderboards.entries import Entry, load_entries
from rise_bench.leaderboards.ranking import build_tables, paired
from rise_bench.scoring import aggregate
from rise_bench.submission import Submission


@pytest.fixture(scope="module")
def entries(results):
    found, refused = load_entries(results.root, results.settings, results.boards, workers=1)
    assert refused == []
    return found


@pytest.fixture(scope="module")
def tables(results, entries):
    return {table.name: table for table in build_tables(results.settings, results.boards, entries)}


def test_every_benchmark_has_a_board_for_each_setting(tables):
    shots = ("4", "16", "full")
    assert list(tables) == [f"{name}/{s}" for name in ("emotion6", "coco_sub") for s in shots]


@pytest.mark.parametrize("name", ["emotion6", "coco_sub"])
def test_the_better_score_stands_first(tables, name):
    values = [row.entry.main.value for row in tables[f"{name}/full"].rows]
    assert values == sorted(values, reverse=name == "coco_sub")
    assert [row.rank for row in tables[f"{name}/full"].rows] == [1, 2, 3, 4, 5]


def test_zero_shot_models_stand_on_every_board_and_trained_ones_on_their_own(tables):
    authors = {name: [row.entry.author for row in table.rows] for name, table in tables.items()}
    assert authors["emotion6/4"] == ["qwen"]
    assert sorted(authors["emotion6/16"]) == ["lab", "qwen"]
    assert sorted(authors["emotion6/full"]) == ["lab", "mallory", "qwen", "rise", "rise"]


def test_every_submission_of_a_model_is_shown_and_numbered_by_date(tables):
    runs = {r.entry.key: (r.run, r.runs) for r in tables["emotion6/full"].rows}
    assert runs["rise--emotion6-0"] == (1, 2)
    assert runs["rise--emotion6-1"] == (2, 2)
    assert runs["lab--emotion6-2"] == (1, 1)


def test_floors_are_lines_of_their_own(tables):
    assert {floor.name for floor in tables["emotion6/4"].floors} == {
        "uniform",
        "train_mean",
        "majority_class",
    }
    assert {floor.name for floor in tables["coco_sub/full"].floors} == {"whole_image", "mean_box"}
    values = [floor.main.value for floor in tables["emotion6/4"].floors]
    assert values == sorted(values)


def test_intervals_are_those_of_rise_bench_score(results, entries):
    """One bootstrap for the board and for everyone at home: same seed, same resamples."""
    from rise_bench.leaderboards.entries import verify_folder

    for entry in entries:
        board = results.boards[entry.submission.benchmark]
        outcome = verify_folder(results.root, entry.path, results.boards)
        report = aggregate(board.spec, board.golds, outcome.scores, reference=board.reference)
        expected = report.metrics[board.spec.metric]
        assert [entry.main.value, entry.main.low, entry.main.high] == pytest.approx(
            [expected.value, expected.low, expected.high], abs=1e-12
        )


def test_rise_is_paired_with_everyone_but_itself(tables):
    for row in tables["emotion6/full"].rows:
        assert (row.rise is None) == (row.entry.key == tables["emotion6/full"].rise)
    assert all(row.rise is None for row in tables["emotion6/4"].rows), "none is pinned there"


def made_up(values) -> Entry:
    resampled = np.asarray(values, dtype=np.float64)
    submission = Submission.model_construct()
    return Entry(
        "submissions/a/b",
        submission,
        "recomputed",
        {},
        Interval(float(resampled.mean()), 0, 1),
        resampled,
        {},
    )


def test_paired_p_of_a_clear_of_no_and_of_a_doubtful_difference():
    rng = np.random.default_rng(0)
    common = rng.normal(0, 10, 1000)
    better = made_up(common + 1.0)
    assert paired(better, made_up(common)).p == pytest.approx(2 / 1001), "pairing removes what both share"
    assert paired(better, better).p == 1.0
    doubtful = paired(made_up(common), made_up(common + rng.normal(0.5, 1, 1000)))
    assert 0.3 < doubtful.p < 0.9


def test_paired_differences_agree_with_a_t_test_on_the_samples(results, entries):
    from scipy.stats import ttest_rel

    from rise_bench.leaderboards.entries import verify_folder

    first, second = [e for e in entries if e.submission.benchmark == "emotion6"][:2]
    jsds = [
        [s.jsd for s in verify_folder(results.root, e.path, results.boards).scores] for e in (first, second)
    ]
    expected = ttest_rel(*jsds)
    found = paired(first, second)
    assert found.difference == pytest.approx(np.mean(jsds[0]) - np.mean(jsds[1]))
    assert found.p == pytest.approx(expected.pvalue, abs=0.06)
