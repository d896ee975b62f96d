"""Ranks, intervals and paired tests."""

import json
import random
import shutil
from dataclasses import replace

import numpy as np
import pytest

from rise_bench.leaderboards.ranking.entries import Entry, load_entries
from rise_bench.leaderboards.ranking.tables import Paired, build_tables, paired, table_json
from rise_bench.leaderboards.submissions.schema import Submission, write_submission
from rise_bench.leaderboards.web.build import build_site
from rise_bench.scoring.bootstrap import Interval
from rise_bench.scoring.scores import aggregate


@pytest.fixture(scope="module")
def entries(results):
    found, refused = load_entries(results.root, results.settings, results.boards, workers=1)
    assert refused == []
    return found


@pytest.fixture(scope="module")
def tables(results, entries):
    return {table.name: table for table in build_tables(results.settings, results.boards, entries)}


def test_every_benchmark_has_a_board_for_each_setting(tables):
    shots = ("4-shot", "16-shot", "full")
    assert list(tables) == [f"{name}/{s}" for name in ("emotion6", "coco_sub") for s in shots]


@pytest.mark.parametrize("name", ["emotion6", "coco_sub"])
def test_the_better_score_stands_first(tables, name):
    table = tables[f"{name}/full"]
    for rows in (table.rows, table.apart):
        values = [row.entry.main.value for row in rows]
        assert values == sorted(values, reverse=name == "coco_sub")
    assert [row.rank for row in table.rows] == [1, 2, 3]
    everything = sorted(table.all_rows, key=lambda row: row.rank_of_all)
    values = [row.entry.main.value for row in everything]
    assert values == sorted(values, reverse=name == "coco_sub")
    assert [row.rank_of_all for row in everything] == [1, 2, 3, 4, 5]


def test_only_what_nobody_could_copy_from_the_truth_is_ranked(tables):
    table = tables["emotion6/full"]
    assert {row.entry.tier for row in table.rows} == {"reproduced"}
    assert {row.entry.tier for row in table.apart} == {"recomputed"}
    assert [row.rank for row in table.apart] == [None, None]
    assert table.rows[0].above is None and table.apart[0].above is None, "each part begins anew"
    data = table_json(table)
    assert [row["tier"] for row in data["rows"]] == ["reproduced"] * 3
    assert [(row["rank"], row["rank_of_all"]) for row in data["recomputed_rows"]] == [
        (None, row.rank_of_all) for row in table.apart
    ]


@pytest.mark.parametrize(
    ("record", "tier"),
    [
        (None, "recomputed"),
        ({"agrees": True}, "reproduced"),
        ({"agrees": False}, "recomputed"),
        ({"agrees": "yes"}, "recomputed"),
        ({"agrees": True, "samples_sha256": "0" * 64}, "recomputed"),
        ([], "recomputed"),
    ],
)
def test_a_run_is_reproduced_when_a_record_of_these_samples_agrees(results, tmp_path, record, tier):
    folder = "submissions/mallory/emotion6-5"
    shutil.copytree(results.root / folder, tmp_path / folder)
    if record is not None:
        said = json.loads((tmp_path / folder / "submission.json").read_text())
        path = tmp_path / "reproductions/mallory/emotion6-5.json"
        path.parent.mkdir(parents=True)
        whole = {"samples_sha256": said["samples"]["sha256"]} | record if isinstance(record, dict) else record
        path.write_text(json.dumps(whole))
    (entry,), _ = load_entries(tmp_path, results.settings, results.boards, workers=1)
    assert (entry.tier, entry.ranked) == (tier, tier == "reproduced")


def test_public_truth_with_noise_is_accepted_and_not_ranked(results, boards, honest, tmp_path):
    """No threshold tells it from a good model; so whatever is only recomputed has no rank."""
    board, rng = boards["emotion6"], random.Random(0)
    noisy = {}
    for number, gold in enumerate(board.golds):
        probs = [round(max(0.0, p + rng.gauss(0, 0.06)), 3) for p in gold.annotation.probs]
        answer = json.dumps(dict(zip(gold.annotation.classes, probs, strict=True)))
        noisy[gold.id] = f"<think>I see cue {number} in it.</think><answer>{answer}</answer>"
    parts = honest(responses=noisy, id="mallory/oracle")
    said = Submission.model_validate(parts.submission)
    write_submission(tmp_path / "submissions/mallory/noise", said, parts.samples)
    for folder in ("submissions/rise/emotion6-0", "reproductions/rise"):
        shutil.copytree(results.root / folder, tmp_path / folder)
    entries, refused = load_entries(tmp_path, results.settings, results.boards, workers=1)
    assert refused == [] and len(entries) == 2, "nothing against it can be shown"
    (table,) = [t for t in build_tables(results.settings, boards, entries) if t.name == "emotion6/full"]
    assert [row.entry.author for row in table.rows] == ["rise"]
    assert [(row.entry.author, row.rank) for row in table.apart] == [("mallory", None)]


