"""Tables of a board: ranks, intervals, paired tests, win-rates and baselines.

Paired test: both models are scored on the same bootstrap resamples; p is twice the share of resamples on
which the difference has the other sign or is zero, with one added to numerator and denominator. It assumes
nothing about the metric.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rise_bench.annotations.kinds import fit_baselines
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.leaderboards.ranking.entries import Entry, shown_interval
from rise_bench.leaderboards.submissions.schema import BOARD_SHOTS, Shots
from rise_bench.leaderboards.verification.gold_board import BoardSettings, GoldBoard
from rise_bench.leaderboards.verification.verifier import HIDDEN_DIGITS
from rise_bench.scoring.bootstrap import RESAMPLES, Interval, draw, interval
from rise_bench.scoring.scores import aggregate, collect, score_annotation


@dataclass(frozen=True, slots=True)
class Paired:
    """Difference from another row (this minus the other), and the two-sided p of the paired test.

    Attributes:
        difference: This row minus the other.
        p: Value of p, or what it is at most.
        is_bound: Whether p is only known to be at most that.
    """

    difference: float
    p: float
    is_bound: bool = False

    @property
    def text(self) -> str:
        """P for display; empty if nothing is known of it."""
        if self.is_bound:
            return "p ≤ 0.05" if self.is_sure else ""
        return "p < 0.01" if self.p < 0.01 else f"p {self.p:.2f}"

    @property
    def is_sure(self) -> bool:
        """Whether p is below 0.05, or known to be at most that."""
        return self.p <= 0.05 if self.is_bound else self.p < 0.05

    def to_json(self) -> dict[str, Any]:
        """Return difference and p as plain JSON values; a bound of p under a name of its own."""
        return {"difference": self.difference, "p_at_most" if self.is_bound else "p": self.p}


@dataclass(frozen=True)
class Row:
    """Row of a table.

    Attributes:
        entry: The submission.
        rank: Rank among the ranked rows, 1 for the best; equal scores share a rank. None if not ranked.
        rank_of_all: Rank among all rows, ranked or not.
        above: Comparison with the row above in the same part of the board; None for the first.
        rise: Comparison with the pinned RISE submission, or None.
        run: Number of this submission among those of its model on this board, by date, from 1.
        runs: Submissions of its model on this board.
    """

    entry: Entry
    rank: int | None
    rank_of_all: int
    above: Paired | None
    rise: Paired | None
    run: int
    runs: int


@dataclass(frozen=True)
class Baseline:
    """Baseline, scored like a submission."""

    name: str
    metrics: Mapping[str, float]
    main: Interval


@dataclass(frozen=True)
class Table:
    """Board: a benchmark in a shot setting.

    Attributes:
        spec: The benchmark.
        shots: 4-shot, 16-shot or full.
        rows: Ranked rows, best first.
        apart: Recomputed rows without a rank, best first.
        baselines: Baselines, best first.
        rise: Key of the displayed RISE submission, or "".
        reference: Opponent of the win-rate, or "".
        samples: Samples of the test split.
        hidden: Whether ground truth and answers are hidden.
    """

    spec: BenchmarkSpec
    shots: Shots
    rows: tuple[Row, ...]
    apart: tuple[Row, ...]
    baselines: tuple[Baseline, ...]
    rise: str
    reference: str
    samples: int
    hidden: bool = False

    @property
    def name(self) -> str:
        """Name in links and settings, e.g. "emotion6/full"."""
        return f"{self.spec.name}/{self.shots}"

    @property
    def all_rows(self) -> tuple[Row, ...]:
        """Ranked rows, then rows without a rank."""
        return self.rows + self.apart


def paired(this: Entry, other: Entry, *, hidden: bool = False) -> Paired:
    """Test two entries of a benchmark on their common resamples.

    Where the truth is hidden, p is said to be at most 0.05, or at most 1: more of it tells single samples.
    """
    differences = this.resampled - other.resampled
    differences = differences[np.isfinite(differences)]
    fewer = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    p = min(1.0, 2 * (fewer + 1) / (len(differences) + 1))
    if hidden:
        p = 0.05 if p <= 0.05 else 1.0
    return Paired(this.main.value - other.main.value, p, hidden)


def build_tables(
    settings: BoardSettings, boards: Mapping[str, GoldBoard], entries: Sequence[Entry]
) -> list[Table]:
    """Rank the entries of every board, in the order of the settings."""
    tables = []
    for name, board in boards.items():
        baselines = score_baselines(board)
        for shots in BOARD_SHOTS:
            chosen = [
                e
                for e in entries
                if e.submission.benchmark == name and e.submission.shots in (shots, "0-shot")
            ]
            tables.append(_table(settings, board, shots, chosen, baselines))
    return tables


def _table(
    settings: BoardSettings,
    board: GoldBoard,
    shots: Shots,
    entries: Sequence[Entry],
    baselines: tuple[Baseline, ...],
) -> Table:
    spec = board.spec
    cost = spec.ranking.cost
    ordered = sorted(entries, key=lambda e: (cost(e.main.value), e.submission.run.date, e.path))
    pinned = settings.rise.get(f"{spec.name}/{shots}")
    rise = next((e for e in ordered if e.path == pinned), None)
    runs, ranks_of_all = _numbered(ordered), _ranks(ordered)
    parts: dict[bool, tuple[Row, ...]] = {}
    for ranked in (True, False):
        part = [entry for entry in ordered if entry.ranked is ranked]
        ranks = _ranks(part)
        parts[ranked] = tuple(
            Row(
                entry,
                ranks[entry.path] if ranked else None,
                ranks_of_all[entry.path],
                paired(entry, above, hidden=board.pin.hidden) if above else None,
                paired(entry, rise, hidden=board.pin.hidden) if rise and entry is not rise else None,
                *runs[entry.path],
            )
            for above, entry in zip([None, *part], part, strict=False)
        )
    reference = board.reference.name if board.reference else ""
    key = rise.key if rise else ""
    samples, hidden = len(board.golds), board.pin.hidden
    return Table(spec, shots, parts[True], parts[False], baselines, key, reference, samples, hidden)


def _ranks(entries: Sequence[Entry]) -> dict[str, int]:
    """Rank entries, best first: folder -> rank; equal scores share a rank."""
    ranks: dict[str, int] = {}
    last: Entry | None = None
    for number, entry in enumerate(entries, start=1):
        same = last is not None and last.main.value == entry.main.value
        ranks[entry.path] = ranks[last.path] if same and last else number
        last = entry
    return ranks


def _numbered(entries: Sequence[Entry]) -> dict[str, tuple[int, int]]:
    """Number the submissions of each model by date: folder -> (number, count)."""

    def model(entry: Entry) -> str:
        return entry.submission.model.id.casefold()

    numbers: dict[str, tuple[int, int]] = {}
    for _, group in groupby(sorted(entries, key=lambda e: (model(e), e.submission.run.date, e.path)), model):
        of_model = list(group)
        numbers |= {entry.path: (i, len(of_model)) for i, entry in enumerate(of_model, start=1)}
    return numbers


def score_baselines(board: GoldBoard, resamples: int = RESAMPLES) -> tuple[Baseline, ...]:
    """Score the baselines like submissions; without a train split, those that need none."""
    picks: NDArray[np.intp] = draw(len(board.golds), resamples, seed=0)
    baselines = []
    for name, predict in fit_baselines(board.train, board.golds).items():
        scores = [score_annotation(gold, predict(gold)) for gold in board.golds]
        ranking = collect(board.spec.ranking, board.golds, scores)
        report = aggregate(
            board.spec, board.golds, scores, reference=board.reference, resamples=0, ranking=ranking
        )
        hidden = board.pin.hidden
        values = {
            metric: round(around.value, HIDDEN_DIGITS) if hidden else around.value
            for metric, around in report.metrics.items()
        }
        main = shown_interval(interval(ranking.value(), ranking.resample(picks)), hidden)
        baselines.append(Baseline(name, values, main))
    cost = board.spec.ranking.cost
    return tuple(sorted(baselines, key=lambda baseline: (cost(baseline.main.value), baseline.name)))


def table_json(table: Table) -> dict[str, Any]:
    """Return a table as plain JSON values, for export."""
    return {
        "board": table.name,
        "benchmark": table.spec.name,
        "shots": table.shots,
        "metric": table.spec.metric,
        "higher_is_better": table.spec.ranking.higher_is_better,
        "samples": table.samples,
        "win_rate_reference": table.reference,
        "rise": table.rise,
        "rows": [row_json(row) for row in table.rows],
        "recomputed_rows": [row_json(row) for row in table.apart],
        "floors": [
            {
                "name": f.name,
                "value": f.main.value,
                "low": f.main.low,
                "high": f.main.high,
                "metrics": dict(f.metrics),
            }
            for f in table.baselines
        ],
    }


def row_json(row: Row) -> dict[str, Any]:
    """Return a row as plain JSON values."""
    entry, submission = row.entry, row.entry.submission
    return {
        "rank": row.rank,
        "rank_of_all": row.rank_of_all,
        "key": entry.key,
        "path": entry.path,
        "author": entry.author,
        "model": submission.model.model_dump(mode="json"),
        "shots": submission.shots,
        "tier": entry.tier,
        "date": submission.run.date,
        "value": entry.main.value,
        "low": entry.main.low,
        "high": entry.main.high,
        "metrics": dict(entry.metrics),
        "above": row.above.to_json() if row.above else None,
        "rise": row.rise.to_json() if row.rise else None,
        "run": row.run,
        "runs": row.runs,
    }
