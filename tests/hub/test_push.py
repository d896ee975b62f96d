"""`hub_push` against the real client: conflicts, failures, reruns, rights."""

import hashlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from rise_bench.data.hub_client import hub_errors, redact
from rise_bench.data.hub_files import RemoteFile, commit_of, list_files
from rise_bench.errors import ConfigError, PrerequisiteError
from rise_bench.hub.push import Outgoing, compare, push

from ..support.minihub import Minihub

REPO = "rise/set"
SHARD = b"PAR1" + bytes(range(256)) * 400


def outgoing(**contents: bytes) -> list[Outgoing]:
    return [Outgoing.of(path.replace("__", "/"), data) for path, data in contents.items()]


def version(text: str = "one", shards: int = 2) -> list[Outgoing]:
    """A small dataset: a card and shards whose bytes differ."""
    files = [Outgoing.of("README.md", f"---\nlicense: mit\n---\n{text}\n".encode())]
    return files + [Outgoing.of(f"data/{n}.parquet", SHARD + f"{text}{n}".encode()) for n in range(shards)]


def send(files: list[Outgoing], **options: object):
    return push(REPO, files, title="Publish", owned=("data/.*",), **options)  # type: ignore[arg-type]


def test_push_makes_the_repository_and_one_commit_with_every_file(alice: Minihub) -> None:
    files = version()
    pushed = send(files)
    assert pushed.commit == commit_of(REPO) == alice.history(REPO)[0].oid
    assert [c.title for c in alice.history(REPO)] == ["Publish", "initial commit"]
    assert alice.files(REPO) == {f.path: f.source for f in files}
    assert pushed.sent == tuple(f.path for f in files)


def test_rerun_sends_nothing(alice: Minihub) -> None:
    first = send(version())
    alice.log.clear()
    again = send(version())
    assert again.commit == first.commit
    assert again.sent == ()
    assert alice.requests("PUT", ".") == alice.requests("POST", "commit|preupload|batch") == []


def test_new_version_sends_what_changed_and_deletes_leftovers(alice: Minihub, tmp_path: Path) -> None:
    send([*version(shards=3), *outgoing(NOTES_md=b"kept: not ours")])
    files = version(shards=3)[:-1]
    path = tmp_path / "0.parquet"
    path.write_bytes(b"PAR1 new bytes")
    files[1] = Outgoing.of("data/0.parquet", path)
    assert [f.path for f in compare(REPO, files, owned=("data/.*",)).send] == ["data/0.parquet"]
    pushed = send(files)
    assert pushed.sent == ("data/0.parquet",)
    assert pushed.deleted == ("data/2.parquet",)
    assert set(alice.files(REPO)) == {"README.md", "data/0.parquet", "data/1.parquet", "NOTES_md"}
    assert alice.files(REPO)["data/0.parquet"] == b"PAR1 new bytes"


@pytest.mark.parametrize("status", [409, 412, 429, 500, 502, 503, 504])
def test_push_goes_on_after_a_refused_commit(alice: Minihub, status: int) -> None:
    send([])
    alice.spoil("POST", "/commit/", status=status, times=3)
    send(version())
    assert set(alice.files(REPO)) == {"README.md", "data/0.parquet", "data/1.parquet"}
    assert len(alice.requests("PUT", "/lfs/")) == 2, "each shard travels once, however often the commit fails"


def test_push_goes_on_after_a_page_in_place_of_a_reply(alice: Minihub) -> None:
    """A gateway answers in HTML, also where the client reads JSON before it looks at the status."""
    send([])
    alice.spoil("POST", "/validate-yaml", status=503, times=2)
    send(version())
    assert "README.md" in alice.files(REPO)


def test_commit_whose_answer_is_lost_is_not_made_twice(alice: Minihub) -> None:
    alice.spoil("POST", "/commit/", lose_answer=True)
    pushed = send(version())
    assert [c.title for c in alice.history(REPO)] == ["Publish", "initial commit"]
    assert pushed.commit == alice.history(REPO)[0].oid


