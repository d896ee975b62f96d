"""`rise-bench collect`: the CoT dataset, from a training run, a model or an endpoint."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
from rise_bench.cli.collect_report import report, with_progress
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
    from rise_bench.cot.collect_job import CollectJob


@app.command()
def collect(
    run: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of a rise_cot run; without one, --model writes a chain of thought for every sample."
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="Model of the sweep; of a run, its own final model.")] = "",
    revision: Revision = "",
    endpoint: Endpoint = None,
    benchmark: Annotated[str, typer.Option(help="Name or folder of the benchmark; of a run, its own.")] = "",
    shots: Annotated[Shots, typer.Option(help="Training pictures to use, when no RUN is given.")] = "full",
    splits: Annotated[
        str, typer.Option(help="Splits whose samples get a chain of thought, e.g. train,test.")
    ] = "train",
    out: Annotated[Path | None, typer.Option(help="Folder to write; default RUN/cots.")] = None,
    tau: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Rewards of at least tau are `high`; the run's, else 0.75."),
    ] = None,
    samples: Annotated[
        int | None, typer.Option(min=1, help="Rollouts per sample (G) in the sweep; the run's, else 8.")
    ] = None,
    no_sweep: Annotated[
        bool, typer.Option("--no-sweep", help="Leave out what training never sampled.")
    ] = False,
    sweep_all: Annotated[
        bool,
        typer.Option(
            "--sweep-all",
            help="Write new chains of thought for every sample, and use none that training wrote.",
        ),
    ] = False,
    reconstructions: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of reconstructions of each selected chain of thought; the reward is their mean. "
            "Default: 1 with --blind or --lift, else none, and the reward is that of its selection.",
        ),
    ] = None,
    blind: Annotated[
        bool, typer.Option("--blind", help="Reconstruct without the picture too: reward_blind.")
    ] = False,
    lift: Annotated[
        bool, typer.Option("--lift", help="Reconstruct beside an empty chain of thought too: lift.")
    ] = False,
    only_high_of: Annotated[
        Path | None, typer.Option(help="Collect only the `high` ids of this CoT dataset (Table 3).")
    ] = None,
    box_unit: AskedBoxUnitChoice = None,
    temperature: Annotated[float | None, typer.Option(min=0, help="Default: the run's, else 1.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of a local model. Default: the run's, else 0.")] = None,
    max_cot_length: Annotated[
        int | None, typer.Option(min=1, help="Tokens of a chain of thought; the run's, else 320.")
    ] = None,
    max_reconstruction_length: Annotated[
        int | None, typer.Option(min=1, help="Most tokens of a reconstruction; the run's, else 256.")
    ] = None,
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
        str,
        typer.Option(
            help="Frozen model that judges groundedness, or none. Default: the model that a run started "
            "from, or that of a local sweep; none for endpoints."
        ),
    ] = "",
    judge_swaps: JudgeSwaps = SWAPS,
    judge_batch: JudgeBatch = 32,
    select: Annotated[
        Literal["reward", "blind", "both", "reward_and_groundedness"] | None,
        typer.Option(
            help="The best rollout by reward, by reward_blind or by the smaller of both; or the best "
            "grounded one with reward >= tau. Default: by the run's reward.view, else by reward."
        ),
    ] = None,
    min_groundedness: Annotated[
        float, typer.Option(help="Smallest groundedness, in nats; for --select.")
    ] = 0.0,
    overwrite: Annotated[bool, typer.Option(help="Replace --out, and sample again.")] = False,
    keep_rollouts: Annotated[
        bool, typer.Option("--keep-rollouts", help="With --overwrite: choose from the rollouts there are.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count tokens, and say the price; ask nothing, write nothing.")
    ] = False,
    price_input: Annotated[
        float | None, typer.Option(min=0, help="With --dry-run: price of a million input tokens.")
    ] = None,
    price_output: Annotated[float | None, typer.Option(min=0, help="The same of output tokens.")] = None,
    tokens_per_picture: Annotated[
        int | None, typer.Option(min=1, help="With --dry-run; default: one for each 28 x 28 pixels.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the CoT dataset of a benchmark: best-of-G by reward, then a sweep over uncovered samples.

    Start it once, or as several processes under torchrun, accelerate or Slurm: each takes a part, the last to
    finish writes. After an interruption the same command continues.
    """
    from rise_bench.cli.collect_cost import prices_of, print_cost
    from rise_bench.cot.collect import collect as do_collect
    from rise_bench.cot.share import Share
    from rise_bench.cot.views import Views
    from rise_bench.curation.annotate.model_choice import answer_format_of
    from rise_bench.data.replacing import refuse_to_replace
    from rise_bench.models.families import PictureLimits
    from rise_bench.models.loading import load_endpoints, load_local
    from rise_bench.models.names import weights_of
    from rise_bench.trainers.runs.collect_run import final_model, plan_of_sweep, run_config

    if keep_rollouts and not overwrite:
        raise ConfigError("--keep-rollouts is for --overwrite; give both, or neither to go on")
    if select != "reward_and_groundedness" and min_groundedness:
        raise ConfigError("--min-groundedness is for --select reward_and_groundedness; give both")
    ranks = engine_of(engine, executor, tasks, server, server_arg, sbatch, endpoint or [])
    again = Views(reconstructions or 1, blind, lift) if reconstructions or blind or lift else None
    _check_sweep(no_sweep, sweep_all, ranks, again)
    prices, share = prices_of(price_input, price_output), Share.of_environment()
    config = run_config(run)
    asked = {
        "samples": samples,
        "max_cot_length": max_cot_length,
        "max_reconstruction_length": max_reconstruction_length,
        "unit": box_unit,
        "max_pixels": max_pixels,
        "temperature": temperature,
        "seed": seed,
        "view": {"reward": "picture", "blind": "blind", "both": "both"}.get(select or ""),
    }
    smallest = config.model.min_pixels if config else None
    if run is None and model:
        served = bool(endpoint)
        form, limits = answer_format_of(
            model, revision, served, box_unit, max_pixels, engine=ranks is not None
        )
        smallest = limits.min_pixels
        asked |= {"unit": form.unit, "max_pixels": form.max_pixels}
    plan = {name: value for name, value in asked.items() if value is not None}
    job, sampling = plan_of_sweep(run, config, benchmark, shots, out, plan)
    job = replace(job, splits=_checked_splits(job, splits))
    job = replace(job, overwrite=overwrite, keep_rollouts=keep_rollouts, only=_high_ids(only_high_of))
    if again is not None:
        again = replace(again, blind=blind or job.settings.rule.view != "picture")
    train_log = None if sweep_all else job.train_log
    job = replace(job, sweeps=not no_sweep, train_log=train_log, rescoring=again)
    _check_view(job, config, select)
    if dry_run:
        largest = None if endpoint else job.settings.answer_format.max_pixels
        print_cost(
            job,
            prices=prices,
            max_pixels=largest,
            tokens_per_picture=tokens_per_picture,
            as_json=as_json,
        )
        return
    if overwrite:
        refuse_to_replace(job.out, cots=True)
    limits = PictureLimits.of(job.settings.answer_format, smallest)
    if tau is not None:
        job = replace(job, tau=tau)
    if job.sweeps or job.rescoring:
        source, served = model or final_model(run), bool(endpoint or ranks)
        if served:
            sampler = load_endpoints(endpoint or [], source, sampling, api_key_env, concurrency, timeout_s)
        else:
            check_local(job, source, revision)
            sampler = load_local(source, revision, sampling, limits, batch_rows)
        drawn = {"temperature": sampling.temperature, "samples": job.settings.samples, "seed": sampling.seed}
        drawn |= sampling.shaping if served else {}
        own = job.provenance | drawn if run and not model else None
        named = {"model": source, "revision": revision, "endpoint": served, **asdict(sampling)}
        named |= {} if endpoint else weights_of(source)
        named |= {} if served or run else limits.to_record()
        job = replace(job, sampler=sampler, model=named, sweep_provenance=own, engine=ranks)
    judged_by = judge or (config.model.name if config else "" if endpoint or ranks else model) or "none"
    if judged_by != "none":
        threshold = min_groundedness if select == "reward_and_groundedness" else None
        of_run = config is not None and judged_by == config.model.name
        pinned = config.model.revision if of_run else revision if judged_by == model else ""
        shown = asdict(limits) | {"batch_rows": judge_batch}
        judging = judging_of(judged_by, pinned, shown, judge_swaps, threshold)
        job = replace(job, judging=judging)
    elif select == "reward_and_groundedness":
        raise ConfigError("--select reward_and_groundedness needs a judge; name one with --judge MODEL")
    job = replace(job, allow_missing=allow_missing)
    with stopping(
        lambda: f"what was sampled is kept in {job.sweep_log}; the same command goes on from there"
    ):
        report(job, with_progress(do_collect, job, share), as_json)