def test_rows_on_a_truth_that_is_not_public_are_ranked_and_give_no_answer_away(results, tmp_path):
    """Submissions name the published dataset; what they claim on its truth is not compared."""
    board = results.boards["emotion6"]
    pin = board.pin.model_copy(update={"published_sha256": "5" * 64})
    boards = {"emotion6": replace(board, pin=pin)}
    settings = results.settings.model_copy(update={"benchmarks": {"emotion6": pin}, "rise": {}})
    for i, published in enumerate((True, False)):
        folder = tmp_path / "results" / "submissions" / "mallory" / f"x{i}"
        shutil.copytree(results.root / "submissions/mallory/emotion6-5", folder)
        path = folder / "submission.json"
        said = json.loads(path.read_text())
        said["dataset"]["content_sha256"] = "5" * 64 if published else board.pin.content_sha256
        said["metrics"] = {"jsd": 0.1}
        path.write_text(json.dumps(said))
    built = build_site(tmp_path / "results", settings, boards, tmp_path / "site", workers=1)
    assert [(e.path, e.tier, e.ranked) for e in built.entries] == [
        ("submissions/mallory/x0", "hidden-split", True)
    ]
    assert [r.reasons[0].code for r in built.refused] == ["other_dataset"]
    assert not (tmp_path / "site" / "gold").exists()
    assert not (tmp_path / "site" / "runs").exists()
    page = (tmp_path / "site" / "emotion6-full.html").read_text()
    assert "hidden-split" in page and "samples.html?run=" not in page


def test_zero_shot_models_stand_on_every_board_and_trained_ones_on_their_own(tables):
    authors = {name: [row.entry.author for row in table.all_rows] for name, table in tables.items()}
    assert authors["emotion6/4-shot"] == ["qwen"]
    assert sorted(authors["emotion6/16-shot"]) == ["lab", "qwen"]
    assert sorted(authors["emotion6/full"]) == ["lab", "mallory", "qwen", "rise", "rise"]


def test_every_submission_of_a_model_is_shown_and_numbered_by_date(tables):
    runs = {r.entry.key: (r.run, r.runs) for r in tables["emotion6/full"].all_rows}
    assert runs["rise--emotion6-0"] == (1, 2)
    assert runs["rise--emotion6-1"] == (2, 2)
    assert runs["lab--emotion6-2"] == (1, 1)


def test_floors_are_lines_of_their_own(tables):
    assert {baseline.name for baseline in tables["emotion6/4-shot"].baselines} == {
        "uniform",
        "train_mean",
        "majority_class",
    }
    assert {baseline.name for baseline in tables["coco_sub/full"].baselines} == {"whole_image", "mean_box"}
    values = [baseline.main.value for baseline in tables["emotion6/4-shot"].baselines]
    assert values == sorted(values)


def test_intervals_are_those_of_rise_bench_score(results, entries):
    """One bootstrap for the board and for everyone at home: same seed, same resamples."""
    from rise_bench.leaderboards.ranking.entries import verify_folder

    for entry in entries:
        board = results.boards[entry.submission.benchmark]
        outcome = verify_folder(results.root, entry.path, results.boards)
        report = aggregate(board.spec, board.golds, outcome.scores, reference=board.reference)
        expected = report.metrics[board.spec.metric]
        assert [entry.main.value, entry.main.low, entry.main.high] == pytest.approx(
            [expected.value, expected.low, expected.high], abs=1e-12
        )


def test_rise_is_paired_with_everyone_but_itself(tables):
    for row in tables["emotion6/full"].all_rows:
        assert (row.rise is None) == (row.entry.key == tables["emotion6/full"].rise)
    assert all(row.rise is None for row in tables["emotion6/4-shot"].rows), "none is pinned there"


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

    from rise_bench.leaderboards.ranking.entries import verify_folder

    first, second = [e for e in entries if e.submission.benchmark == "emotion6"][:2]
    jsds = [
        [s.values["jsd"] for s in verify_folder(results.root, e.path, results.boards).scores]
        for e in (first, second)
    ]
    expected = ttest_rel(*jsds)
    found = paired(first, second)
    assert found.difference == pytest.approx(np.mean(jsds[0]) - np.mean(jsds[1]))
    assert found.p == pytest.approx(expected.pvalue, abs=0.06)


def test_a_bound_of_p_is_shown_as_a_bound():
    bounds = [Paired(0.1, p, is_bound=True) for p in (0.05, 1.0)]
    assert [(paired.text, paired.is_sure) for paired in bounds] == [("p ≤ 0.05", True), ("", False)]
    assert bounds[0].to_json() == {"difference": 0.1, "p_at_most": 0.05}
    exact = [Paired(0.1, p) for p in (0.004, 0.05, 0.049)]
    assert [(paired.text, paired.is_sure) for paired in exact] == [
        ("p < 0.01", True),
        ("p 0.05", False),
        ("p 0.05", True),
    ]
    assert exact[0].to_json() == {"difference": 0.1, "p": 0.004}


def test_a_board_pinned_by_version_0_1_0_is_found(results, entries):
    pinned = next(
        e for e in entries if e.submission.shots == "16-shot" and e.submission.benchmark == "emotion6"
    )
    written = results.settings.model_dump() | {"rise": {"emotion6/16": pinned.path}}
    settings = type(results.settings).model_validate(written)
    tables = {table.name: table for table in build_tables(settings, results.boards, entries)}
    assert tables["emotion6/16-shot"].rise == pinned.key
