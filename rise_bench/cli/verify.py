"""`rise-bench verify`: chains of thought that were written elsewhere, scored by the closed loop."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rise_bench.annotations.answer_format import DEFAULT_FORMAT
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
from rise_bench.cli.collect import check_local
from rise_bench.cli.collect_report import with_progress
from rise_bench.cli.engine_options import (
    EngineOption,
    ExecutorOption,
    SbatchOption,
    ServerArgOption,
    ServerOption,
    TasksOption,
    engine_of,
)
from rise_bench.cli.judging import JudgeBatch, JudgeSwaps, judging_of
from rise_bench.cli.stopping import stopping
from rise_bench.data.splits import Shots
from rise_bench.errors import ConfigError
from rise_bench.scoring.groundedness import SWAPS

if TYPE_CHECKING:
    from rise_bench.cot.collect_job import Collected, CollectJob


@app.command()
def verify(
    cots: Annotated[
        str,
        typer.Argument(
            help="File of jsonl or parquet with id and cot, or a CoT dataset (folder, name, Hub id)."
        ),
    ],
    benchmark: Annotated[str, typer.Option(help="Name or folder of the benchmark that has the samples.")],
    model: Annotated[
        str, typer.Option(help="A training run, a folder, ORG/NAME, or the URL of an endpoint.")
    ],
    revision: Revision = "",
    endpoint: Endpoint = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write; default: COTS.verified beside it, or here for a name."),
    ] = None,
    shots: Annotated[Shots, typer.Option(help="Configuration that has the samples.")] = "full",
    reconstructions: Annotated[
        int,
        typer.Option(
            min=1, help="Number of reconstructions of each chain of thought; the reward is their mean."
        ),
    ] = 1,
    blind: Annotated[
        bool, typer.Option("--blind/--no-blind", help="Reconstruct without the picture too: reward_blind.")
    ] = True,
    lift: Annotated[
        bool, typer.Option("--lift/--no-lift", help="Reconstruct beside an empty chain of thought too: lift.")
    ] = True,
    tau: Annotated[float, typer.Option(min=0, max=1, help="Rewards of at least tau are `high`.")] = 0.75,
    box_unit: AskedBoxUnitChoice = None,
    temperature: Annotated[
        float | None, typer.Option(min=0, help="Default: 0 for one reconstruction, 1 for several.")
    ] = None,
    max_reconstruction_length: Annotated[
        int, typer.Option(min=1, help="Most tokens of a reconstruction.")
    ] = 256,
    max_pixels: MaxPixels = None,
    batch_rows: Annotated[int, typer.Option(min=1, help="Samples per batch of a local model.")] = 4,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight of this process.")] = 16,
    timeout_s: TimeoutS = 600.0,
    api_key_env: ApiKeyEnv = "OPENAI_API_KEY",
    engine: EngineOption = "builtin",
    executor: ExecutorOption = "local",
    tasks: TasksOption = 1,
    server: ServerOption = "endpoint",
    server_arg: ServerArgOption = None,
    sbatch: SbatchOption = None,
    allow_missing: Annotated[bool, typer.Option(help="Leave out samples that the model refuses.")] = False,
    judge: Annotated[
        str, typer.Option(help="Frozen local model that judges groundedness; none by default.")
    ] = "none",
    judge_swaps: JudgeSwaps = SWAPS,
    judge_batch: JudgeBatch = 32,
    overwrite: Annotated[bool, typer.Option(help="Replace --out, and verify again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Score the chains of thought of any model: reward, blind reward, lift, leaks, groundedness.

    Writes a CoT dataset like `collect`. Start it once, or as several processes; after an interruption the
    same command continues.
    """
    from rise_bench.cot.closed_loop import LoopSettings
    from rise_bench.cot.collect import collect
    from rise_bench.cot.collect_job import CollectJob
    from rise_bench.cot.given_cots import GivenCots, read_cots, terms_of
    from rise_bench.cot.share import Share
    from rise_bench.cot.views import Views
    from rise_bench.curation.annotate.model_choice import answer_format_of, endpoint_of
    from rise_bench.data.replacing import refuse_to_replace
    from rise_bench.hub.find import find_benchmark
    from rise_bench.models.loading import load_endpoints, load_local
    from rise_bench.models.names import weights_of
    from rise_bench.models.sampler import Sampling

    dataset = find_benchmark(benchmark)
    source, beside = _source(cots)
    given = GivenCots(read_cots(source), beside.name, Views(reconstructions, blind, lift), terms_of(source))
    splits = given.splits(dataset, shots)
    urls, name = endpoint_of(model, endpoint or [], api_key_env)
    ranks = engine_of(engine, executor, tasks, server, server_arg, sbatch, urls)
    form, limits = answer_format_of(name, revision, bool(urls), box_unit, max_pixels, engine=bool(ranks))
    form = replace(form, style=DEFAULT_FORMAT.style)  # it reconstructs, whatever else it was taught
    sampling = Sampling(float(reconstructions > 1) if temperature is None else temperature)
    target = out or beside.with_name(f"{beside.name}.verified")
    if target.resolve() in (source.resolve(), *source.resolve().parents):
        raise ConfigError(f"--out {target} is or holds what is verified; choose another folder")
    if overwrite:
        refuse_to_replace(target, cots=True)
    settings = LoopSettings(1, max_reconstruction_length=max_reconstruction_length, answer_format=form)
    job = CollectJob(
        dataset,
        shots,
        target,
        target.with_name(f"{target.name}.rollouts"),
        settings,
        splits,
        model={"model": name, "revision": revision, "endpoint": bool(urls or ranks), **asdict(sampling)}
        | ({} if urls else weights_of(name))
        | ({} if urls or ranks else limits.to_record()),
        tau=tau,
        only=frozenset(given.texts),
        allow_missing=allow_missing,
        overwrite=overwrite,
        given=given,
    )
    if urls or ranks:
        load = load_endpoints(urls, name, sampling, api_key_env, concurrency, timeout_s)
    else:
        check_local(job, name, revision)
        load = load_local(name, revision, sampling, limits, batch_rows)
    job = replace(job, sampler=load, engine=ranks)
    if judge != "none":
        pinned = revision if judge == model else ""
        shown = asdict(limits) | {"batch_rows": judge_batch}
        job = replace(job, judging=judging_of(judge, pinned, shown, judge_swaps, None))
    with stopping(
        lambda: f"what was verified is kept in {job.sweep_log}; the same command continues from there"
    ):
        _report(job, with_progress(collect, job, Share.of_environment(), "verifying"), as_json)


