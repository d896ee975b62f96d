"""Progress and result of `rise-bench collect` and `verify`."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rise_bench.cot.collect_job import Collected, CollectJob
    from rise_bench.cot.share import Share


def with_progress(
    run: Callable[..., "Collected"], job: "CollectJob", share: "Share", label: str = "sampling"
) -> "Collected":
    """Collect with a bar of the samples, and one of what is judged."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=share.rank != 0) as bar:
        task = bar.add_task(label, total=None, visible=False)
        judging = bar.add_task("judging", total=None, visible=False)
        again = bar.add_task("reconstructing again", total=None, visible=False)
        return run(
            job,
            share,
            started=lambda total: bar.update(task, total=total, visible=True),
            progress=lambda done: bar.advance(task, done),
            judged=lambda done, total: bar.update(judging, completed=done, total=total, visible=True),
            rescoring=lambda done, total: bar.update(again, completed=done, total=total, visible=True),
        )


def report(job: "CollectJob", result: "Collected", as_json: bool) -> None:
    """Print the rows of each shard, the means of rewards that were measured again, or what is left."""
    from rise_bench.cot.low_rewards import count_low, low_text

    shards: dict[str, int] = {"high": 0, "low": 0}
    for entry in result.manifest.files.values() if result.manifest else ():
        shards[entry.shard] += entry.rows
    counts = {"swept": result.swept, "reused": result.reused, "left": result.left}
    low = count_low(job.out) if result.manifest else {}
    numbers = {"out": str(job.out), **counts, **shards, "low_because": low, **_means(job, result)}
    if result.manifest and not result.asked:
        typer.echo(f"{job.out} was collected before, by the same command; nothing was done", err=True)
    elif result.reused:
        before = "training or an earlier start of this command" if job.train_log else "an earlier start"
        typer.echo(f"{result.reused} of {result.asked} samples taken from {before}", err=True)
    if as_json:
        typer.echo(json.dumps(numbers))
    elif result.manifest is None:
        typer.echo(f"{result.swept} samples annotated; {result.left} are left to other processes or a rerun")
    else:
        rows = shards["high"] + shards["low"]
        typer.echo(f"{job.out}: {rows} rows, {shards['high']} with reward >= {job.tau:g}")
        if told := low_text(low, job.tau):
            typer.echo(told)
        if job.rescoring:
            typer.echo(
                f"mean reward {numbers['reward']:.3f} by {job.rescoring.reconstructions} new reconstructions "
                f"of each, {numbers['reward_selected']:.3f} when they were selected"
            )


def _means(job: "CollectJob", result: "Collected") -> dict[str, float | None]:
    """Return the means of the rewards of a dataset that was rescored, by column."""
    if not job.rescoring or not result.manifest:
        return {}
    from rise_bench.cot.dataset import SELECTED, VIEWS
    from rise_bench.cot.verified_summary import summarize

    summary = summarize(job.out)
    return {name: summary[name] for name in ("reward", SELECTED, *VIEWS)}
