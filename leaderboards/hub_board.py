"""The results dataset on the Hub: reading pull requests as data, acting on decisions, fetching main."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from rise_bench.dataset import cache_folder
from rise_bench.errors import ConfigError, PrerequisiteError
from rise_bench.hub import check_repo_id, commit_of, fetch_file, hub_api, hub_errors, list_files
from rise_bench.hub_push import Outgoing, Pushed, push
from rise_bench.leaderboards.submission_tree import FOLDER, PullRequest, TreeFile
from rise_bench.leaderboards.verifier import Verification, render_report
from rise_bench.storage import atomic_directory
from rise_bench.submission import SAMPLES_NAME, SUBMISSION_NAME, Submission, render_submission


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Main of the results dataset at one commit, as a local folder."""

    repo_id: str
    commit: str
    folder: Path


def fetch_main(repo_id: str) -> Snapshot:
    """Download main of the results dataset as plain files.

    What is in the local Hub cache is not downloaded again. The cache shows files as links, which are never
    followed in a submission, so the folder holds second names of the cached files instead.
    """
    commit = commit_of(repo_id)
    with hub_errors(repo_id):
        cached = Path(hub_api().snapshot_download(repo_id, repo_type="dataset", revision=commit))
    folder = cache_folder("boards") / repo_id.replace("/", "--") / commit
    if not folder.is_dir():
        shutil.rmtree(folder.parent, ignore_errors=True)
        with atomic_directory(folder) as work:
            for path in cached.rglob("*"):
                if path.is_file():
                    _second_name(path.resolve(), work / path.relative_to(cached))
    return Snapshot(repo_id, commit, folder)


def _second_name(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def open_pull_requests(repo_id: str) -> list[int]:
    """Return the numbers of open pull requests, oldest first."""
    with hub_errors(check_repo_id(repo_id)):
        found = hub_api().get_repo_discussions(
            repo_id, repo_type="dataset", discussion_type="pull_request", discussion_status="open"
        )
        return sorted(discussion.num for discussion in found)


def read_pull_request(repo_id: str, number: int) -> PullRequest:
    """Read what a pull request changes: names, sizes and ids of files; nothing is downloaded.

    The files are compared with the commit that the request started from, so that a main that has moved on
    does not look like deletions.

    Raises:
        ConfigError: If there is no such pull request.
    """
    api = hub_api()
    with hub_errors(check_repo_id(repo_id)):
        details = api.get_discussion_details(repo_id, number, repo_type="dataset")
        if not details.is_pull_request:
            raise ConfigError(f"discussion {number} of {repo_id} is no pull request; give another number")
        ref = f"refs/pr/{number}"
        head = str(api.repo_info(repo_id, repo_type="dataset", revision=ref).sha)
        main = [commit.commit_id for commit in api.list_repo_commits(repo_id, repo_type="dataset")]
        ours = api.list_repo_commits(repo_id, repo_type="dataset", revision=ref)
    known = set(main)
    base = next((commit.commit_id for commit in ours if commit.commit_id in known), None)
    if base is None:
        raise PrerequisiteError(f"pull request {number} of {repo_id} shares no commit with main; close it")
    return PullRequest(
        number,
        details.author,
        details.status,
        head,
        base=_tree(repo_id, base),
        files=_tree(repo_id, head),
        main=_tree(repo_id, main[0]),
    )


def _tree(repo_id: str, commit: str) -> dict[str, TreeFile]:
    files = list_files(repo_id, commit)
    return {path: TreeFile(file.size_bytes, file.sha256 or file.git_oid) for path, file in files.items()}


def download(repo_id: str, pull: PullRequest, path: str) -> bytes:
    """Download a file of a pull request at the commit that was read, if its size was found acceptable."""
    return fetch_file(repo_id, path, pull.head).read_bytes()


def send(repo_id: str, author: str, name: str, submission: Submission, samples: bytes) -> Pushed:
    """Open the pull request of a submission; one with the same content is found and not opened twice."""
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


def conclude(repo_id: str, pull: PullRequest, outcome: Verification) -> None:
    """Act on a decision: merge and record the report, close with every reason, or say that a person looks.

    Raises:
        PrerequisiteError: If the request changed since it was read, or the Hub refuses.
    """
    api, decision = hub_api(), outcome.decision
    with hub_errors(repo_id):
        head = str(api.repo_info(repo_id, repo_type="dataset", revision=f"refs/pr/{pull.number}").sha)
        if head != pull.head:
            raise PrerequisiteError(
                f"pull request {pull.number} changed while it was verified; verify it again"
            )
        details = api.get_discussion_details(repo_id, pull.number, repo_type="dataset")
        text = comment_text(outcome)
        if text not in {getattr(event, "content", "") for event in details.events}:  # said once, not hourly
            api.comment_discussion(repo_id, pull.number, text, repo_type="dataset")
        if decision == "reject":
            api.change_discussion_status(repo_id, pull.number, "closed", repo_type="dataset")
        elif decision == "accept":
            api.merge_pull_request(repo_id, pull.number, repo_type="dataset")
    if decision == "accept":
        report = Outgoing.of(report_path(outcome.path), render_report(outcome).encode())
        push(repo_id, [report], title=f"Report on {outcome.path}")


def report_path(folder: str) -> str:
    """Return where the report on a submission lies."""
    return f"reports/{folder.partition('/')[2]}.json"


def comment_text(outcome: Verification) -> str:
    """Say the decision and every reason as plain lines; a stranger's text in it is inside code marks."""
    opening = {
        "accept": "Accepted: every score was recomputed from the responses and agrees.",
        "hold": "Held: a maintainer has to look at this.",
        "reject": "Refused. Mend what follows and open a new pull request:",
    }[outcome.decision]
    lines = [f"- `{reason.code}`: `{reason.message.replace('`', chr(39))}`" for reason in outcome.reasons]
    return "\n".join([opening, "", *lines]) if lines else opening


def commit_that_added(repo_id: str, folder: str) -> str:
    """Return the commit of main by which a submission came in: a seed that its author could not know."""
    api = hub_api()
    with hub_errors(repo_id):
        commits = [c.commit_id for c in api.list_repo_commits(repo_id, repo_type="dataset")]
    path, added = f"{folder}/{SUBMISSION_NAME}", ""
    for commit in commits:  # newest first
        if path not in list_files(repo_id, commit):
            break
        added = commit
    return added
