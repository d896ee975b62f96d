"""The board on a Hub: send, verify, merge or refuse, build, look. Real clients, a loopback server."""

import json
import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rise_bench.annotations.kinds import render_gold
from rise_bench.cli import app
from rise_bench.data.hub_client import hub_api
from rise_bench.data.hub_files import commit_of, fetch_file, list_files
from rise_bench.errors import PrerequisiteError
from rise_bench.hub.push import Outgoing, push
from rise_bench.leaderboards.moderation import batch as judge
from rise_bench.leaderboards.moderation import results_repo as hub_board
from rise_bench.leaderboards.submissions.samples import MAX_SAMPLES_BYTES
from rise_bench.leaderboards.submissions.schema import Submission, write_submission
from rise_bench.leaderboards.verification.gold_board import BOARD_NAME, BoardSettings, GoldBoard

from ..support.chromium import find_chromium, launch
from ..support.minihub import Minihub

REPO = "rise/rise-results"
ALICE, BOB, MALLORY = "hf_alice", "hf_bob", "hf_mallory"
HOSTILE_NAME = "<script>alert(1)</script>"

Run = Callable[..., "tuple[int, str]"]


@pytest.fixture
def board(alice: Minihub, boards: dict[str, GoldBoard]) -> Minihub:
    """A results dataset that pins both benchmarks, kept by alice."""
    settings = BoardSettings(schema_version=1, benchmarks={name: b.pin for name, b in boards.items()})
    push(REPO, [Outgoing.of(BOARD_NAME, settings.model_dump_json().encode())], title="The board")
    return alice


@pytest.fixture
def run(datasets: dict[str, Path]) -> Run:
    """`rise-bench leaderboard …` with the datasets at hand: (exit code, output)."""

    def call(*arguments: str) -> tuple[int, str]:
        data = [part for folder in datasets.values() for part in ("--data", str(folder))]
        done = CliRunner().invoke(app, ["leaderboard", *arguments, "--results", REPO, *data])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.output

    return call


def send(parts, author: str, name: str = "x") -> int:
    said = Submission.model_validate(parts.submission)
    pushed = hub_board.send(REPO, author, name, said, parts.samples)
    return int(pushed.pull_request.rsplit("/", 1)[-1])


def status(number: int) -> str:
    return hub_api().get_discussion_details(REPO, number, repo_type="dataset").status


def comments(number: int) -> str:
    details = hub_api().get_discussion_details(REPO, number, repo_type="dataset")
    return "\n".join(event.content for event in details.events if event.type == "comment")


def main_files() -> set[str]:
    return set(list_files(REPO, commit_of(REPO)))


def test_a_snapshot_that_somebody_may_be_reading_is_kept(tmp_path):
    for name, days in (("new", 1), ("old", 8)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - days * 86_400,) * 2)
    hub_board._remove_old(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_from_pull_request_to_a_page_in_the_browser(board, honest, run, sign_in, tmp_path):
    sign_in(BOB)
    first = send(honest(), "bob")
    sign_in(MALLORY)
    hostile = honest(seed=2)
    sample = min(hostile.responses)
    hostile.responses[sample] = f"<think>{HOSTILE_NAME}</think><answer>{HOSTILE_NAME}</answer>"
    hostile = honest(responses=hostile.responses, id="mallory/model", name=HOSTILE_NAME)
    second = send(hostile, "mallory")

    sign_in(ALICE)
    code, output = run("verify", "open", "--apply", "--out", str(tmp_path / "reports"))
    assert (code, status(first), status(second)) == (0, "closed", "closed"), output
    assert {"submissions/bob/x/samples.jsonl", "reports/bob/x.json"} <= main_files()
    report = json.loads(fetch_file(REPO, "reports/bob/x.json", commit_of(REPO)).read_bytes())
    assert (report["decision"], report["path"]) == ("accept", "submissions/bob/x")
    assert json.loads((tmp_path / "reports" / "bob" / "x.json").read_bytes()) == report

    code, output = run("build", "--out", str(tmp_path / "site"), "--workers", "1")
    assert code == 0, output
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium: install the package chromium")
    _look(chromium, tmp_path / "site")


def _look(chromium: str, site: Path) -> None:
    import functools
    import http.server
    import threading

    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(site))
    handler.func.log_message = lambda *args: None  # type: ignore[method-assign]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with launch(chromium) as browser:
        browser.open(f"http://127.0.0.1:{server.server_port}/emotion6-full.html")
        names = "[...document.querySelectorAll('tbody a.name')].map(a => a.textContent).join('|')"
        before = browser.run(names).split("|")
        assert sorted(before) == [HOSTILE_NAME, "Tiny VL"]
        browser.run("document.querySelector('th.model button').click()")
        assert browser.run(names).split("|") == [HOSTILE_NAME, "Tiny VL"]
        browser.run("document.querySelector('a.name').click()")
        browser.wait("document.querySelectorAll('.sample').length")
        assert browser.run("document.querySelector('h1').textContent") == HOSTILE_NAME
        assert browser.run("document.querySelector('.think').textContent") == HOSTILE_NAME
        assert browser.run("document.querySelectorAll('main script').length") == 0
        assert browser.complaints() == []
    server.shutdown()


