"""`rise-bench run`: every stage of a recipe on own data, and one report."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rise_bench.cli import app
from rise_bench.cli.choices import AsJson

if TYPE_CHECKING:
    from rise_bench.curation.own.plan import Plan

StageName = Literal["", "build", "rise_cot", "collect", "check", "rise_r1", "eval", "report"]


@app.command()
def run(
    recipe: Annotated[Path, typer.Argument(help="rise.yaml, as `rise-bench init` writes it, or its folder.")],
    stage: Annotated[StageName, typer.Option(help="One stage alone; all by default.")] = "",
    show: Annotated[bool, typer.Option("--show", help="Print the stages and their commands.")] = False,
    repeat: Annotated[
        bool,
        typer.Option("--repeat", help="Delete and repeat the stages that a changed recipe touches."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run the stages of a recipe: build, RISE-CoT or an API, chains of thought, RISE-R1, scores, report.

    A stage that is done is not run again; after a crash the same command goes on.
    """
    from rise_bench.cli.job_bars import JobBars
    from rise_bench.cli.tables import print_json
    from rise_bench.curation.own.plan import Plan
    from rise_bench.curation.own.run import run_recipe, states

    plan = Plan.read(recipe)
    if show:
        print_json([state.to_json() for state in states(plan, stage)]) if as_json else _show(plan, stage)
        return
    jobs = [job for of_stage in plan.chosen(stage).values() for job in of_stage]
    with JobBars(len(jobs), plan.folder) as bars:
        outcome = run_recipe(plan, stage, repeat=repeat, progress=bars.show)
    if as_json:
        print_json(outcome)
    else:
        _print(plan, outcome)


def _show(plan: "Plan", stage: str) -> None:
    from rise_bench.curation.own.run import states
    from rise_bench.evaluation.lmms_command import CUSTOM_VARIABLE

    for state in states(plan, stage):
        status = f"done, {state.seconds / 60:.1f} min" if state.done else "to do"
        if state.to_repeat:
            status = f"to repeat: {state.to_repeat}"
        typer.echo(f"{state.stage}: {status}")
        for command in state.commands:
            typer.echo(f"    {command}")
    place = f"RISE_BENCH_DATA={plan.dataset.parent} {CUSTOM_VARIABLE}={plan.recipe.name}"
    typer.echo(f"\nThe commands find the dataset by {place}")


def _print(plan: "Plan", outcome: Mapping[str, Any]) -> None:
    from rise_bench.cot.low_rewards import low_text

    for name, score in outcome.get("scores", {}).items():
        _print_score(name, score)
    if "cots" in outcome:
        tau = plan.recipe.collect.tau
        typer.echo(
            f"chains of thought: {outcome['cots']}: {outcome['verified']} of {outcome['rows']} have a reward "
            f"of at least {tau:g}"
        )
        if told := low_text(outcome["low_because"], tau):
            typer.echo(told)
    if "report" in outcome:
        typer.echo(f"report: {outcome['report']}")
        if outcome["verified"]:
            typer.echo(f"next: rise-bench publish {outcome['cots']} --repo ORG/NAME --dry-run")
        else:
            typer.echo(f"next: rise-bench review {outcome['cots']}")
        if plan.recipe.rise_r1 is not None:
            scores = "".join(f" --scores {path}" for path in sorted(plan.scores.glob("trained.json")))
            typer.echo(
                f"next: rise-bench publish-model {plan.run('rise_r1')} --repo ORG/NAME{scores} --dry-run"
            )


def _print_score(name: str, score: Mapping[str, Any]) -> None:
    """Print the ranking metric of a model beside the baselines'."""
    metric = score["ranking_metric"]
    value = score["metrics"][metric]["value"]
    baselines = ", ".join(
        f"{title} {report['metrics'][metric]['value']:.3f}" for title, report in score["floors"].items()
    )
    typer.echo(f"{name}: {metric} {value:.3f} on {score['samples']} test rows; baselines: {baselines}")
