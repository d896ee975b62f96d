"""Checks of names and sizes in a pull request, before anything is downloaded.

A pull request adds exactly two files, `submissions/<author>/<name>/submission.json` and `samples.jsonl`, and
changes no others. The author is the account on the Hub.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rise_bench.leaderboards.submissions.reasons import Reason, quoted, too_large
from rise_bench.leaderboards.submissions.samples import MAX_SAMPLES_BYTES, SAMPLES_NAME
from rise_bench.leaderboards.submissions.schema import MAX_SUBMISSION_BYTES, SUBMISSION_NAME

FOLDER = "submissions"
_AUTHOR = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,95}")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,95}")
_LIMITS = {SUBMISSION_NAME: MAX_SUBMISSION_BYTES, SAMPLES_NAME: MAX_SAMPLES_BYTES}


@dataclass(frozen=True, slots=True)
class TreeFile:
    """File of a commit: size in bytes, and an id that changes with its content."""

    size_bytes: int
    content_id: str


@dataclass(frozen=True, slots=True)
class PullRequest:
    """Pull request on the results dataset.

    Attributes:
        number: Its number.
        author: Account that opened it.
        status: "open", "draft", "merged" or "closed".
        head: Commit of its last change.
        base: Files of its base commit.
        files: Files of `head`.
        main: Files of main at the time of the comparison.
        committers: Accounts of its commits.
    """

    number: int
    author: str
    status: str
    head: str
    base: Mapping[str, TreeFile]
    files: Mapping[str, TreeFile]
    main: Mapping[str, TreeFile]
    committers: tuple[str, ...] = ()


def is_submission_folder(folder: str) -> bool:
    """Whether a path is `submissions/<author>/<name>` with plain names."""
    parts = folder.split("/")
    if len(parts) != 3 or parts[0] != FOLDER:
        return False
    return _AUTHOR.fullmatch(parts[1]) is not None and _NAME.fullmatch(parts[2]) is not None


def report_path(folder: str) -> str:
    """Return the path of the report on a submission."""
    return f"reports/{folder.partition('/')[2]}.json"


def check_pull_request(pull: PullRequest) -> tuple[str, list[Reason]]:
    """Return the folder of a pull request's submission ("" if unknown), and every reason against it."""
    reasons = []
    if pull.status != "open":
        reasons.append(Reason("not_open", f"the pull request is {quoted(pull.status)}; open a new one"))
    added = {path: file for path, file in pull.files.items() if path not in pull.base}
    deleted = sorted(set(pull.base) - set(pull.files))
    edited = sorted(p for p in pull.files if p in pull.base and pull.files[p] != pull.base[p])
    for code, paths, what in (("deletes_files", deleted, "deletes"), ("edits_files", edited, "edits")):
        if paths:
            shown = ", ".join(quoted(path) for path in paths[:5])
            reasons.append(Reason(code, f"{what} {len(paths)} files ({shown}); only add your two files"))
    folders = {str(PurePosixPath(path).parent) for path in added if PurePosixPath(path).name in _LIMITS}
    folder = folders.pop() if len(folders) == 1 else ""
    if not is_submission_folder(folder):
        expected = f"expected {FOLDER}/<author>/<name>/ with {SUBMISSION_NAME} and {SAMPLES_NAME}"
        shown = ", ".join(quoted(path) for path in sorted(added)[:5])
        return "", [*reasons, Reason("wrong_folder", f"adds {len(added)} files ({shown}); {expected}")]
    return folder, reasons + _check_added(pull, folder, added)


def _check_added(pull: PullRequest, folder: str, added: Mapping[str, TreeFile]) -> list[Reason]:
    reasons = []
    owner = folder.split("/")[1]
    if owner != pull.author:
        message = f"opened by {quoted(pull.author)}, but the folder belongs to {owner}; use your own folder"
        reasons.append(Reason("foreign_folder", message))
    helpers = sorted(set(pull.committers) - {pull.author})
    if helpers:
        message = f"{', '.join(map(quoted, helpers[:5]))} committed to the request of {quoted(pull.author)}"
        reasons.append(Reason("foreign_commits", message, "hold"))
    wanted = {f"{folder}/{name}" for name in _LIMITS}
    main = {path.casefold() for path in pull.main}
    extra = sorted(set(added) - wanted)
    if extra:
        shown = ", ".join(quoted(path) for path in extra[:5])
        reasons.append(Reason("extra_files", f"adds {len(extra)} other files ({shown}); remove them"))
    reasons += [
        Reason("missing_file", f"{path} is not in the pull request; add it")
        for path in sorted(wanted - set(added))
    ]
    reasons += [
        Reason("path_taken", f"{path} already exists on main; choose another name")
        for path in sorted(wanted)
        if path.casefold() in main
    ]
    return reasons + [
        too_large(path, added[path].size_bytes, limit)
        for path, limit in ((f"{folder}/{name}", limit) for name, limit in _LIMITS.items())
        if path in added and added[path].size_bytes > limit
    ]


def is_on_main(pull: PullRequest, folder: str) -> bool:
    """Whether main has exactly these files already, because closing the accepted request failed."""
    return all(
        path in pull.files and pull.main.get(path) == pull.files[path]
        for path in (f"{folder}/{name}" for name in _LIMITS)
    )


def read_folder(folder: Path, root: Path | None = None) -> tuple[bytes, bytes, list[Reason]]:
    """Read a submission from a local folder: two plain files, sizes checked first, links never followed.

    Args:
        folder: Folder of the submission.
        root: Results folder of it; folders in between may not be links either.

    Returns:
        Bytes of `submission.json` and of `samples.jsonl` (empty if refused), and the reasons.
    """
    reasons, contents = [], dict.fromkeys(_LIMITS, b"")
    between = [p for p in folder.parents if root is not None and p.is_relative_to(root) and p != root]
    if link := next((path for path in (folder, *between) if path.is_symlink()), None):
        message = f"{quoted(link.name)} is a link; a submission is two plain files in plain folders"
        return b"", b"", [Reason("link", message)]
    try:
        names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        return b"", b"", [_unreadable(folder.name, error)]
    extra = [name for name in names if name not in _LIMITS]
    if extra:
        shown = ", ".join(quoted(name) for name in extra[:5])
        reasons.append(Reason("extra_files", f"{len(extra)} other files ({shown}); remove them"))
    for name, limit in _LIMITS.items():
        path = folder / name
        if path.is_symlink() or not path.is_file():
            message = f"{name} is {'a link' if path.is_symlink() else 'missing'}; it must be a plain file"
            reasons.append(Reason("missing_file", message))
            continue
        try:
            with path.open("rb") as file:
                contents[name] = file.read(limit + 1)
            if len(contents[name]) > limit:
                contents[name] = b""
                reasons.append(too_large(name, path.stat().st_size, limit))
        except OSError as error:
            reasons.append(_unreadable(name, error))
    return contents[SUBMISSION_NAME], contents[SAMPLES_NAME], reasons


def _unreadable(name: str, error: OSError) -> Reason:
    return Reason("unreadable", f"{quoted(name)} cannot be read ({error.strerror}); check the disk")
