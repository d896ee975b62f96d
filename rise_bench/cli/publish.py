"""`rise-bench publish`: send a benchmark or a CoT dataset to the Hub."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rise_bench.cli import app

if TYPE_CHECKING:
    from rise_bench.hub_push import Pushed
    from rise_bench.publish import Preview


@app.command()
def publish(
    folder: Annotated[Path, typer.Argument(help="Folder that build, collect or rehydrate wrote.")],
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
    Run again after an interruption: what the Hub has already is not sent again.
    """
    import json

    from rise_bench import publish as publishing

    if dry_run:
        seen = publishing.preview(folder, repo, embed=embed)
        typer.echo(json.dumps(_preview_json(repo, seen), indent=1) if as_json else _preview_text(repo, seen))
        return
    pushed = publishing.publish(folder, repo, private=private, create_pr=create_pr, embed=embed)
    typer.echo(json.dumps(asdict(pushed), indent=1) if as_json else _pushed_text(pushed))


def _preview_json(repo: str, seen: "Preview") -> dict[str, Any]:
    return {
        "repo_id": repo,
        "head": seen.change.head,
        "images": seen.manifest.images,
        "counts": seen.manifest.counts,
        "send": {file.path: file.size_bytes for file in seen.change.send},
        "keep": [file.path for file in seen.change.keep],
        "delete": list(seen.change.delete),
    }


def _preview_text(repo: str, seen: "Preview") -> str:
    where = f"at {seen.change.head}" if seen.change.head else "does not exist yet and would be made"
    size = sum(file.size_bytes for file in seen.change.send)
    lines = [
        f"{repo} {where}.",
        f"Images: {seen.manifest.images}. Rows: {seen.manifest.counts}.",
        f"Would send {len(seen.change.send)} files, {size:,} bytes; {len(seen.change.keep)} are there.",
        *(f"  send    {file.path}  {file.size_bytes:,}" for file in seen.change.send),
        *(f"  keep    {file.path}" for file in seen.change.keep),
        *(f"  delete  {path}" for path in seen.change.delete),
        "Nothing was sent.",
    ]
    return "\n".join(lines)


def _pushed_text(pushed: "Pushed") -> str:
    sent = f"Sent {len(pushed.sent)} files." if pushed.sent else "Nothing to send: the Hub has it all."
    lines = [sent, *([f"Pull request: {pushed.pull_request}"] if pushed.pull_request else [])]
    lines += [
        f"Commit to pin: {pushed.commit}",
        f'  rise_bench.load("{pushed.repo_id}", revision="{pushed.commit}")',
    ]
    return "\n".join(lines)
