"""Push of files to the Hub in one commit: resumable, safe beside other pushes, nothing sent twice.

A push compares each file with the head of the branch, uploads missing large files, and makes one commit with
that head as its parent. After another commit (409, 412) or a lost connection it compares again and continues
with what is missing, so a reader sees either all old or all new files.
"""

import copy
import hashlib
import logging
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rise_bench.data.hub_client import (
    TRANSIENT_STATUSES,
    endpoint,
    hub_api,
    hub_errors,
    is_connection_error,
    redact,
    status_of,
)
from rise_bench.data.hub_files import RemoteFile, RepoType, check_repo_id, list_files
from rise_bench.errors import ConfigError, PrerequisiteError

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd

_log = logging.getLogger(__name__)

#: Attempts of a push, and waits between them: 0.5 s, doubled each time, at most 30 s, times 0.5 to 1.
ATTEMPTS = 8
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0

#: Timeout of a dry run for the Hub.
ASKING_S = 10.0

_T = TypeVar("_T")

#: Raises if the files at a commit may not be replaced; called with the commit and its files by path.
Guard = Callable[[str, Mapping[str, RemoteFile]], None]


def _replace_anything(head: str, remote: Mapping[str, RemoteFile]) -> None:
    """Allow every push."""


_TEXT_SUFFIXES = (".md", ".json", ".jsonl", ".yaml", ".yml", ".txt", ".jinja", ".csv")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """File to send, hashed once by the client.

    Attributes:
        path: Path in the repository.
        source: File or bytes.
        operation: Operation of a commit; each commit takes a copy.
    """

    path: str
    source: Path | bytes
    operation: "CommitOperationAdd"

    @classmethod
    def of(cls, path: str, source: Path | bytes) -> "Outgoing":
        """Hash a file or bytes for `path` in the repository.

        Raises:
            ConfigError: If a text holds an access token.
        """
        from huggingface_hub import CommitOperationAdd

        if path.endswith(_TEXT_SUFFIXES):
            text = _bytes(source).decode("utf-8", "replace")
            if redact(text) != text:
                raise ConfigError(
                    f"{path} holds a Hugging Face access token and would be public; remove it, then revoke it"
                )
        return cls(path, source, CommitOperationAdd(path, source))

    @property
    def size_bytes(self) -> int:
        """Size of the file."""
        return self.operation.upload_info.size

    @property
    def sha256(self) -> str:
        """Hash of its bytes."""
        return self.operation.upload_info.sha256.hex()

    def is_at(self, remote: RemoteFile | None) -> bool:
        """Whether the Hub has these bytes at this path."""
        from huggingface_hub.utils.sha import git_hash

        if remote is None or remote.size_bytes != self.size_bytes:
            return False
        if remote.sha256:
            return remote.sha256 == self.sha256
        return remote.git_oid == git_hash(_bytes(self.source))


@dataclass(frozen=True, slots=True)
class Difference:
    """Changes of a push.

    Attributes:
        head: Commit of the comparison; empty without a repository or comparison.
        send: Files that are new or changed.
        keep: Files that are unchanged.
        delete: Paths of earlier versions to delete.
        not_compared: Why the Hub could not be reached; every file is then in `send`.
    """

    head: str
    send: tuple[Outgoing, ...]
    keep: tuple[Outgoing, ...]
    delete: tuple[str, ...]
    not_compared: str = ""


@dataclass(frozen=True, slots=True)
class Pushed:
    """Outcome of a push: commit to pin, pull request (empty if none), sent and deleted files."""

    repo_id: str
    commit: str
    pull_request: str
    sent: tuple[str, ...]
    deleted: tuple[str, ...]


def compare(
    repo_id: str,
    files: Sequence[Outgoing],
    *,
    owned: Sequence[str],
    repo_type: RepoType = "dataset",
    guard: Guard = _replace_anything,
) -> Difference:
    """Compare files with the head of a repository, which need not exist or be reachable.

    Args:
        repo_id: "ORG/NAME".
        files: All files of the new version.
        owned: Regular expressions of whole paths ("data/.*") whose other files are leftovers of an earlier
            version.
        repo_type: Kind of repository.
        guard: Raises if what is there may not be replaced.
    """
    check_repo_id(repo_id)
    try:
        with hub_errors(repo_id):
            info = _info(repo_id, repo_type, timeout_s=ASKING_S)
        head = "" if info is None else str(info.sha)
        return _difference(repo_id, head, files, owned, repo_type, guard)
    except PrerequisiteError as error:
        return Difference("", tuple(files), (), (), not_compared=str(error))


