"""`rise-bench demo`: from nothing to a table in a minute or two, on a CPU, without a download."""

import contextlib
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from rise_bench.cli import app


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything that is made.")] = Path("demo"),
    benchmark: Annotated[
        Literal["moods", "scenes", "kinds"], typer.Option(help="Which drawn benchmark.")
    ] = "moods",
    train: Annotated[int, typer.Option(min=1, help="Training pictures.")] = 280,
    test: Annotated[int, typer.Option(min=1, help="Test pictures.")] = 60,
    seed: Annotated[int, typer.Option(help="Seed of the pictures and of the model.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Draw a benchmark, run a tiny untrained Qwen2-VL on it through lmms-eval, print scores beside floors.

    Started again after a crash, the same command goes on where it was.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from rise_bench.cli.tables import print_json, print_run
    from rise_bench.demo import Demo, next_steps, run_demo

    plan = Demo(out=out, benchmark=benchmark, train=train, test=test, seed=seed)
    console = Console(stderr=True, markup=False, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("drawing", total=None, visible=False)

        def drawn(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=done < total)

        # Libraries that load with torch print to standard output, which is for the result alone.
        with contextlib.redirect_stdout(sys.stderr):
            run = run_demo(plan, tell=console.print, progress=drawn)
    if as_json:
        print_json(run.to_json())
        return
    print_run(run, name="tiny, untrained")
    typer.echo(f"scores: {plan.scores}\n{next_steps(plan)}")
