"""Submissions by model: one overview over all benchmarks, and the history of each model."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from rise_bench.leaderboards.ranking.entries import Entry
from rise_bench.leaderboards.ranking.tables import Row, Table
from rise_bench.leaderboards.submissions.schema import Model


@dataclass(frozen=True)
class Past:
    """Submission of a model on a board."""

    table: Table
    row: Row

    @property
    def entry(self) -> Entry:
        """The submission."""
        return self.row.entry


@dataclass(frozen=True)
class ModelHistory:
    """Submissions of a model.

    Attributes:
        past: Its submissions on every board, oldest first.
        best: Board -> its best row there, a ranked one if it has any.
    """

    past: tuple[Past, ...]
    best: dict[str, Row]

    @property
    def model(self) -> Model:
        """The model, as its newest submission states it."""
        return self.past[-1].entry.submission.model

    @property
    def file(self) -> str:
        """File of its page. An id has no "--", and upper and lower case name the same model."""
        return f"model-{self.model.id.casefold().replace('/', '--')}.html"

    @property
    def ranks(self) -> list[int]:
        """Its ranks on the boards where it is ranked."""
        return [row.rank for row in self.best.values() if row.rank is not None]


def histories(tables: Sequence[Table]) -> list[ModelHistory]:
    """Return the history of every model, by id."""
    past: dict[str, list[Past]] = {}
    for table in tables:
        for row in table.all_rows:
            past.setdefault(row.entry.submission.model.id.casefold(), []).append(Past(table, row))
    return [_history(of_model) for _, of_model in sorted(past.items())]


def _history(of_model: Sequence[Past]) -> ModelHistory:
    best: dict[str, Row] = {}
    for past in of_model:
        best.setdefault(past.table.name, past.row)  # rows come best first, ranked ones before others
    ordered = sorted(of_model, key=lambda p: (p.entry.submission.run.date, p.entry.path, p.table.name))
    return ModelHistory(tuple(ordered), best)


def in_overview(models: Sequence[ModelHistory], boards: Sequence[str]) -> list[ModelHistory]:
    """Return the models with a row on one of the boards: most ranked boards first, then the mean rank."""

    def order(history: ModelHistory) -> tuple[int, float, str]:
        ranks = [row.rank for name, row in history.best.items() if name in boards and row.rank is not None]
        return -len(ranks), fmean(ranks) if ranks else 0.0, history.model.id.casefold()

    return sorted((m for m in models if any(name in m.best for name in boards)), key=order)
