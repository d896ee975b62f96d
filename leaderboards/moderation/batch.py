"""Verification of a folder, a pull request, or a whole results folder, comparisons included."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from rise_bench.errors import ConfigError
from rise_bench.leaderboards.moderation import results_repo as hub_board
from rise_bench.leaderboards.moderation.results_repo import Snapshot
from rise_bench.leaderboards.parallel import each
from rise_bench.leaderboards.ranking.entries import (
    Progress,
    Review,
    in_review_order,
    submission_folders,
    verify_folder,
    without_samples,
)
from rise_bench.leaderboards.submissions.reasons import Reason
from rise_bench.leaderboards.submissions.samples import SAMPLES_NAME
from rise_bench.leaderboards.submissions.schema import SUBMISSION_NAME, read_submission
from rise_bench.leaderboards.submissions.tree import PullRequest, check_pull_request, is_on_main, read_folder
from rise_bench.leaderboards.verification.gold_board import GoldBoard
from rise_bench.leaderboards.verification.suspicion import Fingerprint
from rise_bench.leaderboards.verification.verifier import Decision, Verification, verify

#: Fingerprints of submissions on main by folder; None if unreadable.
Marks = dict[str, Fingerprint | None]
_SILENT: Progress = lambda done, total: None  # noqa: E731, ARG005


def verify_local(
    folder: Path, boards: Mapping[str, GoldBoard], main: Path | None = None, *, workers: int | None = None
) -> Verification:
    """Verify the submission in a local folder, for example before it is sent.

    Args:
        folder: The folder.
        boards: Ground truth by benchmark.
        main: Results folder to compare it with; no comparison if None.
        workers: Processes that read the accepted submissions.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder; give one with {SUBMISSION_NAME} and {SAMPLES_NAME}")
    inside = main is not None and folder.resolve().is_relative_to(main.resolve())
    path = folder.resolve().relative_to(main.resolve()).as_posix() if main and inside else folder.name
    submission_json, samples_jsonl, reasons = read_folder(folder)
    submission, _ = read_submission(submission_json)
    known = (
        known_fingerprints(main, boards, submission.benchmark, workers=workers) if main and submission else ()
    )
    return verify(submission_json, samples_jsonl, boards, path=path, known=known, before=reasons)


def verify_pull_request(
    repo_id: str,
    number: int,
    boards: Mapping[str, GoldBoard],
    main: Snapshot,
    *,
    workers: int | None = None,
    marks: Marks | None = None,
) -> tuple[PullRequest, Verification]:
    """Verify a pull request on the results dataset.

    Names and sizes are checked before the download; only the two files of a submission are downloaded.

    Args:
        repo_id: Results dataset.
        number: Number of the pull request.
        boards: Ground truth by benchmark.
        main: Main of the results dataset, for the comparison with accepted submissions.
        workers: Processes that read the accepted submissions.
        marks: See `known_fingerprints`.
    """
    pull = hub_board.read_pull_request(repo_id, number, main.commit)
    folder, reasons = check_pull_request(pull)
    if is_on_main(pull, folder):
        reasons = [reason for reason in reasons if reason.code != "path_taken"]
    paths = {name: f"{folder}/{name}" for name in (SUBMISSION_NAME, SAMPLES_NAME)}
    refused = {"too_large", "missing_file", "path_taken"} & {reason.code for reason in reasons}
    if not folder or refused:
        return pull, Verification(folder, None, "", "", tuple(reasons))
    submission_json = hub_board.download(repo_id, pull, paths[SUBMISSION_NAME])
    samples_jsonl = hub_board.download(repo_id, pull, paths[SAMPLES_NAME])
    submission, _ = read_submission(submission_json)
    benchmark = submission.benchmark if submission else ""
    known = known_fingerprints(main.folder, boards, benchmark, workers=workers, marks=marks)
    return pull, verify(submission_json, samples_jsonl, boards, path=folder, known=known, before=reasons)


def known_fingerprints(
    results: Path,
    boards: Mapping[str, GoldBoard],
    benchmark: str,
    *,
    workers: int | None = None,
    marks: Marks | None = None,
) -> list[Fingerprint]:
    """Return the fingerprints of the submissions to a benchmark on main; `marks` caches them."""
    chosen, marks = [], {} if marks is None else marks
    for folder in submission_folders(results):
        submission, _ = read_submission(read_folder(results / folder, results)[0])
        if submission and submission.benchmark == benchmark:
            chosen.append(folder)
    new = [folder for folder in chosen if folder not in marks]
    marks.update(zip(new, each(partial(_mark, results, boards), new, workers), strict=True))
    return [mark for folder in chosen if (mark := marks[folder]) is not None]


def _mark(results: Path, boards: Mapping[str, GoldBoard], folder: str) -> Fingerprint | None:
    outcome = verify_folder(results, folder, boards)
    return None if outcome.decision == "reject" else outcome.print_of


def _verify(results: Path, boards: Mapping[str, GoldBoard], folder: str) -> Verification:
    return without_samples(verify_folder(results, folder, boards))


def verify_all(
    results: Path,
    boards: Mapping[str, GoldBoard],
    *,
    workers: int | None = None,
    progress: Progress = _SILENT,
) -> list[Verification]:
    """Verify every submission of a results folder like `load_entries`; outcomes in order of folders."""
    folders, review = in_review_order(results), Review(results)
    outcomes = []
    for alone in each(partial(_verify, results, boards), folders, workers):
        outcomes.append(review(alone))
        progress(len(outcomes), len(folders))
    return sorted(outcomes, key=lambda outcome: outcome.path)


def decide(outcome: Verification, decision: Decision, why: str) -> Verification:
    """Decide on a held submission as a maintainer; refused submissions stay refused.

    Raises:
        ConfigError: If the submission is not held.
    """
    if outcome.decision != "hold":
        raise ConfigError(f"{outcome.path} is not held; its decision is already {outcome.decision}")
    severity = {"accept": "hold", "reject": "reject", "hold": "hold"}[decision]
    decided = Reason("decided", f"a maintainer decided to {decision}: {why}", severity)  # type: ignore[arg-type]
    return replace(outcome, reasons=(*outcome.reasons, decided), decided=decision)
