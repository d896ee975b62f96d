"""Scored submissions of a results folder: every one is verified and scored again, in parallel.

A results folder holds `board.json`, `submissions/<author>/<name>/`, the verifier's
`reports/<author>/<name>.json` and the maintainers' `reproductions/<author>/<name>.json`. What a report says
about scores is not used; it only records that a person accepted what the verifier held.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rise_bench.average_precision import Matches, resample_ap50
from rise_bench.bootstrap import RESAMPLES, Interval, draw, interval
from rise_bench.leaderboards.boards import BoardSettings, GoldBoard
from rise_bench.leaderboards.parallel import each
from rise_bench.leaderboards.submission_tree import FOLDER, is_submission_folder, read_folder
from rise_bench.leaderboards.verifier import Verification, verify
from rise_bench.registry import BenchmarkSpec
from rise_bench.scoring import SampleScore
from rise_bench.strict_json import StrictJsonError, loads
from rise_bench.submission import Reason, Submission

#: Called with (submissions done, submissions in all).
Progress = Callable[[int, int], None]
#: Told of each scored submission in the worker, e.g. to write its samples.
Visitor = Callable[[Verification, GoldBoard], None]


@dataclass(frozen=True)
class Entry:
    """A submission that may be shown.

    Attributes:
        path: Its folder, "submissions/<author>/<name>".
        submission: What it says.
        tier: "recomputed", or "reproduced" if maintainers ran a part of it again.
        metrics: Recomputed values by metric.
        main: Ranking metric with its 95% interval.
        resampled: Ranking metric on the bootstrap resamples, which all entries of a benchmark share.
        read: How many responses were read or not, by reason.
        reproduction: The maintainers' record; None if there is none.
    """

    path: str
    submission: Submission
    tier: str
    metrics: Mapping[str, float]
    main: Interval
    resampled: NDArray[np.float64]
    read: Mapping[str, int]
    reproduction: Mapping[str, Any] | None = None

    @property
    def author(self) -> str:
        """Account that sent it."""
        return self.path.split("/")[1]

    @property
    def key(self) -> str:
        """Name in links, "<author>--<name>"."""
        return "--".join(self.path.split("/")[1:])


@dataclass(frozen=True)
class Refused:
    """A submission that is not shown, and why."""

    path: str
    reasons: tuple[Reason, ...]


def submission_folders(results: Path) -> list[str]:
    """Return the folders of all submissions, sorted."""
    return sorted(
        f"{FOLDER}/{path.parent.name}/{path.name}"
        for path in results.glob(f"{FOLDER}/*/*")
        if is_submission_folder(f"{FOLDER}/{path.parent.name}/{path.name}")
    )


def verify_folder(results: Path, folder: str, boards: Mapping[str, GoldBoard]) -> Verification:
    """Verify one submission of a results folder, without comparing it with others."""
    submission_json, samples_jsonl, reasons = read_folder(results / folder)
    return verify(submission_json, samples_jsonl, boards, path=folder, before=reasons)


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
    """Verify and score every submission that is not hidden.

    Args:
        results: Results folder.
        settings: Its `board.json`.
        boards: Truth by benchmark.
        visit: Called in the worker process for each submission that is shown.
        workers: Processes; the number of CPUs when None.
        resamples: Bootstrap resamples.
        progress: Told after each submission.

    Returns:
        Entries in order of their folders, and what is not shown.
    """
    folders = [folder for folder in submission_folders(results) if folder not in settings.hidden]
    job = _Job(results, boards, visit, resamples)
    found: list[Entry | Refused] = []
    for outcome in each(job, folders, workers or os.cpu_count() or 1):
        found.append(outcome)
        progress(len(found), len(folders))
    return [e for e in found if isinstance(e, Entry)], [r for r in found if isinstance(r, Refused)]


@dataclass(frozen=True)
class _Job:
    results: Path
    boards: Mapping[str, GoldBoard]
    visit: Visitor | None
    resamples: int

    def __call__(self, folder: str) -> Entry | Refused:
        outcome = verify_folder(self.results, folder, self.boards)
        accepted = outcome.decision == "accept" or (
            outcome.decision == "hold" and accepted_by_person(self.results, outcome)
        )
        if not accepted or outcome.submission is None or outcome.report is None:
            return Refused(folder, outcome.reasons)
        board = self.boards[outcome.submission.benchmark]
        if self.visit is not None:
            self.visit(outcome, board)
        record = read_reproduction(self.results, outcome)
        picks = draw(len(board.golds), self.resamples, seed=0)
        resampled = resample_main(board.spec, outcome.scores, outcome.matches, picks)
        value = outcome.report.metrics[board.spec.metric].value
        return Entry(
            folder,
            outcome.submission,
            "reproduced" if record and record.get("agrees") is True else "recomputed",
            {name: metric.value for name, metric in outcome.report.metrics.items()},
            interval(value, picks, lambda _: resampled),
            resampled,
            outcome.report.reasons,
            record,
        )


def resample_main(
    spec: BenchmarkSpec,
    scores: Sequence[SampleScore],
    matches: Sequence[Matches],
    picks: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Return the ranking metric on each resample; shape (resamples,). `matches` is used for AP only."""
    if spec.metric == "ap50":
        return resample_ap50(matches, picks)
    values = np.array([main_score(spec, score) for score in scores], dtype=np.float64)
    means: NDArray[np.float64] = values[picks].mean(axis=1)
    return means


def main_score(spec: BenchmarkSpec, score: SampleScore) -> float:
    """What one sample adds to the ranking metric: its JSD, whether it is right, or (boxes) its similarity."""
    if spec.metric == "jsd":
        return score.jsd or 0.0
    if spec.metric == "accuracy":
        return float(bool(score.correct))
    return score.similarity


def accepted_by_person(results: Path, outcome: Verification) -> bool:
    """Whether a report on main accepts these very bytes although the verifier holds them."""
    report = _read_record(results, "reports", outcome)
    return report is not None and report.get("decision") == "accept"


def read_reproduction(results: Path, outcome: Verification) -> Mapping[str, Any] | None:
    """Return the maintainers' record of a reproduction of these very samples, if there is one."""
    return _read_record(results, "reproductions", outcome)


def _read_record(results: Path, kind: str, outcome: Verification) -> Mapping[str, Any] | None:
    path = results / kind / (outcome.path.partition("/")[2] + ".json")
    try:
        record = loads(path.read_bytes())
    except (FileNotFoundError, StrictJsonError):
        return None
    same = isinstance(record, dict) and record.get("samples_sha256") == outcome.samples_sha256
    return record if same else None
