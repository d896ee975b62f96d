"""`rise-bench drawn-cots`: chains of thought that the drawn world itself writes."""

from pathlib import Path
from typing import Annotated

import typer

from rise_bench.cli import app
from rise_bench.data.splits import Shots


@app.command()
def drawn_cots(
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    benchmark: Annotated[str, typer.Option(help="Name or folder of a drawn benchmark.")] = "moods",
    shots: Annotated[Shots, typer.Option(help="Training samples that get a chain of thought.")] = "full",
    false_share: Annotated[float, typer.Option(min=0, max=1, help="Chance that a statement is false.")] = 0.0,
    statements: Annotated[int, typer.Option(min=0, help="Statements of each; 0 makes all.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of their choice.")] = 0,
    of_run: Annotated[
        Path | None,
        typer.Option(help="Write nothing: choose from this RISE-CoT run the best that say nothing false."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace --out.")] = False,
) -> None:
    """Write chains of thought about drawn pictures from what is drawn, without a model.

    By default they are true and complete about what is asked: those of the best possible teacher. They have
    no rewards; train with data.cot_subset=all.
    """
    from rise_bench.experiments.drawn_cots import Writing, write_drawn_cots
    from rise_bench.experiments.true_cots import write_true_cots
    from rise_bench.hub.find import find_benchmark

    drawn = find_benchmark(benchmark)
    if of_run:
        manifest = write_true_cots(drawn, of_run, out, overwrite=overwrite)
    else:
        writing = Writing(false_share, statements, seed)
        manifest = write_drawn_cots(drawn, shots, writing, out, overwrite=overwrite)
    typer.echo(f"{manifest.counts['train']} chains of thought: {out}")