def _checked_splits(job: "CollectJob", text: str) -> tuple[str, ...]:
    """The splits by name, in the order of the dataset, which decides who annotates what."""
    asked, held = {name.strip() for name in text.split(",")}, job.benchmark.manifest.counts
    if absent := sorted(asked - held.keys()):
        raise ConfigError(
            f"{job.benchmark.root} has no split {absent[0]!r}; pass --splits {','.join(held)}, or one"
        )
    return tuple(split for split in held if split in asked)


def _check_sweep(no_sweep: bool, sweep_all: bool, ranks: Any, again: Any) -> None:
    """Refuse options of the sweep that contradict each other."""
    if ranks is not None and no_sweep:
        raise ConfigError("--engine datatrove runs the sweep, and --no-sweep leaves it out; give one of them")
    if ranks is not None and again is not None:
        raise ConfigError(
            "--engine datatrove runs the sweep, and selected chains of thought are reconstructed again after "
            "it; sweep first, then add --reconstructions, --overwrite and --keep-rollouts, without --engine"
        )
    if no_sweep and sweep_all:
        raise ConfigError("--no-sweep and --sweep-all contradict each other; give one of them")


def _check_view(job: "CollectJob", config: Any, select: str | None) -> None:
    """Refuse rows from rollouts that were rewarded without the picture: their reward is not eq. 1's."""
    if not job.train_log or config.reward.view != "blind":
        return
    if job.settings.rule.view != "blind":
        raise ConfigError(
            f"--select {select} compares rewards with the picture, and the rollouts of this run were "
            "rewarded without it (reward.view=blind); leave --select out, or pass --sweep-all"
        )
    if not job.rescoring:
        raise ConfigError(
            "the rollouts of this run were rewarded without the picture (reward.view=blind), so that the "
            "column reward has to be measured; pass --reconstructions 1 or more, or --sweep-all"
        )


def check_local(job: "CollectJob", name: str, revision: str) -> None:
    """Refuse a model or images that cannot be sampled, before anything is written or loaded."""
    from rise_bench.models.families import check_pictures, supported_model

    supported_model(name, revision, weights=False)
    check_pictures(job.benchmark.golds_of(job.splits, job.config))


def _high_ids(folder: Path | None) -> frozenset[str] | None:
    if folder is None:
        return None
    from rise_bench.hub.find import find_cots

    return frozenset(row["id"] for row in find_cots(folder).rows("high", columns=["id"]))
