"""`rise-bench annotate`: reasons, annotations and confidences for a folder of pictures."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rise_bench.cli import app
from rise_bench.cli.choices import (
    ApiKeyEnv,
    AsJson,
    AskedBoxUnitChoice,
    Endpoint,
    MaxPixels,
    Revision,
    TimeoutS,
)
from rise_bench.cli.engine_options import (
    EngineOption,
    ExecutorOption,
    SbatchOption,
    ServerArgOption,
    ServerOption,
    TasksOption,
    engine_of,
)
from rise_bench.cli.judging import JudgeBatch, judging_of
from rise_bench.cli.stopping import stopping
from rise_bench.errors import ConfigError
from rise_bench.scoring.groundedness import SWAPS

if TYPE_CHECKING:
    from rise_bench.curation.annotate.job import AnnotateJob


@app.command()
def annotate(
    pictures: Annotated[Path, typer.Argument(help="Folder of pictures; nothing in it is changed.")],
    model: Annotated[
        str, typer.Option(help="A training run, a folder, ORG/NAME of the Hub, or the URL of an endpoint.")
    ],
    benchmark: Annotated[str, typer.Option(help="Name or folder of the benchmark whose question is asked.")],
    out: Annotated[Path, typer.Option(help="Folder to write; the same command continues there.")],
    samples: Annotated[
        int, typer.Option(min=1, help="Answers to each question; several give a confidence.")
    ] = 1,
    formats: Annotated[
        str, typer.Option(help="Of label-studio, coco, yolo, csv, jsonl; default: all that fit.")
    ] = "",
    categories: Annotated[
        str, typer.Option(help="Classes to ask for one at a time, by commas; default: the benchmark's.")
    ] = "",
    question: Annotated[str, typer.Option(help="What stands for {question} in the benchmark's.")] = "",
    endpoint: Endpoint = None,
    revision: Revision = "",
    temperature: Annotated[
        float | None, typer.Option(min=0, help="Default: 0 for one sample, 1 for several.")
    ] = None,
    max_length: Annotated[int, typer.Option(min=1, help="Tokens of a response.")] = 1024,
    box_unit: AskedBoxUnitChoice = None,
    max_pixels: MaxPixels = None,
    batch_rows: Annotated[int, typer.Option(min=1, help="Questions per batch of a local model.")] = 4,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight.")] = 16,
    timeout_s: TimeoutS = 600.0,
    api_key_env: ApiKeyEnv = "OPENAI_API_KEY",
    engine: EngineOption = "builtin",
    executor: ExecutorOption = "local",
    tasks: TasksOption = 1,
    server: ServerOption = "endpoint",
    server_arg: ServerArgOption = None,
    sbatch: SbatchOption = None,
    judge: Annotated[
        str, typer.Option(help="Local model that judges how grounded the reasons are; none by default.")
    ] = "none",
    judge_swaps: Annotated[
        int, typer.Option(min=1, help="Number of other images that a reason is compared on, at most.")
    ] = SWAPS,
    judge_batch: JudgeBatch = 32,
    as_json: AsJson = False,
) -> None:
    """Annotate pictures: a reason, an annotation and a confidence for each, in the formats of other tools.

    With several samples, the annotation is the one that the others agree with most, and the confidence their
    agreement. An answer that cannot be read gives no annotation, and is counted. After an interruption the
    same command continues; pictures that were added are asked about, the others are not asked again.
    """
    from rise_bench.curation.annotate.annotate import annotate as run_annotation
    from rise_bench.curation.annotate.job import AnnotateJob, formats_of
    from rise_bench.curation.annotate.model_choice import answer_format_of, endpoint_of
    from rise_bench.curation.annotate.question import annotation_run
    from rise_bench.models.loading import load_endpoints, load_local
    from rise_bench.models.names import weights_of
    from rise_bench.models.sampler import Sampling

    urls, name = endpoint_of(model, endpoint or [], api_key_env)
    ranks = engine_of(engine, executor, tasks, server, server_arg, sbatch, urls)
    form, limits = answer_format_of(name, revision, bool(urls), box_unit, max_pixels, engine=bool(ranks))
    if samples > 1 and temperature == 0:
        raise ConfigError("--samples above 1 at --temperature 0 draws one answer several times; raise either")
    sampling = Sampling(temperature=float(samples > 1) if temperature is None else temperature)
    run = annotation_run(pictures, benchmark, categories, question, samples, name)
    loads = (
        load_endpoints(urls, name, sampling, api_key_env, concurrency, timeout_s)
        if urls or ranks
        else load_local(name, revision, sampling, limits, batch_rows)
    )
    judging = None
    if judge != "none":
        judging = judging_of(judge, "", asdict(limits) | {"batch_rows": judge_batch}, judge_swaps, None)
    job = AnnotateJob(
        run,
        out,
        loads,
        {
            "model": name,
            "revision": revision,
            "temperature": sampling.temperature,
            "endpoint": bool(urls or ranks),
            **({} if urls else weights_of(name)),
            **({} if urls or ranks else limits.to_record()),
        },
        max_length,
        form,
        formats_of(run, formats),
        judging,
        ranks,
    )
    with stopping(lambda: f"the answers so far are kept in {job.log}; the same command goes on from there"):
        _report(job, _with_progress(run_annotation, job), as_json)


def _with_progress(run: Callable[..., dict[str, Any]], job: "AnnotateJob") -> dict[str, Any]:
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[str, Any] = {}

        def progress(step: str, done: int, total: int | None) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(step, total=total)
            bar.advance(tasks[step], done)

        return run(job, progress)


def _report(job: "AnnotateJob", summary: dict[str, Any], as_json: bool) -> None:
    from rise_bench.files.json_text import json_text

    if as_json:
        typer.echo(json_text(summary))
        return
    answers, tokens = summary["answers"], summary["tokens"]
    counted = ", ".join(f"{count} {outcome}" for outcome, count in sorted(answers.items()))
    typer.echo(f"{job.out}: {summary['pictures']} pictures; answers: {counted or 'none'}")
    unread = {reading: n for reading, n in sorted(summary["sample_readings"].items()) if reading != "ok"}
    if unread:
        typer.echo(f"samples without an annotation: {', '.join(f'{n} {name}' for name, n in unread.items())}")
    for skipped in summary["skipped"][:5]:
        typer.echo(f"skipped {skipped['path']}: {skipped['why']}", err=True)
    if more := summary["skipped"][5:]:
        typer.echo(f"skipped {len(more)} more; annotate.json lists them all", err=True)
    for name, problems in summary["left_out"].items():
        typer.echo(f"left out of {name}: {problems[0]} ({len(problems)} in all)", err=True)
    if aside := summary["decisions_set_aside"]:
        typer.echo(
            f"{aside} decisions were on other pictures of the same names; they are in decisions-before.csv"
        )
    if renamed := summary["decisions_of_renamed_pictures"]:
        typer.echo(f"{renamed} decisions follow pictures that have another name now")
    if decided := summary["decisions_in_files"]:
        are = "annotation is" if decided == 1 else "annotations are"
        typer.echo(f"{decided} {are} as people decided, in all files but annotations.jsonl")
    if answers.get("refused"):
        typer.echo("refused questions are asked again by the same command", err=True)
    typer.echo(f"tokens: {tokens['prompt']} read, {tokens['completion']} written")
    if job.run.samples == 1:
        typer.echo(summary["confidence"])
    typer.echo(f"files: {', '.join(summary['files'].values())}")
    typer.echo(f"look at them: rise-bench review {job.out}")