def test_upload_cut_in_the_middle_is_sent_again(alice: Minihub) -> None:
    alice.spoil("PUT", "/lfs/", cut_after_bytes=len(SHARD) // 2, times=2)
    send(version())
    assert alice.files(REPO)["data/1.parquet"] == SHARD + b"one1"


def test_push_cut_for_good_leaves_the_old_version_and_a_rerun_sends_the_rest(alice: Minihub) -> None:
    old = send(version("old"))
    new = version("new", shards=3)
    alice.log.clear()
    alice.spoil("PUT", f"/lfs/{new[3].sha256}", cut_after_bytes=10, times=10_000)
    with pytest.raises(PrerequisiteError, match="run again: what was sent is kept"):
        send(new)
    assert commit_of(REPO) == old.commit
    arrived = [r for r in alice.requests("PUT", "/lfs/") if r.status == 200]
    assert len(arrived) == 2
    alice.spoilers.clear()
    alice.log.clear()
    send(new)
    assert [r.path for r in alice.requests("PUT", "/lfs/")] == [f"/lfs/{new[3].sha256}"]
    assert alice.files(REPO) == {f.path: f.source for f in new}


def test_slow_hub_is_waited_for(alice: Minihub) -> None:
    alice.spoil("POST", "/commit/", delay_s=1.0)
    alice.spoil("PUT", "/lfs/", delay_s=0.5, times=2)
    assert send(version()).sent


def test_two_pushers_at_once_leave_two_whole_versions(alice: Minihub) -> None:
    """Whichever comes last wins; no commit mixes the files of both."""
    send([])
    versions = {name: version(name, shards=4) for name in ("left", "right")}
    barrier, failures = threading.Barrier(2), []

    def run(name: str) -> None:
        barrier.wait()
        try:
            send(versions[name])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(name,)) for name in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    commits = alice.history(REPO)
    assert len(commits) == 3
    whole = [{f.path: f.source for f in files} for files in versions.values()]
    assert alice.files(REPO, commits[0].oid) in whole
    assert alice.files(REPO, commits[1].oid) in whole
    assert alice.files(REPO, commits[0].oid) != alice.files(REPO, commits[1].oid)


def test_a_commit_by_somebody_else_in_between_is_built_upon(alice: Minihub, monkeypatch: object) -> None:
    send(version("first"))
    real, calls = list_files, []

    def meddle(*arguments: object, **options: object):
        if not calls:
            calls.append(1)
            repo = alice.repos["dataset", REPO]
            head = repo.refs["refs/heads/main"]
            tree = {k: v for k, v in repo.commits[head].tree.items() if k != "data/0.parquet"}
            found = real(*arguments, **options)
            alice.commit(repo, "refs/heads/main", head, tree, "meddle", "", "bob")
            return found
        return real(*arguments, **options)

    monkeypatch.setattr("rise_bench.hub.push.list_files", meddle)  # type: ignore[attr-defined]
    send(version("first", shards=3))
    assert set(alice.files(REPO)) == {"README.md", "data/0.parquet", "data/1.parquet", "data/2.parquet"}
    assert len(alice.requests("POST", "/commit/")) == 3, "the first try after the meddling met 412"


def test_pull_request_is_opened_once(alice: Minihub, sign_in: Callable[[str], None]) -> None:
    send(version("base"))
    sign_in("hf_mallory")
    alice.spoil("POST", "/commit/", lose_answer=True)
    pushed = send(version("proposal"), create_pr=True)
    again = send(version("proposal"), create_pr=True)
    assert pushed.pull_request == again.pull_request
    assert pushed.pull_request.endswith("/rise/set/discussions/1")
    assert len(alice.repos["dataset", REPO].discussions) == 1
    assert pushed.commit == again.commit == commit_of(REPO, "refs/pr/1")
    assert b"base" in alice.files(REPO)["README.md"], "main is untouched"
    assert b"proposal" in alice.files(REPO, "refs/pr/1")["README.md"]


def test_pull_request_needs_a_repository(alice: Minihub) -> None:
    with pytest.raises(PrerequisiteError, match="does not exist.*without --create-pr"):
        send(version(), create_pr=True)
    assert alice.repos == {}


