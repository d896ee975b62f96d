"""`rise-bench score`: recompute every metric of a run from its raw responses."""

from pathlib import Path
from typing import Annotated

import typer

from rise_bench.cli import app
from rise_bench.cli.choices import AskedStyleChoice, BoxUnitChoice


@app.command()
def score(
    samples: Annotated[
        Path, typer.Argument(help='Samples file of lmms-eval, or lines of {"id", "response"}.')
    ],
    data: Annotated[Path, typer.Option(help="Dataset of the run: folder or name.")],
    split: Annotated[str, typer.Option(help="Split of the run.")] = "test",
    box_unit: BoxUnitChoice = None,
    style: AskedStyleChoice = None,
    reference: Annotated[
        Path | None, typer.Option(help="Samples file of the run that the win-rate is against.")
    ] = None,
    resamples: Annotated[int, typer.Option(min=0, help="Bootstrap resamples; 0 for no intervals.")] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score a run from its raw responses: every metric with its 95% interval, beside the baselines.

    A run with failed requests or missing samples is refused.
    """
    from rise_bench.cli.tables import print_json, print_run
    from rise_bench.evaluation.responses import read_responses
    from rise_bench.evaluation.score_run import score_run
    from rise_bench.evaluation.win_rate_reference import reference_from_samples
    from rise_bench.hub.find import find_benchmark

    dataset = find_benchmark(data, images=False)
    responses = read_responses(samples, box_unit=box_unit, style=style)
    against = reference_from_samples(reference, dataset, split) if reference else None
    run = score_run(responses, dataset, split, reference=against, resamples=resamples)
    if as_json:
        print_json(run.to_json())
    else:
        print_run(run, name=samples.stem)
