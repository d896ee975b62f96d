"""Shared parts of `rise-bench leaderboard`: options, opening a board, reports, progress."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

ResultsOption = Annotated[
    str, typer.Option("--results", help="Results: a local folder, or ORG/NAME of a dataset on the Hub.")
]
DataOption = Annotated[
    list[Path] | None, typer.Option("--data", help="Dataset folder; found by name if left out. Repeatable.")
]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="Processes; all cores if left out.")]


def open_board(results: str, data: list[Path] | None) -> tuple[Any, Path, Any]:
    """Return settings, local folder and loaded truth of a results folder or dataset."""
    from rise_bench.leaderboards.moderation.results_repo import fetch_main
    from rise_bench.leaderboards.verification.gold_board import load_boards, read_settings

    folder = Path(results) if Path(results).is_dir() else fetch_main(results).folder
    settings = read_settings(folder)
    return settings, folder, load_boards(settings, data or ())


def boards_of(data: list[Path] | None, submission: Path) -> Any:
    """Load the given datasets, else the one that the submission names, from where datasets are found."""
    from rise_bench.hub.find import find_benchmark
    from rise_bench.leaderboards.submissions.schema import read_submission
    from rise_bench.leaderboards.submissions.tree import read_folder
    from rise_bench.leaderboards.verification.gold_board import load_gold

    datasets = [find_benchmark(name, images=False) for name in data or ()]
    if not datasets:
        content, _ = read_submission(read_folder(submission)[0])
        datasets = [find_benchmark(content.benchmark)] if content else []
    loaded = map(load_gold, datasets)
    return {board.spec.name: board for board in loaded}


def report(outcomes: list[Any], out: Path | None, as_json: bool) -> None:
    """Print verdicts, and write each into a folder if one is given."""
    from rise_bench.files.atomic import atomic_write_text
    from rise_bench.leaderboards.verification.verifier import render_report

    for outcome in outcomes:
        if out is not None:
            name = outcome.path.removeprefix("submissions/") or "submission"
            atomic_write_text(out / f"{name}.json", render_report(outcome))
        if not as_json:
            typer.echo(f"{outcome.decision}: {outcome.path or '(no folder)'}")
            for reason in outcome.reasons:
                typer.echo(f"  {reason.severity} {reason.code}: {reason.message}")
    if as_json:
        reports = [outcome.to_json() for outcome in outcomes]
        typer.echo(json.dumps(reports, indent=2, sort_keys=True))