def test_private_repository_is_hidden_from_others(alice: Minihub, sign_in: Callable[[str], None]) -> None:
    send(version(), private=True)
    assert alice.repos["dataset", REPO].private
    sign_in("hf_mallory")
    with pytest.raises(PrerequisiteError, match="does not exist, or is private"):
        commit_of(REPO)


def test_private_is_not_silently_public(alice: Minihub) -> None:
    send(version())
    with pytest.raises(ConfigError, match="is public and --private was asked"):
        send(version(), private=True)


REFUSALS = {
    "no token": ("", "needs a token and there is none; run `hf auth login`"),
    "wrong token": ("hf_wrongwrongwrong", r"not valid \(401\); run `hf auth login`"),
    "no right to the namespace": ("hf_mallory", r"\(403\); use one with write access"),
}


@pytest.mark.parametrize(("token", "message"), REFUSALS.values(), ids=REFUSALS)
def test_refused_push_says_why_in_one_line(
    minihub: Minihub, sign_in: Callable[[str], None], token: str, message: str
) -> None:
    if token:
        sign_in(token)
    with pytest.raises(PrerequisiteError, match=message) as caught:
        send(version())
    assert "\n" not in str(caught.value)
    assert minihub.repos == {}


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (403, "write access"),
        (409, "keeps being changed"),
        (412, "keeps being"),
        (503, r"has trouble \(503\)"),
    ],
)
def test_lasting_refusal_of_the_commit_ends_with_the_way_out(
    alice: Minihub, status: int, message: str
) -> None:
    alice.spoil("POST", "/commit/", status=status, times=10_000)
    with pytest.raises(PrerequisiteError, match=message) as caught:
        send(version())
    assert "\n" not in str(caught.value)
    tries = len(alice.requests("POST", "/commit/"))
    assert tries == (1 if status == 403 else 8)


def test_hub_that_hangs_up_gives_one_line(alice: Minihub) -> None:
    alice.spoil("GET", ".", drop=True, times=10_000)
    with pytest.raises(PrerequisiteError, match="cannot be reached.*check the network") as caught:
        send(version())
    assert "\n" not in str(caught.value)


def test_file_with_an_access_token_is_refused(alice: Minihub, sign_in: Callable[[str], None]) -> None:
    for secret in (b"hf_" + b"aB3" * 11, b"hf_alice"):
        with pytest.raises(ConfigError, match="README.md holds a Hugging Face access token") as caught:
            Outgoing.of("README.md", b"run with HF_TOKEN=" + secret)
        assert secret.decode() not in str(caught.value)


def test_tokens_stay_out_of_messages_and_logs(
    minihub: Minihub, sign_in: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Even where the server echoes the token, and with every logger wide open."""
    token = "hf_" + "S3cretS3cret" * 3
    minihub.users[token] = minihub.users["hf_alice"]
    sign_in(token)
    minihub.spoil("POST", "/commit/", status=503)
    minihub.spoil("PUT", "/lfs/", status=500)
    with caplog.at_level(logging.DEBUG):
        send(version())
    assert "push interrupted" in caplog.text
    assert token not in caplog.text
    assert redact(f"Bearer {token}, not hf_{'x' * 34}") == "Bearer hf_***, not hf_***"
    with pytest.raises(PrerequisiteError) as caught, hub_errors(REPO):
        raise ConnectionError(f"lost while sending Authorization: Bearer {token}")
    assert token not in str(caught.value)
    assert caught.value.__cause__ is None


def test_outgoing_hashes_agree_with_git_and_lfs(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"hello\n")
    file = Outgoing.of("x.bin", path)
    assert (file.size_bytes, file.sha256) == (6, hashlib.sha256(b"hello\n").hexdigest())
    git_oid = "ce013625030ba8dba906f756967f9e9ca394464a"  # git hash-object of hello
    assert file.is_at(RemoteFile("x.bin", 6, git_oid, None))
    assert file.is_at(RemoteFile("x.bin", 6, "", file.sha256))
    assert not file.is_at(RemoteFile("x.bin", 6, git_oid[::-1], None))
    assert not file.is_at(RemoteFile("x.bin", 6, git_oid, "0" * 64))
