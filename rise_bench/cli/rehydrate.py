"""`rise-bench rehydrate`: join your own images to a dataset that was published without them."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rise_bench.cli import app
from rise_bench.cli.bars import progress_bar
from rise_bench.errors.redaction import printable

if TYPE_CHECKING:
    from rise_bench.hub.rehydrate import MissingImage, Rehydrated


@app.command()
def rehydrate(
    name: Annotated[str, typer.Argument(help="ORG/NAME on the Hub, a short name, or a folder.")],
    source: Annotated[Path, typer.Option(help="Folder with the images of the source, in any layout.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write; by default the cache, where tasks and trainers look."),
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Commit, tag or branch on the Hub.")] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Leave out rows whose image is missing.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the content of --out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Join images back; every hash is checked, and missing images are listed, one row per line."""
    from rise_bench.hub.rehydrate import MissingImagesError, rehydrate_folder

    try:
        with progress_bar("Hashing images") as progress:
            done = rehydrate_folder(
                name,
                source,
                out=out,
                revision=revision,
                allow_missing=allow_missing,
                overwrite=overwrite,
                progress=progress,
            )
    except MissingImagesError as error:
        _show(error.missing, None, as_json)
        raise
    _show(done.missing, done, as_json)


def _show(missing: "Sequence[MissingImage]", done: "Rehydrated | None", as_json: bool) -> None:
    rows = sum(done.manifest.counts.values()) if done else 0
    if as_json:
        outcome = {"folder": str(done.folder) if done else None, "rows": rows}
        typer.echo(json.dumps(outcome | {"missing": [asdict(item) for item in missing]}, indent=1))
        return
    for item in missing:
        typer.echo(printable(f"missing\t{item}"))
    if done:
        typer.echo(f"{rows} rows with their images: {done.folder}")
