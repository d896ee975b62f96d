"""`rise-bench publish`: send a benchmark or a CoT dataset to the Hub."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rise_bench.cli import app

if TYPE_CHECKING:
    from rise_bench.hub.push import Difference, Pushed


@app.command()
def publish(
    folder: Annotated[Path, typer.Argument(help="Dataset to send: its folder, or the name of a built one.")],
    repo: Annotated[str, typer.Option(help="ORG/NAME on the Hub; made if it does not exist.")],
    private: Annotated[bool, typer.Option("--private", help="Make the repository private.")] = False,
    create_pr: Annotated[bool, typer.Option("--create-pr", help="Open a pull request instead.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent, and stop.")] = False,
    embed: Annotated[
        bool, typer.Option("--embed", help="Insist on sending images; refused where the source forbids it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Send a dataset folder to the Hub in one commit, and print the commit to pin.

    Every configuration goes out, without copied shards. The token is the one of `hf auth login`, or HF_TOKEN.
    After an interruption the same command sends only what the Hub lacks.
    """
    import json

    from rise_bench.hub import publish as publishing
    from rise_bench.hub.places import place_warning

    with byte_bar("Preparing shards") as progress:
        if dry_run:
            seen = publishing.preview(folder, repo, private=private, embed=embed, progress=progress)
        else:
            pushed = publishing.publish(
                folder, repo, private=private, create_pr=create_pr, embed=embed, progress=progress
            )
    if dry_run:
        facts = {
            "images": seen.manifest.images,
            "counts": seen.manifest.counts,
            "pictures_with_places": seen.pictures_with_places,
        }
        if as_json:
            typer.echo(json.dumps(difference_json(repo, seen.change) | facts, indent=1))
        else:
            rows = ", ".join(f"{split} {number}" for split, number in seen.manifest.counts.items())
            typer.echo(f"Images: {seen.manifest.images}. Rows: {rows}.")
            typer.echo(difference_text(repo, seen.change))
        if seen.pictures_with_places:
            typer.echo(f"warning: {place_warning(seen.pictures_with_places)}", err=True)
        return
    if as_json:
        typer.echo(json.dumps(asdict(pushed), indent=1))
    else:
        typer.echo(pushed_text(pushed))
        typer.echo(f'  rise_bench.load("{pushed.repo_id}", revision="{pushed.commit}")')


@contextlib.contextmanager
def byte_bar(label: str) -> "Iterator[Callable[[int, int], None]]":
    """Show a bar on stderr; the value is called with (done, total) in bytes."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def difference_json(repo: str, change: "Difference") -> dict[str, Any]:
    """Return what would be sent as JSON: path to bytes."""
    return {
        "repo_id": repo,
        "head": change.head,
        "send": {file.path: file.size_bytes for file in change.send},
        "keep": [file.path for file in change.keep],
        "delete": list(change.delete),
        "not_compared": change.not_compared or None,
    }


def difference_text(repo: str, change: "Difference") -> str:
    """Return what would be sent as text."""
    where = f"at {change.head}" if change.head else "does not exist yet and would be made"
    size = sum(file.size_bytes for file in change.send)
    about = [
        f"{repo} {where}.",
        f"Would send {len(change.send)} files, {size:,} bytes; {len(change.keep)} are there.",
    ]
    if change.not_compared:
        about = [
            f"Not compared with {repo}, so what is there already, and what would go, is not known: "
            f"{change.not_compared}.",
            f"Would send at most {len(change.send)} files, {size:,} bytes.",
        ]
    lines = [
        *about,
        *(f"  send    {file.path}  {file.size_bytes:,}" for file in change.send),
        *(f"  keep    {file.path}" for file in change.keep),
        *(f"  delete  {path}" for path in change.delete),
        "Nothing was sent.",
    ]
    return "\n".join(lines)


def pushed_text(pushed: "Pushed") -> str:
    """Return what was sent, and the commit to pin."""
    sent = f"Sent {len(pushed.sent)} files." if pushed.sent else "Nothing to send: the Hub has it all."
    lines = [sent, *([f"Pull request: {pushed.pull_request}"] if pushed.pull_request else [])]
    return "\n".join([*lines, f"Commit to pin: {pushed.commit}"])
