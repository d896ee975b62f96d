"""`rise-bench score`: recompute every metric of a run from its raw responses."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rise_bench.cli import app
from rise_bench.cli.choices import AsJson, AskedStyleChoice, BoxUnitChoice, Resamples
from rise_bench.errors import ConfigError

if TYPE_CHECKING:
    from rise_bench.data.dataset import BenchmarkDataset


@app.command()
def score(
    samples: Annotated[
        Path,
        typer.Argument(
            help='Samples file of lmms-eval, lines of {"id", "response"}, or the folder of `annotate`.'
        ),
    ],
    data: Annotated[Path, typer.Option(help="Dataset of the run: folder or name.")],
    split: Annotated[str, typer.Option(help="Split of the run.")] = "test",
    box_unit: BoxUnitChoice = None,
    style: AskedStyleChoice = None,
    reference: Annotated[
        Path | None, typer.Option(help="Samples file of the run that the win-rate is against.")
    ] = None,
    resamples: Resamples = 1000,
    as_json: AsJson = False,
) -> None:
    """Score a run from its raw responses: every metric with its 95% interval, beside the baselines.

    A run with failed requests or missing samples is refused. Annotations that have a confidence are ranked by
    it too.
    """
    from rise_bench.cli.tables import print_json, print_run
    from rise_bench.curation.annotate.ranked_scores import annotations_file
    from rise_bench.evaluation.responses import read_responses
    from rise_bench.evaluation.score_run import score_run
    from rise_bench.evaluation.win_rate_reference import reference_from_samples
    from rise_bench.hub.find import find_benchmark

    dataset = find_benchmark(data, images=False)
    if annotations := annotations_file(samples):
        if reference or style or box_unit:
            raise ConfigError(
                f"{samples} holds annotations: --reference, --style and --box-unit are of a samples file; "
                "leave them out"
            )
        _score_annotations(annotations, dataset, split, resamples, as_json)
        return
    responses = read_responses(samples, box_unit=box_unit, style=style)
    against = reference_from_samples(reference, dataset, split) if reference else None
    run = score_run(responses, dataset, split, reference=against, resamples=resamples)
    if as_json:
        print_json(run.to_json())
    else:
        print_run(run, name=samples.stem)


def _score_annotations(
    path: Path, dataset: "BenchmarkDataset", split: str, resamples: int, as_json: bool
) -> None:
    from rise_bench.cli.tables import print_json, print_rows, print_run
    from rise_bench.curation.annotate.ranked_scores import score_annotations

    scored = score_annotations(path, dataset, split, resamples=resamples)
    if as_json:
        print_json(scored.to_json())
        return
    print_run(scored.run, name=path.parent.name)
    rows = [
        (
            score.title,
            f"{score.ranked:.4f}",
            f"{score.unranked:.4f}",
            "all" if score.threshold is None else f">= {score.threshold:g}",
        )
        for score in scored.ranked.values()
    ]
    if rows:
        print_rows("With the confidence of each part", ("score", "ranked", "unranked", "kept"), rows)
