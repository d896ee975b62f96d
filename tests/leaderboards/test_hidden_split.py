"""A test whose annotations only the board has: made, published, answered, scored, attacked."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rise_bench.annotations.kinds import render_gold
from rise_bench.cli import app
from rise_bench.data.check import check_dataset
from rise_bench.data.dataset import BenchmarkDataset, open_dataset
from rise_bench.errors import ConfigError, DataError
from rise_bench.hub.find import find_benchmark
from rise_bench.hub.publish import preview, publish
from rise_bench.leaderboards.moderation.results_repo import comment_text
from rise_bench.leaderboards.ranking.entries import load_entries, verify_folder
from rise_bench.leaderboards.ranking.tables import score_baselines
from rise_bench.leaderboards.submissions.schema import Submission, write_submission
from rise_bench.leaderboards.verification.gold_board import load_boards, load_gold, read_settings
from rise_bench.leaderboards.verification.suspicion import FREE_SUBMISSIONS
from rise_bench.leaderboards.web.build import build_site
from rise_bench.synthetic.rows import truth_of

from .conftest import honest_responses, make_parts

TESTS = {"moods": 21, "drawn_counting": 21, "drawn_changes": 8}


@dataclass(frozen=True)
class Hidden:
    """Private and public dataset of a benchmark."""

    private: BenchmarkDataset
    public: BenchmarkDataset


def leaderboard(*arguments: object) -> None:
    done = CliRunner().invoke(app, ["leaderboard", *map(str, arguments)])
    if isinstance(done.exception, Exception):
        raise done.exception
    assert done.exit_code == 0, done.output


def hide(dataset: object, root: Path, *more: object) -> Hidden:
    folders = root / "private", root / "public"
    leaderboard("hide", dataset, "--private", folders[0], "--public", folders[1], *more)
    return Hidden(*map(open_dataset, folders))


@pytest.fixture(scope="module")
def hidden(tmp_path_factory) -> dict[str, Hidden]:
    root = tmp_path_factory.mktemp("hidden")
    return {name: hide(name, root / name, "--train", 12, "--test", n) for name, n in TESTS.items()}


@pytest.fixture(scope="module")
def board(hidden, tmp_path_factory) -> Path:
    """A board of moods whose truth is hidden."""
    moods, results = hidden["moods"], tmp_path_factory.mktemp("board")
    leaderboard("init", results, "--data", moods.private.root, "--published", moods.public.root)
    return results


@pytest.fixture(scope="module")
def boards(board, hidden):
    return load_boards(read_settings(board), [hidden["moods"].private.root])


def send(board: Path, hidden: Hidden, name: str, responses: dict[str, str], author: str = "anna") -> None:
    """What `rise-bench submit` sends of a run on the public dataset; only that is known to its author."""
    parts = make_parts(load_gold(hidden.public), responses=responses, id=f"{author}/{name}")
    write_submission(
        board / "submissions" / author / name, Submission.model_validate(parts.submission), parts.samples
    )


def answers(dataset: BenchmarkDataset) -> dict[str, str]:
    """The annotations of the test rows, with a thought of its own each."""
    return {
        gold.id: f"<think>{gold.id} shows what it shows.</think><answer>{render_gold(gold)}</answer>"
        for gold in dataset.golds("test")
    }


def test_options_of_drawn_benchmarks_are_refused_with_a_folder(tmp_path):
    with pytest.raises(ConfigError, match="--train, --test and --seed are of drawn benchmarks"):
        hide(tmp_path, tmp_path / "out", "--seed", 0)


@pytest.mark.parametrize("name", TESTS)
def test_the_public_dataset_tells_nothing_of_the_test(hidden, name):
    private, public = hidden[name].private, hidden[name].public
    assert check_dataset(public.root) == [] and check_dataset(private.root) == []
    splits = [split for split in public.manifest.counts if split != "train"]
    sources = {row["id"]: row["source_id"] for row in private.rows_of(splits, columns=["id", "source_id"])}
    seeds = {source.split("-")[2] for source in sources.values()}
    assert len(seeds) == 1 and min(len(seed) for seed in seeds) > 30, "128 bits of seed"
    for path in public.root.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert not any(word.encode() in data for word in (*seeds, *sources.values())), path
    for split in splits:
        rows = list(public.rows(split))
        assert [row["id"] for row in rows] == sorted(sources.keys() & {row["id"] for row in rows})
        assert all(row["source_id"] == row["id"] for row in rows)
        golds = public.golds(split)
        assert len({repr(gold.annotation) for gold in golds}) == 1, "one constant answer"
        true = [gold.annotation for gold in private.golds(split)]
        assert len(set(map(repr, true))) > 2 and true != [gold.annotation for gold in golds]
        numbers = [int(sources[row["id"]].rpartition("-")[2]) for row in rows]
        assert sorted(numbers) == list(range(len(numbers))) != numbers, "the order does not tell the index"
    assert private.manifest.images_sha256 == public.manifest.images_sha256
    assert private.golds("train") == public.golds("train")
    with pytest.raises(DataError):
        truth_of(rows[0]["source_id"])
    assert all(truth_of(source) for source in sources.values()), "the board can explain its rows"


def test_two_boards_have_other_pictures(hidden, tmp_path):
    other = hide("moods", tmp_path, "--train", 12, "--test", 21).public
    images = [set(d.manifest.images_sha256.values()) for d in (other, hidden["moods"].public)]
    assert len(images[0] & images[1]) == 12, "training pictures are the same, test pictures are not"


def test_a_dataset_of_ones_own_is_hidden_too(datasets, tmp_path):
    given = open_dataset(datasets["coco_sub"])
    pair = hide(given.root, tmp_path)
    own, truth, false = given.golds("test"), pair.private.golds("test"), pair.public.golds("test")
    assert sorted(repr(gold.annotation) for gold in own) == sorted(repr(gold.annotation) for gold in truth)
    assert [gold.category for gold in truth] == [gold.category for gold in false]
    assert [gold.annotation for gold in truth] != [gold.annotation for gold in false]
    assert not {gold.id for gold in own} & {gold.id for gold in truth}
    with pytest.raises(ConfigError, match="made by this command already"):
        hide(pair.public.root, tmp_path / "again")


def test_a_model_is_scored_by_the_truth_and_a_copy_of_the_public_annotations_is_not(
    hidden, board, boards, tmp_path
):
    pair = hidden["moods"]
    send(board, pair, "model", honest_responses(boards["moods"], 3, 0.2))
    send(board, pair, "copy", answers(pair.public), "mallory")
    outcome = verify_folder(board, "submissions/anna/model", boards)
    assert (outcome.decision, outcome.to_json()["tier"], outcome.reasons) == ("accept", "hidden-split", ())
    assert all(value == round(value, 3) for value in outcome.to_json()["recomputed"].values())
    assert outcome.to_json()["claimed"]["jsd"] != outcome.metrics["jsd"], "claims do not count"
    assert "that only this board has (" in comment_text(outcome, "1" * 40)
    copy = verify_folder(board, "submissions/mallory/copy", boards)
    assert [reason.code for reason in copy.reasons] == ["constant"], "placeholders are one answer"
    site = tmp_path / "site"
    built = build_site(board, read_settings(board), boards, site, workers=1)
    (entry,) = built.entries
    assert (entry.tier, entry.ranked, entry.main.value) == ("hidden-split", True, outcome.metrics["jsd"])
    assert not (site / "gold").exists() and not (site / "runs").exists() and not (site / "images").exists()
    texts = "".join(path.read_text() for path in site.rglob("*") if path.suffix in (".html", ".json", ".csv"))
    assert "hidden-test" not in texts, "no id of a test row"
    assert "hidden-split" in (site / "moods-full.html").read_text()


def test_noise_around_the_truth_needs_the_truth(hidden, board, boards):
    """What puts a submission on top of a public board is refused or bad here: its author has placeholders."""
    pair = hidden["moods"]
    noisy = honest_responses(load_gold(pair.public), 5, 0.05)
    send(board, pair, "noise", noisy, "mallory")
    outcome = verify_folder(board, "submissions/mallory/noise", boards)
    constants = [baseline.main.value for baseline in score_baselines(boards["moods"], resamples=1)]
    assert outcome.metrics["jsd"] > 0.8 * min(constants), "no better than a constant"


def test_an_account_cannot_ask_for_one_score_after_the_other(hidden, board, boards, tmp_path):
    pair = hidden["moods"]
    (tmp_path / "board.json").symlink_to(board / "board.json")
    for number in range(FREE_SUBMISSIONS + 2):
        send(tmp_path, pair, f"try{number}", honest_responses(boards["moods"], 10 + number, 0.4), "eve")
    send(tmp_path, pair, "first", honest_responses(boards["moods"], 40, 0.4), "anna")
    entries, refused = load_entries(tmp_path, read_settings(board), boards, workers=1)
    assert sorted(entry.author for entry in entries) == ["anna", *["eve"] * FREE_SUBMISSIONS]
    assert [[reason.code for reason in r.reasons] for r in refused] == [["many_submissions"]] * 2
    held = verify_folder(tmp_path, f"submissions/eve/try{FREE_SUBMISSIONS}", boards)
    assert (
        held.to_json()["recomputed"] and not replace(held, reasons=refused[0].reasons).to_json()["recomputed"]
    )


def test_a_board_needs_both_datasets_and_the_right_ones(hidden, board, tmp_path):
    moods, counting = hidden["moods"], hidden["drawn_counting"]
    both = ("--data", moods.private.root, "--published", moods.public.root)
    for wrong, message in (
        (("--data", moods.private.root), "is private; give the public dataset"),
        (("--data", moods.public.root), "has no test annotations"),
        (("--data", moods.private.root, "--published", moods.private.root), "is not the public dataset"),
        (
            (*both, "--published", counting.public.root),
            "--published has drawn_counting",
        ),
    ):
        with pytest.raises(ConfigError, match=message):
            leaderboard("init", tmp_path / "new", *wrong)
    with pytest.raises(DataError, match="is the published dataset, without the test annotations"):
        load_boards(read_settings(board), [moods.public.root])


def test_further_tests_of_a_dataset_are_hidden_as_well(hidden, tmp_path, monkeypatch):
    pair = hidden["drawn_counting"]
    (tmp_path / "drawn_counting").symlink_to(pair.private.root)
    monkeypatch.setenv("RISE_BENCH_DATA", str(tmp_path))
    names = ("drawn_counting", "drawn_counting_ood")
    given = [part for name in names for part in ("--data", name)]
    leaderboard("init", tmp_path / "board", *given, "--published", pair.public.root)
    settings = read_settings(tmp_path / "board")
    assert all(pin.hidden for pin in settings.benchmarks.values())
    loaded = load_boards(settings, ())
    assert {name: len(loaded[name].golds) for name in names} == dict.fromkeys(names, 21)
    public = pair.public.part("drawn_counting_ood", "ood")
    assert settings.benchmarks["drawn_counting_ood"].asked_sha256 == public.sha256


def test_placeholders_are_announced_and_the_truth_is_not_published(hidden, caplog):
    moods = hidden["moods"]
    find_benchmark(moods.public.root)
    assert "its test annotations are placeholders" in caplog.text
    card = (moods.public.root / "README.md").read_text()
    assert "The annotations of the test rows are placeholders" in card and "## Baselines" not in card
    assert "PRIVATE" in (moods.private.root / "README.md").read_text()
    assert moods.public.manifest.is_withheld and moods.private.manifest.is_private
    for send in (publish, preview):
        with pytest.raises(ConfigError, match="holds the test annotations of a leaderboard"):
            send(moods.private.root, "anna/truth")