def test_the_same_submission_is_sent_once(board, honest, sign_in):
    sign_in(BOB)
    assert send(honest(), "bob") == send(honest(), "bob")


def test_a_refused_request_is_closed_with_every_reason_and_main_is_untouched(board, honest, run, sign_in):
    sign_in(BOB)
    parts = honest()
    parts.submission["metrics"]["jsd"] = 0.001
    number = send(parts, "bob")
    before = main_files()
    sign_in(ALICE)
    code, output = run("verify", str(number), "--apply")
    assert (code, status(number)) == (4, "closed")
    assert "claim_differs" in output
    assert "claimed as 0.001" in comments(number)
    assert main_files() == before


def test_someone_elses_folder_is_known_by_the_hub_not_by_the_file(board, honest, run, sign_in):
    sign_in(MALLORY)
    parts = honest()
    parts.submission["run"]["by"] = "bob"
    number = send(parts, "bob")
    sign_in(ALICE)
    code, output = run("verify", str(number))
    assert code == 4
    assert "foreign_folder" in output
    assert "opened by mallory" in output
    assert status(number) == "open", "without --apply nothing is changed"


def test_a_huge_file_is_refused_by_its_size_and_never_downloaded(board, honest, run, sign_in):
    sign_in(MALLORY)
    parts = honest()
    parts.samples = b"x" * (MAX_SAMPLES_BYTES + 1)
    files = [
        Outgoing.of("submissions/mallory/x/submission.json", parts.submission_json),
        Outgoing.of("submissions/mallory/x/samples.jsonl", parts.samples),
    ]
    number = int(push(REPO, files, title="big", create_pr=True).pull_request.rsplit("/", 1)[-1])
    sign_in(ALICE)
    board.log.clear()
    code, output = run("verify", str(number))
    assert code == 4
    assert "too_large" in output
    assert board.requests("GET", "mallory") == []


def test_other_files_in_the_request_are_refused(board, honest, run, sign_in):
    sign_in(MALLORY)
    files = [
        Outgoing.of("submissions/mallory/x/submission.json", honest().submission_json),
        Outgoing.of("submissions/mallory/x/samples.jsonl", honest().samples),
        Outgoing.of("rise-results.py", b"import os"),
        Outgoing.of(BOARD_NAME, b"{}"),
    ]
    number = int(push(REPO, files, title="more", create_pr=True).pull_request.rsplit("/", 1)[-1])
    sign_in(ALICE)
    code, output = run("verify", str(number))
    assert code == 4
    assert "edits_files" in output
    assert "extra_files" in output


def test_a_request_that_changes_while_it_is_verified_is_not_merged(board, honest, boards, sign_in):
    sign_in(BOB)
    number = send(honest(), "bob")
    main = hub_board.fetch_main(REPO)
    pull, outcome = judge.verify_pull_request(REPO, number, boards, main)
    assert outcome.decision == "accept"
    hub_api().upload_file(
        path_or_fileobj=b"evil",
        path_in_repo="submissions/bob/x/samples.jsonl",
        repo_id=REPO,
        repo_type="dataset",
        revision=f"refs/pr/{number}",
    )
    sign_in(ALICE)
    with pytest.raises(PrerequisiteError, match="changed while it was verified"):
        hub_board.conclude(REPO, pull, outcome, main.commit)
    assert status(number) == "open"


