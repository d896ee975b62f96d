"""`rise-bench train`: one stage by its recipe, on one process or on all GPUs."""

import json
import os
import sys
from contextlib import redirect_stdout
from typing import Annotated, Any

import typer

from rise_bench.catalog.plugins import load_component
from rise_bench.cli import app
from rise_bench.cli.stopping import stopping
from rise_bench.errors import ConfigError
from rise_bench.extras import require_extra

#: Set for the processes that a run starts once its pre-flight has passed.
_PASSED = "RISE_BENCH_PREFLIGHT_PASSED"


@app.command()
def train(
    stage: Annotated[
        str,
        typer.Argument(
            help="rise_cot, rise_r1, sft, visual_rft, reason_rft or metis_rise; the recipe's if left out."
        ),
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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the resolved config and stop.")] = False,
    list_recipes: Annotated[bool, typer.Option("--list", help="Print the shipped recipes and stop.")] = False,
) -> None:
    """Train one stage; started again after a crash, the same command goes on from the last checkpoint."""
    recipes = load_component("trainers", "settings.recipe_loader")
    if list_recipes:
        typer.echo("\n".join(recipes.recipe_names()))
        return
    config = _resolve(recipes, stage, overrides or [], recipe)
    if dry_run:
        typer.echo(recipes.dump_config(config), nl=False)
        return
    require_extra("train")
    run = load_component("trainers", "runs.run_folder").RunFolder.of(config)
    with stopping(run.kept):
        _train(config, run, check=check, as_json=as_json)


def _resolve(recipes: Any, stage: str, overrides: list[str], recipe: str) -> Any:
    """The config; the stage is the recipe's, or the recipe the stage's."""
    if "=" in stage:
        stage, overrides = "", [stage, *overrides]
    named = next((text.partition("=")[2] for text in overrides if text.startswith("stage=")), stage)
    if not recipe and not named:
        raise ConfigError("no stage is named. Run: rise-bench train STAGE, or --recipe NAME (see --list)")
    if not recipe:
        recipe = recipes.default_recipe(named, overrides)
        typer.echo(f"recipe: {recipe}", err=True)
    config = recipes.load_config(recipe, overrides)
    if named and config.stage != named:
        raise ConfigError(
            f"recipe {recipe} is for {config.stage}, not {named}. Run: rise-bench train --recipe {recipe}"
        )
    return config


def _train(config: Any, run: Any, *, check: bool, as_json: bool) -> None:
    from rise_bench.hub.find import open_benchmark

    say = load_component("trainers", "runs.console").say
    if check or _PASSED not in os.environ:
        with redirect_stdout(sys.stderr):  # libraries that greet on stdout when they are imported
            seen = load_component("trainers", "checks.preflight").inspect(config, sys.argv[1:])
        if as_json:
            typer.echo(json.dumps(_as_json(seen)))
            if not check:
                raise ConfigError("--json is for --check. Give both.")
            raise typer.Exit(1 if seen.findings else 0)
        for fact in seen.facts:
            say(f"pre-flight: {fact}")
        for warning in seen.warnings:
            say(f"warning: {warning}")
        seen.refuse()
        if check:
            typer.echo("pre-flight: no problem found, nothing was written")
            return
        if seen.command:
            os.environ[_PASSED] = "1"
            os.execv(seen.command[0], seen.command)
    benchmark = open_benchmark(config.data.benchmark)
    hashes = load_component("trainers", "data.training_data").prompt_hashes(config, benchmark)
    new = not run.path.exists()
    run = run.create(config, prompt_hashes=hashes, benchmark_sha256=benchmark.sha256)
    try:
        final = load_component("trainers", config.stage).train(config, run)
    except BaseException:
        if new:
            run.discard_if_nothing_was_trained()
        raise
    if load_component("trainers", "runs.run_folder").is_main_process():
        for line in load_component("trainers", "runs.next_steps").next_steps(config, benchmark, run, final):
            say(f"next: {line}")
        typer.echo(str(final))


def _as_json(seen: Any) -> dict[str, Any]:
    found = {"ok": not seen.findings, "problems": seen.findings, "warnings": seen.warnings}
    return found | {"facts": seen.facts, "needs": seen.needs}
