"""`rise-bench train`: one stage by its recipe, on one process or on all GPUs."""

import json
import os
import sys
from collections.abc import Collection
from contextlib import redirect_stdout
from typing import Annotated, Any

import typer

from rise_bench.catalog.plugins import load_component
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
        typer.echo("\n".join(load_component("trainers", "settings.recipes").recipe_names()))
        return
    if "=" in stage:
        stage, overrides = "", [stage, *(overrides or [])]
    loader = load_component("trainers", "settings.recipe_loader")
    chosen, config = loader.resolve(stage, overrides or [], recipe)
    if not recipe:
        typer.echo(f"recipe: {chosen}", err=True)
    if dry_run:
        typer.echo(loader.describe(chosen, config), nl=False)
        return
    from rise_bench.catalog.extras import require_extra

    require_extra("train")
    run = load_component("trainers", "runs.run_folder").RunFolder.of(config)
    console = load_component("trainers", "runs.console")
    with stopping(lambda: run.kept() if console.is_heard() else ""):
        _train(config, run, check=check, as_json=as_json)


def _train(config: Any, run: Any, *, check: bool, as_json: bool) -> None:
    from rise_bench.hub.find import find_benchmark

    leave_out_wandb(config.run.report_to)
    if check or _PASSED not in os.environ:
        _preflight(config, check=check, as_json=as_json)
    console = load_component("trainers", "runs.console")
    benchmark = find_benchmark(config.data.benchmark)
    data = load_component("trainers", "data.training_data")
    hashes, cots = data.prompt_hashes(config, benchmark), data.cots_sha256(config)
    new = not run.path.exists()
    run = run.create(config, prompt_hashes=hashes, benchmark_sha256=benchmark.sha256, cots_sha256=cots)
    try:
        final = load_component("trainers", config.declared_stage.file.stem).train(config, run)
    except BaseException:
        if new:
            run.discard_if_nothing_was_trained()
        raise
    if console.is_heard():
        for line in load_component("trainers", "runs.next_steps").next_steps(config, benchmark, run, final):
            console.say(f"next: {line}")
        typer.echo(str(final))


def leave_out_wandb(report_to: Collection[str]) -> None:
    """Keep TRL from importing wandb, a fifth of what a run imports, where the run does not report to it."""
    if "wandb" not in report_to:
        sys.modules.setdefault("wandb", None)  # type: ignore[arg-type]  # what the import system takes for absent


def _preflight(config: Any, *, check: bool, as_json: bool) -> None:
    """Check for problems; exit if there are any or with --check, else start the processes of the run."""
    console = load_component("trainers", "runs.console")
    with redirect_stdout(sys.stderr):  # libraries that greet on stdout when they are imported
        seen = load_component("trainers", "checks.preflight").inspect(config, sys.argv[1:])
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