def change(number: int, path: str, data: bytes) -> None:
    """Commit to a pull request."""
    hub_api().upload_file(
        path_or_fileobj=data,
        path_in_repo=path,
        repo_id=REPO,
        repo_type="dataset",
        revision=f"refs/pr/{number}",
    )


LATE = {
    "submissions/bob/x/samples.jsonl": b"other samples",
    "submissions/bob/x/model.pkl": pickle.dumps({}),
    "submissions/alice/y/samples.jsonl": b"in a folder of someone else",
    "reports/bob/x.json": b'{"decision": "accept"}',
    BOARD_NAME: b"{}",
}


@pytest.mark.parametrize("after", ["head was read", "main was committed"])
def test_a_push_between_the_check_and_the_merge_does_not_reach_main(
    board, honest, run, sign_in, monkeypatch, after
):
    sign_in(BOB)
    parts = honest()
    number = send(parts, "bob")
    sign_in(ALICE)
    name = {"head was read": "push", "main was committed": "comment_text"}[after]
    real = getattr(hub_board, name)

    def late(*arguments, **options):
        for path, data in LATE.items():
            change(number, path, data)
        return real(*arguments, **options)

    monkeypatch.setattr(hub_board, name, late)
    before = board.files(REPO)
    code, output = run("verify", str(number), "--apply")
    assert (code, status(number)) == (0, "closed"), output
    new = {p: d for p, d in board.files(REPO).items() if before.get(p) != d}
    report = new.pop("reports/bob/x.json")
    assert json.loads(report)["decision"] == "accept"
    assert json.loads(new["submissions/bob/x/submission.json"]) == json.loads(
        Submission.model_validate(parts.submission).model_dump_json()
    )
    assert new.pop("submissions/bob/x/samples.jsonl") == parts.samples
    assert list(new) == ["submissions/bob/x/submission.json"]
    assert commit_of(REPO) in comments(number)
    assert board.requests("POST", "/merge") == [], "the Hub's merge takes whatever is there"


def test_nothing_is_accepted_when_main_has_moved_since_the_comparison(board, honest, boards, sign_in):
    """Two maintainers at once: else two copies, each compared with a main without the other, both get in."""
    sign_in(BOB)
    number = send(honest(), "bob")
    sign_in(ALICE)
    main = hub_board.fetch_main(REPO)
    pull, outcome = judge.verify_pull_request(REPO, number, boards, main)
    push(REPO, [Outgoing.of("reports/other.json", b"{}")], title="Somebody else's commit")
    before = main_files()
    with pytest.raises(PrerequisiteError, match="moved from"):
        hub_board.conclude(REPO, pull, outcome, main.commit)
    assert (status(number), main_files()) == ("open", before)
    main = hub_board.fetch_main(REPO)
    hub_board.conclude(REPO, *judge.verify_pull_request(REPO, number, boards, main), main.commit)
    assert status(number) == "closed"


def test_a_kill_between_the_commit_and_the_closing_is_made_good(board, honest, run, sign_in):
    sign_in(BOB)
    number = send(honest(), "bob")
    sign_in(ALICE)
    board.spoil("POST", f"discussions/{number}/status", status=403)
    with pytest.raises(PrerequisiteError):
        run("verify", str(number), "--apply")
    commit = commit_of(REPO)
    assert status(number) == "open"
    assert run("verify", "open", "--apply")[0] == 0
    assert (status(number), commit_of(REPO)) == ("closed", commit)
    assert comments(number).count("Accepted") == 1


def test_a_file_that_is_not_what_was_verified_is_not_committed(board, honest, boards, sign_in):
    sign_in(BOB)
    number = send(honest(), "bob")
    sign_in(ALICE)
    main = hub_board.fetch_main(REPO)
    pull, outcome = judge.verify_pull_request(REPO, number, boards, main)
    cached = fetch_file(REPO, "submissions/bob/x/samples.jsonl", pull.head).resolve()
    cached.write_bytes(b"spoilt in the cache")
    with pytest.raises(PrerequisiteError, match="differs from what was verified"):
        hub_board.conclude(REPO, pull, outcome, main.commit)
    assert commit_of(REPO) == main.commit


