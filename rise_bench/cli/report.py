"""`rise-bench report`: a training run as one HTML file."""

from pathlib import Path
from typing import Annotated

import typer

from rise_bench.cli import app


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Run folder (run.output_dir of the training run).")],
    out: Annotated[Path | None, typer.Option(help="Output file; RUN/report.html by default.")] = None,
    samples: Annotated[int, typer.Option(min=0, help="Number of rollouts to show.")] = 12,
    as_json: Annotated[bool, typer.Option("--json", help="Print path and last metrics as JSON.")] = False,
) -> None:
    """Write one static HTML file with the run's curves and sample rollouts."""
    from rise_bench.cli.tables import print_json
    from rise_bench.reports.run_report import read_metrics, write_report

    path = write_report(run, out, samples=samples)
    if as_json:
        last = {row["phase"]: row for row in read_metrics(run)}
        print_json({"report": str(path), "last": last})
    else:
        typer.echo(str(path))
