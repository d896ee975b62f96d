"""`rise-bench study`: RISE, its rivals and ablations over shots and seeds; verdicts on registered claims."""

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rise_bench.cli import app
from rise_bench.cli.bars import drawing_bar
from rise_bench.cli.choices import AsJson
from rise_bench.cli.study_output import list_jobs, print_tables
from rise_bench.errors import ConfigError

if TYPE_CHECKING:
    from rise_bench.experiments.jobs import Launcher
    from rise_bench.experiments.study.grid import Study
    from rise_bench.experiments.study.settings import Budget
    from rise_bench.experiments.study.tuning import Tuning

_SEEDS = 5


class ShotsChoice(StrEnum):
    """Numbers of shots; an enumeration, because only that can be a repeated option."""

    FOUR = "4-shot"
    SIXTEEN = "16-shot"
    FULL = "full"


@app.command()
def study(
    out: Annotated[Path, typer.Option(help="Folder for everything that is made.")] = Path("study"),
    benchmark: Annotated[
        str,
        typer.Option(
            help="Drawn (moods, …), built (emotion6, …), or your own: name, folder, Hub id, or rise.yaml."
        ),
    ] = "moods",
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "--base",
            help="Model that all methods start from: a folder or a Hub id; that of the scale if not given.",
        ),
    ] = "",
    scale: Annotated[
        Literal["auto", "paper", "world", "smoke"],
        typer.Option(help="Scale of the recipes; auto: world for drawn benchmarks, paper for others."),
    ] = "auto",
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="Setting of every training, e.g. compute.accelerate=none; repeatable."),
    ] = None,
    shots: Annotated[
        list[ShotsChoice] | None, typer.Option(help="May be repeated; all three if not given.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds 0, 1, … of pictures and training.")] = _SEEDS,
    method: Annotated[
        list[str] | None,
        typer.Option(help="May be repeated; all methods if not given. An unknown name lists all."),
    ] = None,
    ablations: Annotated[
        bool, typer.Option("--ablations", help="The paper's ablations too, and this project's.")
    ] = False,
    budget: Annotated[
        Literal["steps", "time", "paper"],
        typer.Option(help="Equal steps; then equal seconds, as measured; or as many steps for each phase."),
    ] = "steps",
    steps: Annotated[
        int | None,
        typer.Option(
            min=1, help="Optimiser steps of each method (120); of each phase as in the paper (200)."
        ),
    ] = None,
    train: Annotated[int, typer.Option(min=1, help="Training pictures that are drawn.")] = 400,
    test: Annotated[int, typer.Option(min=1, help="Test and validation pictures that are drawn.")] = 200,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Concurrent trainings and evaluations; 0 only measures finished ones. By default 2, but 1 "
            "where each takes the GPUs of this machine.",
        ),
    ] = None,
    launcher: Annotated[
        Literal["process", "local", "slurm"],
        typer.Option(help="Start jobs as child processes, or by submitit on this machine or on Slurm."),
    ] = "process",
    resource: Annotated[
        list[str] | None,
        typer.Option(help="Of submitit, e.g. gpus_per_node=8, timeout_min=600, partition=gpu; repeatable."),
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Run three steps of each stage for the estimate, and stop.")
    ] = False,
    tune: Annotated[
        bool, typer.Option("--tune", help="Choose settings on validation pictures, and stop.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the remaining jobs and their time; with --json, commands.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare RISE, its rivals and its ablations over shots and seeds, and judge the paper's claims.

    On a drawn benchmark first with --tune (equally many trials for every method; at 16-shot, whose settings
    serve all, unless --shots names others), then without, then with --budget time. On another: --measure,
    --dry-run, then --budget paper. After a crash the same command continues; jobs of submitit that still run
    are found again.
    """
    from rise_bench.cli.study_options import (
        checked_setup,
        gpus_of,
        launcher_of,
        own_dataset,
        refuse_unshared,
        tuning_notes,
    )
    from rise_bench.experiments.study.grid import Study
    from rise_bench.experiments.study.run import planned
    from rise_bench.experiments.study.settings import read_settings
    from rise_bench.experiments.study.tuning import Tuning

    dataset = own_dataset(benchmark)
    whole = Study(out, dataset.spec.name if dataset else benchmark, dataset=dataset)
    start, setup = checked_setup(model, scale, setting or (), drawn=whole.is_drawn)
    launch = launcher_of(launcher, resource or ())
    alone = launcher != "slurm" and not setup.limits.on_cpu
    jobs = jobs if jobs is not None else 1 if alone else 2
    if alone and jobs > 1 and (launcher == "local" or measure):
        raise ConfigError(
            f"--jobs {jobs}: each job would take the same GPUs; give --jobs 1, or --launcher slurm"
        )
    steps = steps or (200 if budget == "paper" else 120)
    methods = _methods(whole, method, ablations, budget, tune)
    if tune and not jobs and not dry_run:
        raise ConfigError("--jobs 0 only measures what is done, and --tune chooses; give --jobs 2")
    if tune and (budget == "time" or seeds != _SEEDS):
        raise ConfigError(
            "--tune has a seed of its own, and settings of equal steps serve equal time; leave --seeds and "
            "--budget time out"
        )
    if tune and (not whole.is_drawn or setup.scale != "world" or launch or measure):
        raise ConfigError(
            "--tune needs validation pictures, which are drawn; leave it out for other benchmarks, scales or "
            "launchers, whose settings are those of the recipes and of --set"
        )
    tuned = read_settings(out / "tuned.json", whole.benchmark, budget)
    if (tuned or tune) and any(text.partition("=")[0].endswith(".learning_rate") for text in setup.settings):
        raise ConfigError(
            f"--set of a learning rate, which {out / 'tuned.json'} has or gets for each method; leave one out"
        )
    if measure and setup.scale == "world":
        raise ConfigError(
            "--measure is for scales whose seconds are not known; --dry-run alone estimates this one"
        )
    if measure and (dry_run or not jobs):
        raise ConfigError(
            "--measure trains a few steps and then lists the jobs; leave --dry-run and --jobs 0 out, which "
            "run nothing"
        )
    if tune:
        tried = tuple(choice.value for choice in dict.fromkeys(shots or [ShotsChoice.SIXTEEN]))
        tuning = Tuning(out, benchmark, tried, methods, steps, train, test, start, budget, setup)
        refuse_unshared(setup.settings, tuning.jobs())
        _tune(tuning, jobs, dry_run, as_json)
        return
    asked_for = replace(
        whole,
        shots=tuple(choice.value for choice in dict.fromkeys(shots or ShotsChoice)),
        seeds=seeds,
        methods=methods,
        budget=budget,
        steps=steps,
        train=train,
        test=test,
        tuned=tuned,
        base=start,
        setup=setup,
    )
    refuse_unshared(setup.settings, asked_for.jobs())
    plan = planned(asked_for)
    for note in tuning_notes(plan):
        typer.echo(note, err=True)
    if measure:
        _measure(plan, jobs, launch)
    if measure or dry_run:
        list_jobs(plan.jobs(), plan, jobs, as_json, gpus_of(resource or ()))
        return
    _study(plan, jobs, as_json, launch)


def _methods(
    study: "Study", asked: list[str] | None, ablations: bool, budget: "Budget", tune: bool
) -> tuple[str, ...]:
    from rise_bench.experiments.methods import METHODS, find_method
    from rise_bench.experiments.study.grid import ablations_for, methods_for, needs_drawn

    names = dict.fromkeys(asked or methods_for(drawn=study.is_drawn))
    for name in names:
        find_method(name)
    if not study.is_drawn and (drawn := [name for name in names if needs_drawn(name)]):
        raise ConfigError(
            f"{', '.join(drawn)}: its chains of thought are drawn, and {study.benchmark} is not; leave it out"
        )
    if ablations:
        names |= dict.fromkeys(ablations_for(study.spec.kind, budget, drawn=study.is_drawn))
    extra = [name for name in names if name not in METHODS]
    if extra and (tune or budget == "time"):
        raise ConfigError(
            f"ablations have the settings and the steps of RISE; leave {', '.join(extra)} out of "
            + ("--tune" if tune else "--budget time")
        )
    return tuple(names)


def _measure(plan: "Study", at_once: int, launcher: "Launcher | None") -> None:
    from rise_bench.cli.job_bars import JobBars
    from rise_bench.experiments.study.estimate import measuring_jobs
    from rise_bench.experiments.study.run import measure_steps

    with drawing_bar() as drawing, JobBars(len(measuring_jobs(plan)), plan.jobs_folder) as bars:
        failed = measure_steps(plan, at_once=at_once, drawing=drawing, progress=bars.show, launcher=launcher)
    _end(failed, wrong=True)


def _study(plan: "Study", at_once: int, as_json: bool, launcher: "Launcher | None") -> None:
    from rise_bench.cli.job_bars import JobBars
    from rise_bench.cli.tables import print_json
    from rise_bench.experiments.study.run import run_study

    jobs = plan.jobs()
    with drawing_bar() as drawing, JobBars(len(jobs), plan.jobs_folder) as bars:
        done = run_study(plan, at_once=at_once, drawing=drawing, progress=bars.show, launcher=launcher)
    if as_json:
        print_json([result.to_json() for result in done.results])
    else:
        print_tables(plan.out, done.results)
        typer.echo(f"\nresults: {plan.out / 'results.jsonl'}\npage:    {done.page}")
    for removed in done.removed:
        typer.echo(removed, err=True)
    _end(done.failed, wrong=at_once > 0)


def _tune(plan: "Tuning", at_once: int, dry_run: bool, as_json: bool) -> None:
    from rise_bench.cli.job_bars import JobBars
    from rise_bench.cli.tables import print_json
    from rise_bench.experiments.study.run import run_tuning

    jobs = plan.jobs()
    if dry_run:
        list_jobs(jobs, plan, at_once, as_json)
        return
    with drawing_bar() as drawing, JobBars(len(jobs), plan.jobs_folder) as bars:
        chosen, failed = run_tuning(plan, at_once=at_once, drawing=drawing, progress=bars.show)
    if as_json:
        print_json(chosen)
    else:
        for shots, of_methods in chosen.items():
            typer.echo(f"settings of {len(of_methods)} methods at {shots}: {plan.out / 'tuned.json'}")
    _end(failed, wrong=True)


def _end(failed: list[str], *, wrong: bool) -> None:
    if failed:
        typer.echo("\n".join(["", *failed]), err=True)
        if wrong:
            raise typer.Exit(1)
