"""`rise-bench leaderboard`: commands for the maintainers of a board."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from rise_bench.cli import Commands, app
from rise_bench.cli.bars import progress_bar
from rise_bench.cli.board_options import (
    DataOption,
    ResultsOption,
    WorkersOption,
    boards_of,
    open_board,
    report,
)

board_app = typer.Typer(
    cls=Commands, no_args_is_help=True, help="Verify submissions, build the site, run models again."
)
app.add_typer(board_app, name="leaderboard")

#: Exit codes of `verify`; 1 means that it could not verify.
_EXIT = {"accept": 0, "hold": 3, "reject": 4}


@board_app.command()
def verify(
    target: Annotated[
        str, typer.Argument(help='Folder of a submission, number of a pull request, "open" or "all".')
    ],
    results: ResultsOption = "",
    data: DataOption = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Commit to main, close, or comment on the pull request.")
    ] = False,
    decide: Annotated[
        Literal["accept", "reject"] | None, typer.Option(help="Decide on a held submission.")
    ] = None,
    why: Annotated[str, typer.Option(help="Reason of the decision; recorded in the report.")] = "",
    out: Annotated[Path | None, typer.Option(help="Folder for the JSON reports.")] = None,
    workers: WorkersOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the reports as JSON.")] = False,
) -> None:
    """Verify a submission: accept (exit 0), hold for a maintainer (3), or reject with every reason (4).

    Nothing in a submission is executed; the same bytes give the same report. "open" means every open pull
    request, "all" every submission of a results folder.
    """
    from rise_bench.errors import ConfigError
    from rise_bench.leaderboards.moderation import batch as judge

    if (apply or decide) and not (target == "open" or target.isdigit()):
        raise ConfigError("--apply and --decide need a pull request; give its number, or drop them")
    if decide and not why:
        raise ConfigError("--decide needs --why: the reason is recorded in the report")
    if target == "open" or target.isdigit():
        show = functools.partial(report, out=out, as_json=as_json)
        outcomes = _verify_pulls(target, results, data, apply, decide, why, workers, show)
    else:
        if target == "all" and not results:
            raise ConfigError('"all" needs the board with --results: the folder or dataset to verify')
        if target == "all":
            _, folder, boards = open_board(results, data)
            with progress_bar("verify") as progress:
                outcomes = judge.verify_all(folder, boards, workers=workers, progress=progress)
        else:
            _, among, boards = (
                open_board(results, data) if results else (None, None, boards_of(data, Path(target)))
            )
            outcomes = [judge.verify_local(Path(target), boards, among, workers=workers)]
    report(outcomes, out, as_json)
    raise typer.Exit(max((_EXIT[o.decision] for o in outcomes), default=0))


def _verify_pulls(
    target: str,
    results: str,
    data: list[Path] | None,
    apply: bool,
    decision: Literal["accept", "reject"] | None,
    why: str,
    workers: int | None,
    show: Callable[[list[Any]], None],
) -> list[Any]:
    from rise_bench.errors import ConfigError, PrerequisiteError, RiseError
    from rise_bench.leaderboards.moderation import batch as judge
    from rise_bench.leaderboards.moderation import results_repo as hub_board

    if not results or Path(results).is_dir():
        raise ConfigError("a pull request is on the Hub; name its dataset with --results ORG/NAME")
    _, _, boards = open_board(results, data)
    numbers = hub_board.open_pull_requests(results) if target == "open" else [int(target)]
    outcomes, failures = [], []
    marks: dict[str, Any] = {}
    for number in numbers:
        try:
            main = hub_board.fetch_main(results)
            pull, outcome = judge.verify_pull_request(
                results, number, boards, main, workers=workers, marks=marks
            )
            if decision:
                outcome = judge.decide(outcome, decision, why)
            if apply:
                hub_board.conclude(results, pull, outcome, main.commit)
        except RiseError as error:
            failures.append(f"pull request {number}: {error}")
            continue
        outcomes.append(outcome)
    if failures:  # a request that cannot be read does not stop the others
        show(outcomes)
        raise PrerequisiteError("; ".join(failures))
    return outcomes


@board_app.command()
def build(
    out: Annotated[Path, typer.Option(help="Folder of the site.")],
    results: ResultsOption,
    data: DataOption = None,
    overwrite: Annotated[bool, typer.Option(help="Replace an existing site.")] = False,
    workers: WorkersOption = None,
) -> None:
    """Score every submission again and build the static site, for any file server or static Space."""
    from rise_bench.leaderboards.web.build import build_site

    settings, folder, boards = open_board(results, data)
    with progress_bar("score") as progress:
        built = build_site(
            folder, settings, boards, out, workers=workers, overwrite=overwrite, progress=progress
        )
    for refused in built.refused:
        reasons = "; ".join(f"{r.code}: {r.message}" for r in refused.reasons)
        typer.echo(f"not shown: {refused.path}: {reasons}", err=True)
    typer.echo(str(out / "index.html"))


@board_app.command()
def reproduce(
    submission: Annotated[str, typer.Argument(help="AUTHOR/NAME of a submission on the board.")],
    results: ResultsOption,
    seed: Annotated[
        str,
        typer.Option(
            help="Text that nobody knew when the submission was made; its merge commit if left out."
        ),
    ] = "",
    fraction: Annotated[float, typer.Option(help="Share of the samples to run again.")] = 0.1,
    data: DataOption = None,
    model: Annotated[Path | None, typer.Option(help="Local folder of the model at that commit.")] = None,
    model_args: Annotated[str, typer.Option(help="Further --model_args of lmms-eval.")] = "",
    out: Annotated[
        Path | None, typer.Option(help="File of the record; in the results folder if left out.")
    ] = None,
    time_limit: Annotated[
        float | None,
        typer.Option(min=0, help="Minutes until the run is killed; 10 plus 1 per sample if left out."),
    ] = None,
    memory_limit: Annotated[
        float | None,
        typer.Option(min=0, help="GiB of memory for the run; half of the machine's if left out."),
    ] = None,
    size_limit: Annotated[float, typer.Option(min=0, help="Largest model to download, in GiB.")] = 50,
) -> None:
    """Run a random part of an open-weights submission again and record how far it agrees.

    The model runs in a process without tokens and, on Linux, without network, bounded in time and memory.
    """
    import tempfile

    from rise_bench.errors import ConfigError
    from rise_bench.files.atomic import atomic_write_text
    from rise_bench.leaderboards.moderation import agreement
    from rise_bench.leaderboards.moderation import reproduce as again
    from rise_bench.leaderboards.moderation import results_repo as hub_board
    from rise_bench.models.names import checked_model

    _, folder, boards = open_board(results, data)
    path, content, responses = again.read_accepted(folder, submission, boards)
    again.check_engine(content)
    local = Path(results).is_dir()
    seed = seed or ("" if local else hub_board.commit_that_added(results, path))
    if not seed:
        raise ConfigError(
            "a local results folder has no merge commit; give --seed with a text that nobody knew before"
        )
    gold = boards[content.benchmark]
    chosen = agreement.choose(list(gold.by_id), seed, content.samples.sha256, fraction)
    if model is not None and not model.is_dir():
        raise ConfigError(f"--model {model} is not a folder; give the folder of the model, or drop --model")
    max_bytes = int(size_limit * 2**30)
    checkpoint = checked_model(str(model)) if model else again.fetch_model(content, max_bytes=max_bytes)
    with tempfile.TemporaryDirectory() as work:
        texts, held = again.run_again(
            gold,
            content,
            checkpoint,
            chosen,
            Path(work),
            model_args,
            time_s=None if time_limit is None else time_limit * 60,
            memory_bytes=None if memory_limit is None else int(memory_limit * 2**30),
        )
    if held["network"] != "closed":
        typer.echo("warning: this platform could not cut the run off from the network", err=True)
    outcome = agreement.compare(gold, content, responses, texts)
    hidden = gold.pin.hidden
    record = agreement.record(path, content, seed, fraction, chosen, outcome, held, hidden=hidden)
    target = out or (folder if local else Path()) / "reproductions" / f"{path.partition('/')[2]}.json"
    atomic_write_text(target, json.dumps(record, indent=2, sort_keys=True) + "\n")
    typer.echo(
        f"{path}: {outcome.identical:.0%} of {outcome.samples} responses identical, score "
        f"{outcome.submitted:.4f} before, {outcome.again:.4f} again: "
        f"{'agrees' if outcome.agrees else 'does not agree'}",
        err=True,
    )
    typer.echo(str(target))
    raise typer.Exit(0 if outcome.agrees else 1)


@board_app.command()
def export(
    results: ResultsOption,
    format_: Annotated[
        Literal["json", "csv", "eval-results"], typer.Option("--format", help="What to write.")
    ] = "json",
    out: Annotated[Path, typer.Option(help="File (json, csv) or folder (eval-results).")] = Path(
        "leaderboard"
    ),
    data: DataOption = None,
    site: Annotated[str, typer.Option(help="Address of the site, for links back.")] = "",
    workers: WorkersOption = None,
) -> None:
    """Write the boards as JSON or CSV, or .eval_results entries that the Hub shows on model pages."""
    from rise_bench.files.atomic import atomic_write_text
    from rise_bench.leaderboards.ranking.entries import load_entries
    from rise_bench.leaderboards.ranking.export import eval_results
    from rise_bench.leaderboards.ranking.tables import build_tables
    from rise_bench.leaderboards.web.build import leaderboard_csv, leaderboard_json

    settings, folder, boards = open_board(results, data)
    with progress_bar("score") as progress:
        entries, _ = load_entries(folder, settings, boards, workers=workers, progress=progress)
    if format_ == "eval-results":
        for path, text in eval_results(entries, boards, site).items():
            atomic_write_text(out / path, text)
    else:
        tables = build_tables(settings, boards, entries)
        text = leaderboard_json(settings.title, tables) if format_ == "json" else leaderboard_csv(tables)
        atomic_write_text(out, text)
    typer.echo(str(out))