def _source(cots: str) -> tuple[Path, Path]:
    """Return the file or folder that is meant, and the path that what is written stands beside by default."""
    from rise_bench.hub.find import find

    path = Path(cots).expanduser()
    if path.exists() or path.suffix in (".jsonl", ".json", ".parquet"):
        return path, path
    return find(cots).folder, Path(path.name)


def _report(job: "CollectJob", result: "Collected", as_json: bool) -> None:
    """Print means and shares of the rows, or what is left to other processes."""
    from rise_bench.cli.tables import print_json, print_rows
    from rise_bench.cot.verified_summary import summarize

    counts = {"out": str(job.out), "verified": result.swept, "reused": result.reused, "left": result.left}
    if result.manifest is None:
        if as_json:
            print_json(counts)
        else:
            typer.echo(f"{result.swept} verified; {result.left} are left to other processes or a rerun")
        return
    if not result.asked:
        typer.echo(f"{job.out} was verified before, by the same command; nothing was done", err=True)
    summary = summarize(job.out)
    if as_json:
        print_json(counts | summary)
        return
    rows = [(name.replace("_", " "), _text(value)) for name, value in summary.items()]
    print_rows("means and shares of the chains of thought", ("column", "value"), rows)
    typer.echo(f"{job.out} is complete: a CoT dataset, which check, review, export and train take")


def _text(value: Any) -> str:
    return str(value) if isinstance(value, int) else "–" if value is None else f"{value:.4f}"
