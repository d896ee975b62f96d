"""`rise-bench check`: compare a dataset folder with its manifest, and score its ground truth."""

from pathlib import Path
from typing import Annotated

import typer

from rise_bench.cli import app
from rise_bench.errors.redaction import printable


@app.command()
def check(
    data: Annotated[Path, typer.Argument(help="Dataset folder, or the name of a built one.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check a built dataset: columns, hashes, counts, splits, scores; exits with 1 if anything is wrong."""
    from rich.console import Console
    from rich.progress import Progress

    from rise_bench.cli.tables import print_json
    from rise_bench.cot.check import check_folder
    from rise_bench.data.folder_checks import Finding
    from rise_bench.errors import DataError
    from rise_bench.hub.find import find

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("checking rows", total=None)
        try:
            findings = check_folder(find(data).folder, advance=lambda: bar.advance(task))
        except DataError as error:  # no dataset, or none with a valid manifest
            findings = [Finding(str(data), str(error))]
    if as_json:
        listed = [{"where": finding.where, "problem": finding.problem} for finding in findings]
        print_json({"folder": str(data), "ok": not listed, "findings": listed})
    elif findings:
        typer.echo("\n".join(printable(f"{finding.where}: {finding.problem}") for finding in findings))
    else:
        typer.echo(f"{data}: no findings")
    if findings:
        raise typer.Exit(1)