def push(
    repo_id: str,
    files: Sequence[Outgoing],
    *,
    title: str,
    owned: Sequence[str] = (),
    repo_type: RepoType = "dataset",
    private: bool = False,
    create_pr: bool = False,
    parent: str = "",
    guard: Guard = _replace_anything,
) -> Pushed:
    """Send files in one commit or pull request; the repository is created if it does not exist.

    Args:
        repo_id: "ORG/NAME".
        files: All files of the new version; unchanged files are not sent again.
        title: Title of the commit.
        owned: Regular expressions of whole paths; other files of these names are deleted in the same commit.
        repo_type: Kind of repository.
        private: Make a new repository private; an existing one must be private.
        create_pr: Open a pull request instead of committing to main, or return an open one of the same
            content.
        parent: Expected head of main; any if empty.
        guard: Raises if what is there may not be replaced; asked about each commit that is compared.

    Raises:
        ConfigError: If `private` is set and the repository is public.
        PrerequisiteError: If main is no longer at `parent`, or the Hub refuses or cannot be reached; uploads
            are kept there.
    """
    with hub_errors(check_repo_id(repo_id), sends=True):
        hub_api().whoami()  # fails on a wrong token before any byte is sent
        _retrying(lambda: _ensure_repo(repo_id, repo_type, private=private, must_exist=create_pr))
        if create_pr:
            title = f"{title} [{_fingerprint(files)}]"
            return _retrying(lambda: _pull_request_once(repo_id, files, title, owned, repo_type, guard))
        return _retrying(lambda: _commit_once(repo_id, files, title, owned, repo_type, guard, parent))


def _retrying(step: Callable[[], _T]) -> _T:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return step()
        except Exception as error:
            status = status_of(error)
            again = status in {409, 412, *TRANSIENT_STATUSES} or is_connection_error(error)
            if not again or attempt == ATTEMPTS:
                raise
            wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (attempt - 1)) * random.uniform(0.5, 1)
            reason = f"status {status}" if status else redact(str(error)).splitlines()[0]
            _log.info("push interrupted (%s), attempt %d, again in %.1f s", reason, attempt, wait_s)
            time.sleep(wait_s)
    raise AssertionError("unreachable")


def _ensure_repo(repo_id: str, repo_type: RepoType, *, private: bool, must_exist: bool) -> None:
    info = _info(repo_id, repo_type)
    if info is None and must_exist:
        raise PrerequisiteError(
            f"{repo_id} does not exist on {endpoint()}, so it takes no pull request; "
            "publish without --create-pr"
        )
    if info is None:
        hub_api().create_repo(repo_id, repo_type=repo_type, private=private, exist_ok=True)
    elif private and not info.private:
        raise ConfigError(
            f"{repo_id} is public and --private was asked; make it private on its settings page, "
            "or publish without --private"
        )


def _commit_once(
    repo_id: str,
    files: Sequence[Outgoing],
    title: str,
    owned: Sequence[str],
    repo_type: RepoType,
    guard: Guard,
    parent: str = "",
    *,
    create_pr: bool = False,
) -> Pushed:
    from huggingface_hub import CommitOperationDelete

    head = str(hub_api().repo_info(repo_id, repo_type=repo_type).sha)
    change = _difference(repo_id, head, files, owned, repo_type, guard)
    if not (change.send or change.delete):
        return Pushed(repo_id, head, "", (), ())
    if parent and head != parent:
        raise PrerequisiteError(
            f"main of {repo_id} moved from {parent[:12]} to {head[:12]}; nothing was changed, run again"
        )
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        *(copy.copy(file.operation) for file in change.send),
        *map(CommitOperationDelete, change.delete),
    ]
    commit = hub_api().create_commit(
        repo_id,
        operations,
        commit_message=title,
        repo_type=repo_type,
        parent_commit=head,
        create_pr=create_pr,
    )
    return Pushed(repo_id, commit.oid, commit.pr_url or "", tuple(f.path for f in change.send), change.delete)


def _pull_request_once(
    repo_id: str,
    files: Sequence[Outgoing],
    title: str,
    owned: Sequence[str],
    repo_type: RepoType,
    guard: Guard,
) -> Pushed:
    api = hub_api()
    for pull in api.get_repo_discussions(
        repo_id, repo_type=repo_type, discussion_type="pull_request", discussion_status="open"
    ):
        if pull.title == title:
            info = api.repo_info(repo_id, repo_type=repo_type, revision=f"refs/pr/{pull.num}")
            return Pushed(repo_id, str(info.sha), pull.url, (), ())
    return _commit_once(repo_id, files, title, owned, repo_type, guard, create_pr=True)


def _difference(
    repo_id: str,
    head: str,
    files: Sequence[Outgoing],
    owned: Sequence[str],
    repo_type: RepoType,
    guard: Guard,
) -> Difference:
    remote = list_files(repo_id, head, repo_type=repo_type) if head else {}
    guard(head, remote)
    keep = tuple(file for file in files if file.is_at(remote.get(file.path)))
    send = tuple(file for file in files if not file.is_at(remote.get(file.path)))
    paths = {file.path for file in files}
    stale = (path for path in remote if any(re.fullmatch(pattern, path) for pattern in owned))
    return Difference(head, send, keep, tuple(sorted(path for path in stale if path not in paths)))


def _info(repo_id: str, repo_type: RepoType, timeout_s: float | None = None) -> Any:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        return hub_api().repo_info(repo_id, repo_type=repo_type, timeout=timeout_s)
    except GatedRepoError:
        raise
    except RepositoryNotFoundError:
        return None


def _bytes(source: Path | bytes) -> bytes:
    return source if isinstance(source, bytes) else source.read_bytes()


def _fingerprint(files: Sequence[Outgoing]) -> str:
    lines = sorted(f"{file.path} {file.sha256}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:12]
