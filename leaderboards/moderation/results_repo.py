"""Results dataset on the Hub: pull requests as data, actions on decisions, download of main."""

import contextlib
import itertools
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from rise_bench.data.hub_client import hub_api, hub_errors
from rise_bench.data.hub_files import check_repo_id, commit_of, fetch_file, list_files
from rise_bench.errors import ConfigError, PrerequisiteError
from rise_bench.files.atomic import atomic_directory
from rise_bench.files.paths import cache_folder
from rise_bench.hub.push import Outgoing, Pushed, push
from rise_bench.leaderboards.submissions.samples import SAMPLES_NAME
from rise_bench.leaderboards.submissions.schema import SUBMISSION_NAME, Submission, render_submission
from rise_bench.leaderboards.submissions.tree import FOLDER, PullRequest, TreeFile, report_path
from rise_bench.leaderboards.verification.verifier import Verification, render_report

#: Seconds after its last use for which a snapshot of main is kept: another process may be reading it.
_KEPT_S = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Main of the results dataset at a commit, as a local folder."""

    repo_id: str
    commit: str
    folder: Path


def fetch_main(repo_id: str) -> Snapshot:
    """Download main of the results dataset as plain files: hard links to the files of the Hub cache."""
    commit = commit_of(repo_id)
    with hub_errors(repo_id):
        cached = Path(hub_api().snapshot_download(repo_id, repo_type="dataset", revision=commit))
    folder = cache_folder("boards") / repo_id.replace("/", "--") / commit
    if not folder.is_dir():
        _remove_old(folder.parent)
        with atomic_directory(folder) as work:
            for path in cached.rglob("*"):
                if path.is_file():
                    _link_or_copy(path.resolve(), work / path.relative_to(cached))
    os.utime(folder)
    return Snapshot(repo_id, commit, folder)


def _remove_old(folder: Path) -> None:
    """Delete the snapshots that nobody can still be reading."""
    for old in folder.glob("*"):
        with contextlib.suppress(FileNotFoundError):  # another process deletes it too
            if time.time() - old.stat().st_mtime > _KEPT_S:
                shutil.rmtree(old, ignore_errors=True)


def _link_or_copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def open_pull_requests(repo_id: str) -> list[int]:
    """Return the numbers of open pull requests, oldest first."""
    with hub_errors(check_repo_id(repo_id)):
        discussions = hub_api().get_repo_discussions(
            repo_id, repo_type="dataset", discussion_type="pull_request", discussion_status="open"
        )
        return sorted(discussion.num for discussion in discussions)


def read_pull_request(repo_id: str, number: int, main: str) -> PullRequest:
    """Return names, sizes and ids of the files of a pull request, without downloading them.

    Changes are relative to the base commit of the request: later changes of main are not deletions.

    Raises:
        ConfigError: If the pull request does not exist.
    """
    api = hub_api()
    with hub_errors(check_repo_id(repo_id)):
        details = api.get_discussion_details(repo_id, number, repo_type="dataset")
        if not details.is_pull_request:
            raise ConfigError(f"discussion {number} of {repo_id} is not a pull request; give another number")
        ref = f"refs/pr/{number}"
        head = str(api.repo_info(repo_id, repo_type="dataset", revision=ref).sha)
        history = api.list_repo_commits(repo_id, repo_type="dataset", revision=main)
        known = {commit.commit_id for commit in history}
        ours = api.list_repo_commits(repo_id, repo_type="dataset", revision=head)
    new = list(itertools.takewhile(lambda commit: commit.commit_id not in known, ours))
    if len(new) == len(ours):
        raise PrerequisiteError(f"pull request {number} of {repo_id} shares no commit with main; close it")
    return PullRequest(
        number,
        details.author,
        details.status,
        head,
        base=_tree(repo_id, ours[len(new)].commit_id),
        files=_tree(repo_id, head),
        main=_tree(repo_id, main),
        committers=tuple(author for commit in new for author in commit.authors),
    )


def _tree(repo_id: str, commit: str) -> dict[str, TreeFile]:
    files = list_files(repo_id, commit)
    return {path: TreeFile(file.size_bytes, file.sha256 or file.git_oid) for path, file in files.items()}


def download(repo_id: str, pull: PullRequest, path: str) -> bytes:
    """Download a file of a pull request at the commit that was checked."""
    return fetch_file(repo_id, path, pull.head).read_bytes()


def send(repo_id: str, author: str, name: str, submission: Submission, samples: bytes) -> Pushed:
    """Open the pull request of a submission, unless one with the same content exists."""
    folder = f"{FOLDER}/{author}/{name}"
    files = [
        Outgoing.of(f"{folder}/{SUBMISSION_NAME}", render_submission(submission)),
        Outgoing.of(f"{folder}/{SAMPLES_NAME}", samples),
    ]
    title = f"{submission.model.id} on {submission.benchmark}, {submission.shots}"
    return push(repo_id, files, title=title, create_pr=True)


def who_am_i() -> str:
    """Return the account of the token in use."""
    with hub_errors("your account"):
        return str(hub_api().whoami()["name"])


def conclude(repo_id: str, pull: PullRequest, outcome: Verification, main: str) -> None:
    """Act on a decision: commit the verified bytes to main, close with every reason, or announce a review.

    The Hub's merge could take later content of the request. Accepted files go to main in a separate commit
    with their report instead, and a comment names that commit when the request is closed.

    Args:
        repo_id: Results dataset.
        pull: The pull request as it was verified.
        outcome: Its verification.
        main: Commit of main of the comparison; nothing is accepted after a change of main.

    Raises:
        PrerequisiteError: If the request or main changed since they were read, or the Hub refuses.
    """
    api, decision = hub_api(), outcome.decision
    with hub_errors(repo_id):
        head = str(api.repo_info(repo_id, repo_type="dataset", revision=f"refs/pr/{pull.number}").sha)
        if head != pull.head:
            raise PrerequisiteError(
                f"pull request {pull.number} changed while it was verified; verify it again"
            )
    commit = _add_to_main(repo_id, pull, outcome, main) if decision == "accept" else ""
    with hub_errors(repo_id):
        details = api.get_discussion_details(repo_id, pull.number, repo_type="dataset")
        text = comment_text(outcome, commit)
        if text not in {
            getattr(event, "content", "") for event in details.events
        }:  # comment once, not every hour
            api.comment_discussion(repo_id, pull.number, text, repo_type="dataset")
        if decision != "hold":
            api.change_discussion_status(repo_id, pull.number, "closed", repo_type="dataset")


def _add_to_main(repo_id: str, pull: PullRequest, outcome: Verification, main: str) -> str:
    """Commit exactly the verified bytes and their report; return the commit."""
    files = [Outgoing.of(report_path(outcome.path), render_report(outcome).encode())]
    hashes = {SUBMISSION_NAME: outcome.submission_sha256, SAMPLES_NAME: outcome.samples_sha256}
    for name, sha256 in hashes.items():
        path = f"{outcome.path}/{name}"
        files.append(Outgoing.of(path, download(repo_id, pull, path)))
        if files[-1].sha256 != sha256:
            raise PrerequisiteError(
                f"{path} differs from what was verified; empty the local Hub cache and run again"
            )
    title = f"Add {outcome.path} from pull request {pull.number} at {pull.head[:12]}"
    return push(repo_id, files, title=title, parent=main).commit


def _checked(outcome: Verification) -> str:
    if outcome.hidden:
        scores = ", ".join(f"{name} {value:g}" for name, value in sorted(outcome.metrics.items()))
        return f"the responses were scored against the truth that only this board has ({scores})."
    return "every score was recomputed from the responses and agrees."


def comment_text(outcome: Verification, commit: str = "") -> str:
    """Return the decision and every reason as text; untrusted text is inside code marks."""
    opening = {
        "accept": f"Accepted: {_checked(outcome)} "
        f"What was verified is on main as commit {commit}; later changes to this request are not.",
        "hold": "Held: a maintainer has to look at this.",
        "reject": "Refused. Fix the following and open a new pull request:",
    }[outcome.decision]
    lines = [f"- `{reason.code}`: `{reason.message.replace('`', chr(39))}`" for reason in outcome.reasons]
    return "\n".join([opening, "", *lines]) if lines else opening


def commit_that_added(repo_id: str, folder: str) -> str:
    """Return the commit of main that added a submission, a seed that its author could not know."""
    api = hub_api()
    with hub_errors(repo_id):
        commits = [c.commit_id for c in api.list_repo_commits(repo_id, repo_type="dataset")]
    path, added = f"{folder}/{SUBMISSION_NAME}", ""
    for commit in commits:  # newest first
        if path not in list_files(repo_id, commit):
            break
        added = commit
    return added
