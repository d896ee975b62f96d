"""`rise-bench submit`: send the raw responses of a run to a leaderboard."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from rise_bench.cli import app


@app.command()
def submit(
    results: Annotated[Path, typer.Argument(help="Output folder of lmms-eval or `rise-bench eval`.")],
    model: Annotated[str, typer.Option(help="ORG/NAME@COMMIT, or ORG/NAME@closed for closed weights.")],
    shots: Annotated[
        Literal["0-shot", "4-shot", "16-shot", "full"],
        typer.Option(help="Training samples of the benchmark that the model has seen."),
    ],
    board: Annotated[str, typer.Option(help="Results dataset, ORG/NAME.")] = "",
    data: Annotated[
        list[Path] | None, typer.Option(help="Dataset folder; found by name if left out. May be repeated.")
    ] = None,
    name: Annotated[str, typer.Option(help="Display name of the model.")] = "",
    method: Annotated[str, typer.Option(help='Training method, e.g. "RISE" or "SFT".')] = "",
    parameters: Annotated[str, typer.Option(help="Number of parameters, e.g. 2.2B or 450M.")] = "",
    base_model: Annotated[str, typer.Option(help="Hub id of the model that it was trained from.")] = "",
    weights_license: Annotated[
        str, typer.Option("--license", "--licence", help="Licence of the weights, e.g. apache-2.0.")
    ] = "",
    by: Annotated[str, typer.Option(help="Who ran it; your account if left out.")] = "",
    hardware: Annotated[str, typer.Option(help="Hardware that it ran on.")] = "",
    notes: Annotated[str, typer.Option(help="Further notes, as plain text.")] = "",
    slug: Annotated[str, typer.Option(help="Name of the folder; made from model and commit if empty.")] = "",
    out: Annotated[Path | None, typer.Option(help="Write the files here and send nothing.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Send without asking.")] = False,
) -> None:
    """Write submission.json and samples.jsonl of each rise_ task of a run, check them, open a pull request.

    The check is that of the board; what it would refuse is not sent.
    """
    from rise_bench.errors import ConfigError, SubmissionError
    from rise_bench.files.atomic import atomic_write_bytes
    from rise_bench.hub.find import find_benchmark
    from rise_bench.leaderboards import pack as packing
    from rise_bench.leaderboards.moderation import results_repo as hub_board
    from rise_bench.leaderboards.submissions import tree
    from rise_bench.leaderboards.submissions.schema import render_submission, write_submission
    from rise_bench.leaderboards.verification import gold_board as boards
    from rise_bench.leaderboards.verification import verifier

    if not board and out is None:
        raise ConfigError(
            "give --board ORG/NAME to send a pull request, or --out DIR to write the files only"
        )
    account = "" if out else hub_board.who_am_i()
    datasets = (find_benchmark(name, images=False) for name in data or ())
    given = {dataset.spec.name: dataset for dataset in datasets}
    runs = packing.find_runs(results)
    if slug and len(runs) > 1:
        raise ConfigError(
            f"--slug names one folder, and {results} holds {len(runs)} runs; leave it out, or name the "
            "results of one"
        )
    if slug and not tree.is_submission_folder(f"{tree.FOLDER}/{account or 'me'}/{slug}"):
        raise ConfigError(
            f"--slug {slug}: the board takes small letters, digits, - and _, at most 96; write such a name"
        )
    for run in runs:
        gold = boards.load_gold(given.get(run.benchmark) or find_benchmark(run.benchmark))
        statement = packing.Statement(
            model,
            shots,
            by or account or "unknown",
            name,
            method,
            parameters=parameters,
            base_model=base_model,
            license=weights_license,
            hardware=hardware,
            notes=notes,
        )
        submission, samples = packing.pack(run, gold, statement)
        outcome = verifier.verify(render_submission(submission), samples, {run.benchmark: gold})
        folder = slug or packing.slug_of(submission)
        withheld = gold.dataset.manifest.is_withheld
        typer.echo(packing.summary(submission, outcome, folder, withheld=withheld), err=True)
        if outcome.decision == "reject":
            reasons = "; ".join(reason.message for reason in outcome.reasons if reason.severity == "reject")
            raise SubmissionError(f"{run.task}: the board would refuse this: {reasons}")
        if out is not None:
            target = out / folder
            write_submission(target, submission, samples)
            atomic_write_bytes(out / f"{folder}.report.json", verifier.render_report(outcome).encode())
            typer.echo(str(target))
        elif yes or typer.confirm(f"Open a pull request on {board} as {account}?", err=True):
            pushed = hub_board.send(board, account, folder, submission, samples)
            typer.echo(pushed.pull_request or f"{board} has this submission already, at {pushed.commit}")
