"""`rise-bench train`: one stage by its recipe, on one process or on all GPUs."""

import json
import os
import sys
from collections.abc import Collection
from contextlib import redirect_stdout
from importlib import import_module
from typing import Annotated, Any

import typer

from rise_bench.cli import app
from rise_bench.cli.stopping import stopping
from rise_bench.errors import ConfigError

#: Set for the processes that a run starts once its pre-flight has passed.
_PASSED = "RISE_BENCH_PREFLIGHT_PASSED"


@app.command()
def train(
    stage: Annotated[
        str,
        typer.Argument(help="Stage, e.g. rise_cot (--list names all); the recipe's if left out."),
    ] = "",
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value, e.g. data.benchmark=moods grpo.learning_rate=1e-5.")
    ] = None,
    recipe: Annotated[
        str,
        typer.Option(help="Recipe by name (emotion6/rise_cot) or path; default: by benchmark and stage."),
    ] = "",
    check: Annotated[
        bool, typer.Option("--check", help="Pre-flight only: problems, memory, disk, hours. Writes nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --check: print JSON.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the composed recipe and stop.")] = False,
    list_recipes: Annotated[bool, typer.Option("--list", help="Print the shipped recipes and stop.")] = False,
) -> None:
    """Train one stage; after a crash the same command continues from the last checkpoint."""
    if list_recipes:
        from rise_bench.trainers.settings.recipes import recipe_names

        typer.echo("\n".join(recipe_names()))
        return
    from rise_bench.trainers.settings import recipe_loader as loader

    if "=" in stage:
        stage, overrides = "", [stage, *(overrides or [])]
    chosen, config = loader.resolve(stage, overrides or [], recipe)
    if not recipe:
        typer.echo(f"recipe: {chosen}", err=True)
    if dry_run:
        typer.echo(loader.describe(chosen, config), nl=False)
        return
    from rise_bench.catalog.extras import require_extra

    require_extra("train")
    from rise_bench.trainers.runs import console
    from rise_bench.trainers.runs.run_folder import RunFolder

    run = RunFolder.of(config)
    with stopping(lambda: run.kept() if console.is_heard() else ""):
        _train(config, run, overrides or [], check=check, as_json=as_json)


def _train(config: Any, run: Any, overrides: list[str], *, check: bool, as_json: bool) -> None:
    from rise_bench.hub.find import find_benchmark

    leave_out_wandb(config.run.report_to)
    if check or _PASSED not in os.environ:
        _preflight(config, overrides, check=check, as_json=as_json)
    from rise_bench.trainers.data import training_data as data
    from rise_bench.trainers.runs import console
    from rise_bench.trainers.runs.start_model import with_start_model

    benchmark = find_benchmark(config.data.benchmark)
    hashes, cots = data.prompt_hashes(config, benchmark), data.cots_sha256(config)
    new = not run.path.exists()
    run = run.create(config, prompt_hashes=hashes, benchmark_sha256=benchmark.sha256, cots_sha256=cots)
    try:
        stage = import_module(f"rise_bench.trainers.{config.declared_stage.file.stem}")
        final = stage.train(with_start_model(config, run), run)
    except BaseException:
        if new:
            run.discard_if_nothing_was_trained()
        raise
    if console.is_heard():
        from rise_bench.trainers.runs.next_steps import next_steps

        for line in next_steps(config, benchmark, run, final):
            console.say(f"next: {line}")
        typer.echo(str(final))


def leave_out_wandb(report_to: Collection[str]) -> None:
    """Keep TRL from importing wandb, a fifth of what a run imports, where the run does not report to it."""
    if "wandb" not in report_to:
        sys.modules.setdefault("wandb", None)  # type: ignore[arg-type]  # what the import system takes for absent


def _preflight(config: Any, overrides: list[str], *, check: bool, as_json: bool) -> None:
    """Check for problems; exit if there are any or with --check, else start the processes of the run."""
    from rise_bench.trainers.runs import console
    from rise_bench.trainers.settings.unread import unread

    with redirect_stdout(sys.stderr):  # libraries that greet on stdout when they are imported
        from rise_bench.trainers.checks.preflight import inspect

        seen = inspect(config, sys.argv[1:])
    seen.warnings += unread(config, overrides)
    if as_json:
        typer.echo(json.dumps(_as_json(seen)))
        if not check:
            raise ConfigError("--json is for --check. Give both.")
        raise typer.Exit(1 if seen.findings else 0)
    for fact in seen.facts:
        console.say(f"pre-flight: {fact}")
    for warning in seen.warnings:
        console.say(f"warning: {warning}")
    if seen.findings and not console.is_heard_on_its_machine():
        raise typer.Exit(1)
    seen.refuse()
    if check:
        typer.echo("pre-flight: no problem found, nothing was written")
        raise typer.Exit
    if seen.command:
        os.environ[_PASSED] = "1"
        os.execv(seen.command[0], seen.command)


def _as_json(seen: Any) -> dict[str, Any]:
    verdict = {"ok": not seen.findings, "problems": seen.findings, "warnings": seen.warnings}
    return verdict | {"facts": seen.facts, "needs": seen.needs}
