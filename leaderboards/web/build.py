"""Build of the site: static files for any file server or a static Space."""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from rise_bench.data.replacing import refuse_to_replace_unless
from rise_bench.files.atomic import atomic_directory
from rise_bench.files.json_text import finite
from rise_bench.leaderboards.ranking.entries import Entry, Progress, Refused, load_entries
from rise_bench.leaderboards.ranking.tables import Table, build_tables, table_json
from rise_bench.leaderboards.verification.gold_board import BoardSettings, GoldBoard
from rise_bench.leaderboards.web.data import RunWriter, write_gold, write_runs_index
from rise_bench.leaderboards.web.pages import pages

_STATIC = ("site.css", "site.js", "samples.js", "icon.svg")
#: Front matter of a static Space.
_SPACE_CARD = """\
---
title: {title}
sdk: static
app_file: index.html
---

Built by `rise-bench leaderboard build`; rules.html says how scores come about.
"""
_CSV_COLUMNS = (
    "board", "rank", "author", "model", "revision", "name", "method", "shots", "tier", "date",
    "metric", "value", "low", "high", "parse_rate", "path", "rank_of_all",
    "parameters", "base_model", "license",
)  # fmt: skip


@dataclass(frozen=True)
class Built:
    """Boards, entries, and refused submissions of a built site."""

    tables: list[Table]
    entries: list[Entry]
    refused: list[Refused]


def build_site(
    results: Path,
    settings: BoardSettings,
    boards: Mapping[str, GoldBoard],
    out: Path,
    *,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress = lambda done, total: None,  # noqa: ARG005
) -> Built:
    """Verify and score everything, and write the site.

    Args:
        results: Results folder.
        settings: Its `board.json`.
        boards: Ground truth by benchmark.
        out: New folder; nothing is left there if the build fails.
        workers: Processes that score; the number of CPUs if None.
        overwrite: Replace an existing site.
        progress: Called after each submission.

    Raises:
        ConfigError: If `out` is not empty and `overwrite` is not set.
    """
    if overwrite:
        refuse_to_replace_unless(out, "leaderboard.json", '"format_version"')
    with atomic_directory(out, overwrite=overwrite) as work:
        for board in boards.values():
            if not board.pin.hidden:
                write_gold(board, work)
        writer = RunWriter(results, work)
        entries, refused = load_entries(
            results, settings, boards, visit=writer, workers=workers, progress=progress
        )
        for copy in refused:
            writer.path_of(copy.path).unlink(missing_ok=True)
        tables = build_tables(settings, boards, entries)
        write_runs_index([e for e in entries if not boards[e.submission.benchmark].pin.hidden], work)
        _write_pages(work, settings.title, tables)
        (work / "leaderboard.json").write_text(leaderboard_json(settings.title, tables), "utf-8")
        (work / "leaderboard.csv").write_text(leaderboard_csv(tables), "utf-8")
    return Built(tables, entries, refused)


def _write_pages(work: Path, site: str, tables: Sequence[Table]) -> None:
    package = resources.files("rise_bench.leaderboards")
    for name in _STATIC:
        (work / name).write_bytes((package / "web" / "static" / name).read_bytes())
    files = pages(site, (package / "rules.md").read_text("utf-8"), tables)
    files["README.md"] = _SPACE_CARD.format(title=json.dumps(site))
    for name, text in files.items():
        (work / name).write_text(text, "utf-8")


def leaderboard_json(title: str, tables: Sequence[Table]) -> str:
    """Return every board as JSON for other trackers; NaN becomes null."""
    content = {"format_version": 1, "title": title, "boards": [table_json(table) for table in tables]}
    return json.dumps(finite(content), indent=1, ensure_ascii=False) + "\n"


def leaderboard_csv(tables: Sequence[Table]) -> str:
    """Return every row of every board as CSV, with formulas of spreadsheets quoted."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_CSV_COLUMNS)
    for table in tables:
        for row in table.all_rows:
            entry, model = row.entry, row.entry.submission.model
            texts = (entry.author, model.id, model.revision, model.name, model.method)
            writer.writerow(
                [table.name, row.rank, *map(_no_formula, texts), entry.submission.shots, entry.tier]
                + [entry.submission.run.date, table.spec.metric]
                + [f"{v:.9g}" for v in (entry.main.value, entry.main.low, entry.main.high)]
                + [f"{entry.metrics['parse_rate']:.9g}", entry.path, row.rank_of_all]
                + [model.parameters or "", model.base_model, _no_formula(model.license)]
            )
    return out.getvalue()


#: Beginning of a formula (=, +, - and @ in any width) in a cell, also at other separators, and after blanks
#: and invisible characters.
_FORMULA = re.compile(
    r"((?:^|[,;|\t\r\n\v\f\x1c-\x1f\x85\u2028\u2029])"
    r"[\s\x00-\x1f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff'\"]*)"
    r"([=+\-@＝＋－＠﹦﹢﹣﹫⁼₌⁺₊⁻₋−])"
)


def _no_formula(text: str) -> str:
    quoted = _FORMULA.sub(r"\1'\2", text)
    return f"'{quoted}" if text[:1].isspace() else quoted
