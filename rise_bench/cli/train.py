"""`rise-bench train`: one stage by its recipe, on one process or on all GPUs."""

import os
import sys
from typing import Annotated

import typer

from rise_bench.cli import app
from rise_bench.errors import ConfigError
from rise_bench.extras import require_extra
from rise_bench.registry import load_component


@app.command()
def train(
    stage: Annotated[
        str, typer.Argument(help="rise_cot, rise_r1, sft, visual_rft, reason_rft or metis_rise.")
    ] = "",
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value, e.g. data.shots=4-shot grpo.learning_rate=1e-5.")
    ] = None,
    recipe: Annotated[str, typer.Option(help="Recipe by name (emotion6/rise_cot) or path.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the resolved config and stop.")] = False,
    list_recipes: Annotated[bool, typer.Option("--list", help="Print the shipped recipes and stop.")] = False,
) -> None:
    """Train one stage; started again after a crash, the same command goes on from the last checkpoint."""
    from rise_bench.dataset import open_benchmark

    recipes = load_component("trainers", "recipe_files")
    if list_recipes:
        typer.echo("\n".join(recipes.recipe_names()))
        return
    if recipe:
        config = recipes.load_config(recipe, overrides or [])
    else:
        config = recipes.load_config(None, [f"stage={stage}", *(overrides or [])])
    if config.stage != stage:
        raise ConfigError(
            f"recipe {recipe} is for {config.stage}, not {stage or 'no stage'}. "
            f"Run: rise-bench train {config.stage} --recipe {recipe}"
        )
    if dry_run:
        typer.echo(recipes.dump_config(config), nl=False)
        return
    require_extra("train")
    command = load_component("trainers", "launch").launch_command(config, sys.argv[1:])
    if command:
        os.execv(command[0], command)
    benchmark = open_benchmark(config.data.benchmark)
    hashes = load_component("trainers", "training_data").prompt_hashes(config, benchmark)
    create = load_component("trainers", "run_folder").RunFolder.create
    run = create(config, prompt_hashes=hashes, benchmark_sha256=benchmark.sha256)
    final = load_component("trainers", stage).train(config, run)
    if os.environ.get("RANK", "0") == "0":
        typer.echo(str(final))