def test_commits_of_others_to_a_request_are_seen_by_a_person(board, honest, run, sign_in):
    sign_in(MALLORY)
    number = send(honest(), "mallory")
    sign_in(BOB)
    change(number, "submissions/mallory/x/samples.jsonl", honest(seed=2).samples)
    sign_in(ALICE)
    code, output = run("verify", str(number))
    assert code == 4
    assert "hold foreign_commits: bob committed to the request of mallory" in output


def test_a_copy_of_what_is_on_main_is_refused_though_main_has_moved_on(board, honest, run, sign_in):
    original = honest()
    sign_in(MALLORY)
    copied = {key: text.replace("There is", "Here is") for key, text in original.responses.items()}
    number = send(honest(responses=copied, id="mallory/own"), "mallory")
    sign_in(BOB)
    first = send(original, "bob")
    sign_in(ALICE)
    assert run("verify", str(first), "--apply")[0] == 0
    code, output = run("verify", str(number), "--apply")
    assert code == 4
    assert "of the CoTs are those of submissions/bob/x" in output


def test_a_held_submission_waits_for_a_person_who_says_why(board, boards, honest, run, sign_in, tmp_path):
    sign_in(BOB)
    exact = {
        gold.id: f"<think>Cue {i} says it.</think><answer>{render_gold(gold)}</answer>"
        for i, gold in enumerate(boards["emotion6"].golds)
    }
    number = send(honest(responses=exact), "bob")
    sign_in(ALICE)
    code, _ = run("verify", str(number), "--apply")
    assert (code, status(number)) == (3, "open")
    assert "Held" in comments(number)
    run("verify", "open", "--apply")
    assert comments(number).count("Held") == 1, "an hourly run says it once"
    decided = ("--decide", "accept", "--why", "an oracle, for the demo")
    assert run("verify", str(number), "--apply", *decided)[0] == 0
    assert status(number) == "closed"
    assert run("build", "--out", str(tmp_path / "site"), "--workers", "1")[0] == 0
    assert "Tiny VL" in (tmp_path / "site" / "emotion6-full.html").read_text()


def test_the_commit_that_added_a_submission_is_found(board, honest, run, sign_in):
    sign_in(BOB)
    number = send(honest(), "bob")
    sign_in(ALICE)
    run("verify", str(number), "--apply")
    added = commit_of(REPO)
    push(REPO, [Outgoing.of("reports/other.json", b"{}")], title="A later commit")
    assert hub_board.commit_that_added(REPO, "submissions/bob/x") == added


def test_a_request_that_cannot_be_read_does_not_block_the_others(board, honest, run, sign_in):
    sign_in(MALLORY)
    broken = send(honest(seed=3), "mallory")
    sign_in(BOB)
    good = send(honest(), "bob")
    sign_in(ALICE)
    board.spoil("GET", rf"discussions/{broken}\b", times=9, status=404)
    with pytest.raises(PrerequisiteError, match=f"pull request {broken}: "):
        run("verify", "open", "--apply")
    assert status(good) == "closed"


def test_the_truth_comes_from_the_hub_at_the_pinned_commit(board, honest, datasets, sign_in, tmp_path):
    """Main of the dataset has moved on since; the board still scores against what it pins."""
    name, folder = "rise-bench/rise-emotion6", datasets["emotion6"]
    files = [Outgoing.of(str(path.relative_to(folder)), path) for path in folder.rglob("*") if path.is_file()]
    commit = push(name, files, title="Emotion6").commit
    push(name, [Outgoing.of("manifest.json", b"{}")], title="A later version")
    results = tmp_path / "results"
    runner = CliRunner()
    arguments = [
        "leaderboard",
        "init",
        str(results),
        "--data",
        str(folder),
        "--revision",
        f"emotion6={commit}",
    ]
    assert runner.invoke(app, arguments).exit_code == 0
    parts = honest()
    said = Submission.model_validate(parts.submission)
    write_submission(tmp_path / "mine", said, parts.samples)
    done = runner.invoke(app, ["leaderboard", "verify", str(tmp_path / "mine"), "--results", str(results)])
    assert (done.exit_code, done.output) == (0, "accept: mine\n")
