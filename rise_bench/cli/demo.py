"""`rise-bench demo`: the whole of RISE in minutes, on a CPU, without a download."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from rise_bench.cli import app
from rise_bench.cli.bars import drawing_bar
from rise_bench.cli.choices import AsJson
from rise_bench.data.splits import Shots


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything that is made.")] = Path("demo"),
    benchmark: Annotated[
        Literal["moods", "scenes", "kinds"], typer.Option(help="Which drawn benchmark.")
    ] = "moods",
    shots: Annotated[Shots, typer.Option(help="Training pictures of each class.")] = "16-shot",
    seed: Annotated[int, typer.Option(help="Seed of the pictures and of training.")] = 0,
    train: Annotated[int, typer.Option(min=1, help="Training pictures that are drawn.")] = 700,
    test: Annotated[int, typer.Option(min=1, help="Test pictures.")] = 200,
    steps: Annotated[
        int, typer.Option(min=12, help="Optimiser steps of each method; fewer are quicker and learn less.")
    ] = 120,
    jobs: Annotated[int, typer.Option(min=1, help="Trainings and evaluations side by side.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Run the whole of RISE on a drawn benchmark, beside SFT and Visual-RFT, and print how they compare.

    Draws the benchmark, trains RISE-CoT, collects verified chains of thought, trains RISE-R1 and its rivals
    and scores all through lmms-eval. After a crash the same command continues.
    """
    from rise_bench.cli.job_bars import JobBars
    from rise_bench.cli.tables import print_json, print_rows
    from rise_bench.experiments.comparison import COLUMNS_NOTE, cells, headings
    from rise_bench.experiments.demo import Demo, demo_jobs, draw_dataset, next_steps, run_demo
    from rise_bench.experiments.demo_report import title_of

    plan = Demo(out, benchmark, shots, train, test, seed, jobs, steps)
    with drawing_bar() as drawing:
        dataset = draw_dataset(plan, drawing)
    with JobBars(len(demo_jobs(plan)), plan.jobs) as bars:
        rows = run_demo(plan, dataset, bars.show)
    if as_json:
        print_json([row.to_json() for row in rows])
        return
    metric = dataset.spec.metric
    title = f"{title_of(plan.cell, dataset)}: {test} test pictures"
    print_rows(title, headings(metric), [cells(row, metric) for row in rows])
    typer.echo(f"{COLUMNS_NOTE}\n\nreport:       {plan.page}\nCoT dataset:  {plan.cell.cots}")
    typer.echo(next_steps(plan))
