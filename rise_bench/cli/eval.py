"""`rise-bench eval`: run tasks through lmms-eval, with lmms-eval's own flags."""

from functools import partial
from typing import Annotated

import typer

from rise_bench.cli import app
from rise_bench.cli.choices import AskedStyleChoice, BoxUnitChoice


@app.command(
    "eval",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog="Example: rise-bench eval --tasks rise_emotion6 --model qwen2_vl "
    "--model_args pretrained=Qwen/Qwen2-VL-2B-Instruct",
)
def evaluate(
    context: typer.Context,
    box_unit: BoxUnitChoice = None,
    style: AskedStyleChoice = None,
    num_processes: Annotated[int, typer.Option(min=1, help="Data-parallel processes, one a GPU.")] = 1,
    resamples: Annotated[int, typer.Option(min=0, help="Bootstrap resamples; 0 for no intervals.")] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Evaluate a model: any flags of lmms-eval, scores with intervals, floors beside them.

    Fails where lmms-eval exits with 0 all the same: no results, an exception, failed or missing responses.
    """
    from rise_bench.cli.tables import print_json, print_run
    from rise_bench.evaluation import evaluate as run_evaluation

    tasks = run_evaluation(
        context.args,
        box_unit=box_unit,
        style=style,
        processes=num_processes,
        resamples=resamples,
        tell=partial(typer.echo, err=True),
    )
    if as_json:
        print_json({task.task: task.to_json() for task in tasks})
        return
    for task in tasks:
        print_run(task.run)
        if task.partial:
            typer.echo(f"{task.task}: part of the samples only, by --limit or --offset; this is no score.")
        typer.echo(f"samples: {task.samples}\n")
