"""Scored submissions of a results folder, each verified and scored again, in parallel.

A results folder holds `board.json`, `submissions/<author>/<name>/`, the verifier's
`reports/<author>/<name>.json` and the maintainers' `reproductions/<author>/<name>.json`. Scores in a report
are not used; it only records that a maintainer accepted a held submission.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rise_bench.errors import ConfigError
from rise_bench.files.strict_json import StrictJsonError, loads
from rise_bench.leaderboards.parallel import each
from rise_bench.leaderboards.submissions.reasons import Reason
from rise_bench.leaderboards.submissions.schema import BOARD_SHOTS, Submission
from rise_bench.leaderboards.submissions.tree import FOLDER, is_submission_folder, read_folder, report_path
from rise_bench.leaderboards.verification.gold_board import BOARD_NAME, BoardSettings, GoldBoard
from rise_bench.leaderboards.verification.suspicion import (
    Fingerprint,
    probing,
    resemblance,
)
from rise_bench.leaderboards.verification.verifier import HIDDEN_DIGITS, Verification, verify
from rise_bench.scoring.bootstrap import RESAMPLES, Interval, draw, interval

_log = logging.getLogger(__name__)

#: Called with (submissions done, submissions in all).
Progress = Callable[[int, int], None]
#: Called in the worker with each scored submission, e.g. to write its samples.
Visitor = Callable[[Verification, GoldBoard], None]


@dataclass(frozen=True)
class Entry:
    """Submission that is displayed.

    Attributes:
        path: Its folder, "submissions/<author>/<name>".
        submission: Content of `submission.json`.
        tier: "reproduced" after a second run by maintainers, "hidden-split" if the ground truth is hidden,
            else "recomputed".
        metrics: Recomputed values by metric.
        main: Ranking metric with its 95% interval.
        resampled: Ranking metric on the bootstrap resamples, shared by all entries of a benchmark.
        read: Number of responses by reason: "ok", or why they are unreadable.
    """

    path: str
    submission: Submission
    tier: str
    metrics: Mapping[str, float]
    main: Interval
    resampled: NDArray[np.float64]
    read: Mapping[str, int]

    @property
    def ranked(self) -> bool:
        """Whether it is ranked; recomputed submissions may be public ground truth with noise."""
        return self.tier != "recomputed"

    @property
    def author(self) -> str:
        """Account that sent it."""
        return self.path.split("/")[1]

    @property
    def key(self) -> str:
        """Unique name in links."""
        return key_of(self.path)


@dataclass(frozen=True)
class Refused:
    """Submission that is not displayed, with the reasons."""

    path: str
    reasons: tuple[Reason, ...]


def key_of(folder: str) -> str:
    """Return the name in links of a submission, "<author>--<name>", or with a dot if that is ambiguous.

    >>> key_of("submissions/anna/tiny"), key_of("submissions/a--b/c"), key_of("submissions/a/b--c")
    ('anna--tiny', 'a--b.c', 'a--b--c')
    """
    author, name = folder.split("/")[1:]
    return f"{author}.{name}" if "--" in author or author.endswith("-") else f"{author}--{name}"


def submission_folders(results: Path) -> list[str]:
    """Return the folders of all submissions, sorted."""
    return sorted(
        f"{FOLDER}/{path.parent.name}/{path.name}"
        for path in results.glob(f"{FOLDER}/*/*")
        if is_submission_folder(f"{FOLDER}/{path.parent.name}/{path.name}")
    )


def verify_folder(results: Path, folder: str, boards: Mapping[str, GoldBoard]) -> Verification:
    """Verify a submission of a results folder without comparing it with others."""
    submission_json, samples_jsonl, reasons = read_folder(results / folder, results)
    return verify(submission_json, samples_jsonl, boards, path=folder, before=reasons)


def in_review_order(results: Path) -> list[str]:
    """Return the folders of all submissions in review order: those with a report on main, then by path."""
    folders = submission_folders(results)
    return sorted(folders, key=lambda folder: (not (results / report_path(folder)).is_file(), folder))


class Review:
    """Comparison of the submissions in a results folder with earlier ones, in review order.

    Decisions of maintainers hold; refused and held submissions are not displayed.
    """

    def __init__(self, results: Path) -> None:
        self._results = results
        self._known: dict[str, list[Fingerprint]] = {}
        self._folders: set[str] = set()

    def __call__(self, outcome: Verification) -> Verification:
        """Return the outcome with the reasons of the comparison."""
        mark, reasons = outcome.print_of, list(outcome.reasons)
        if outcome.path.casefold() in self._folders:
            message = f"{outcome.path} differs from another folder only in upper and lower case; rename it"
            reasons.append(Reason("path_taken", message))
        self._folders.add(outcome.path.casefold())
        known: list[Fingerprint] = []
        if mark is not None and outcome.submission is not None:
            known = self._known.setdefault(outcome.submission.benchmark, [])
            compared = resemblance(mark, known, hidden=outcome.hidden)
            if accepted_by_maintainer(self._results, outcome):
                # it was here first; what came later may be reviewed before it, by its path
                compared = [replace(reason, severity="hold") for reason in compared]
            reasons += compared + (probing(mark, known) if outcome.hidden else [])
        outcome = replace(outcome, reasons=tuple(reasons))
        if outcome.decision == "hold" and accepted_by_maintainer(self._results, outcome):
            outcome = replace(outcome, decided="accept")
        if mark is not None and outcome.decision != "reject":
            known.append(mark)
        return outcome


def load_entries(
    results: Path,
    settings: BoardSettings,
    boards: Mapping[str, GoldBoard],
    *,
    visit: Visitor | None = None,
    workers: int | None = None,
    resamples: int = RESAMPLES,
    progress: Progress = lambda done, total: None,  # noqa: ARG005
) -> tuple[list[Entry], list[Refused]]:
    """Verify, compare and score every submission; hidden ones are only compared with.

    Args:
        results: Results folder.
        settings: Its `board.json`.
        boards: Ground truth by benchmark.
        visit: Called in the worker process for each submission that passes before the comparison.
        workers: Processes; the number of CPUs when None.
        resamples: Bootstrap resamples.
        progress: Called after each submission.

    Returns:
        Entries in order of their folders, and refused submissions.

    Raises:
        ConfigError: `board.json` names a board or a submission that does not exist.
    """
    folders, review = in_review_order(results), Review(results)
    _check_names(settings, folders)
    job = _Job(results, boards, visit, resamples, frozenset(settings.hidden))
    entries, refused = [], []
    scored = each(job, folders, workers)
    for done, (alone, entry) in enumerate(scored, start=1):
        outcome = review(alone)
        if outcome.path in settings.hidden:
            pass  # only compared with
        elif entry is not None and outcome.decision == "accept":
            entries.append(entry)
        else:
            refused.append(Refused(outcome.path, outcome.reasons))
        progress(done, len(folders))
    return sorted(entries, key=lambda e: e.path), sorted(refused, key=lambda r: r.path)


def _check_names(settings: BoardSettings, folders: Collection[str]) -> None:
    """Refuse entries of board.json without effect; of an absent RISE submission, only say so."""
    boards = [f"{name}/{shots}" for name in settings.benchmarks for shots in BOARD_SHOTS]
    for key, asked, known in (("rise", settings.rise, boards), ("hidden", settings.hidden, folders)):
        if unknown := next((name for name in asked if name not in known), None):
            near = get_close_matches(unknown, known, 1, 0) or ["none yet"]
            raise ConfigError(
                f"{BOARD_NAME}: {key!r} names {unknown!r}, which does not exist; the nearest is {near[0]!r}. "
                "Correct the name, or remove the entry."
            )
    for board, folder in settings.rise.items():
        if folder not in folders:
            _log.warning("%s: 'rise' names %s for %s, which does not exist", BOARD_NAME, folder, board)


@dataclass(frozen=True)
class _Job:
    results: Path
    boards: Mapping[str, GoldBoard]
    visit: Visitor | None
    resamples: int
    hidden: frozenset[str]

    def __call__(self, folder: str) -> tuple[Verification, Entry | None]:
        outcome = verify_folder(self.results, folder, self.boards)
        shown = outcome.decision == "accept" or (
            outcome.decision == "hold" and accepted_by_maintainer(self.results, outcome)
        )
        entry = self._entry(outcome) if shown and folder not in self.hidden else None
        return without_samples(outcome), entry

    def _entry(self, outcome: Verification) -> Entry:
        assert outcome.submission is not None
        assert outcome.report is not None
        board = self.boards[outcome.submission.benchmark]
        if self.visit is not None:
            self.visit(outcome, board)
        picks = draw(len(board.golds), self.resamples, seed=0)
        assert outcome.ranking is not None
        value, resampled = outcome.ranking.value(), outcome.ranking.resample(picks)
        return Entry(
            outcome.path,
            outcome.submission,
            _tier(read_reproduction(self.results, outcome), board),
            outcome.metrics,
            shown_interval(interval(value, resampled), outcome.hidden),
            resampled,
            outcome.report.reasons,
        )


def shown_interval(main: Interval, hidden: bool) -> Interval:
    """Return an interval, rounded if the ground truth is hidden."""
    return Interval(*(round(v, HIDDEN_DIGITS) for v in (main.value, main.low, main.high))) if hidden else main


def _tier(record: Mapping[str, Any] | None, board: GoldBoard) -> str:
    if record and record.get("agrees") is True:
        return "reproduced"
    return "hidden-split" if board.pin.hidden else "recomputed"


def without_samples(outcome: Verification) -> Verification:
    """Return an outcome without its samples, for transfer between processes."""
    return replace(outcome, scores=(), ranking=None)


def accepted_by_maintainer(results: Path, outcome: Verification) -> bool:
    """Whether a report on main accepts exactly these bytes of a submission."""
    report = _read_record(results, "reports", outcome)
    return report is not None and report.get("decision") == "accept"


def read_reproduction(results: Path, outcome: Verification) -> Mapping[str, Any] | None:
    """Return the maintainers' record of a reproduction of exactly these samples, or None."""
    return _read_record(results, "reproductions", outcome)


def _read_record(results: Path, kind: str, outcome: Verification) -> Mapping[str, Any] | None:
    path = results / kind / (outcome.path.partition("/")[2] + ".json")
    try:
        record = loads(path.read_bytes())
    except (FileNotFoundError, StrictJsonError):
        return None
    same = isinstance(record, dict) and record.get("samples_sha256") == outcome.samples_sha256
    return record if same else None
