"""`rise-bench baselines`: scores of the baselines on a dataset."""

from pathlib import Path
from typing import Annotated

import typer

from rise_bench.cli import app
from rise_bench.cli.choices import AsJson, Resamples


@app.command()
def baselines(
    data: Annotated[Path, typer.Argument(help="Dataset folder, or the name of a built one.")],
    split: Annotated[str, typer.Option(help="Split to score on; baselines are fitted to train.")] = "test",
    resamples: Resamples = 1000,
    as_json: AsJson = False,
) -> None:
    """Score the baselines: constant answers such as the mean of the training annotations.

    A model that does not beat them has learned nothing about the images.
    """
    from rise_bench.cli.tables import print_baselines, print_json
    from rise_bench.evaluation.score_run import score_baselines
    from rise_bench.hub.find import find_benchmark

    dataset = find_benchmark(data, images=False)
    reports = score_baselines(dataset, split, resamples=resamples)
    if as_json:
        print_json({name: report.to_json() for name, report in reports.items()})
    else:
        title = f"{dataset.spec.name} {split}: constant predictors, dataset {dataset.sha256[:12]}"
        print_baselines(title, reports, dataset.spec)
