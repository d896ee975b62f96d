"""`rise-bench review`: decide about labels on a page in the browser."""

from pathlib import Path
from typing import Annotated

import typer

from rise_bench.cli import app
from rise_bench.errors.redaction import printable


@app.command()
def review(
    folder: Annotated[
        Path, typer.Argument(help="Folder of an audit, of an annotation run, or of a CoT dataset.")
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on loopback; any free one if 0.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    status: Annotated[bool, typer.Option("--status", help="Print how many are decided, and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print address or status as JSON.")] = False,
) -> None:
    """Look at labels beside what a model says, and accept, replace, edit or skip each; Ctrl-C ends it."""
    from rise_bench.catalog.extras import require_extra
    from rise_bench.cli.tables import print_json
    from rise_bench.curation.review.session import Review

    opened = Review(folder)
    if status:
        counts = opened.counts()
        if as_json:
            print_json({"folder": str(folder), "decisions": str(opened.path)} | counts)
        else:
            typer.echo(_sentence(counts))
        return
    require_extra("review")
    from rise_bench.curation.review.server import serve, sole_reviewer

    def started(address: str) -> None:
        if as_json:
            print_json({"address": address, "decisions": str(opened.path)})
        else:
            typer.echo(f"{printable(opened.source.header.title)}: {address}\nCtrl-C ends the review.")

    with sole_reviewer(folder):
        serve(opened, port=port, browser=browser, started=started)
    if not as_json:
        typer.echo(f"\n{_sentence(opened.counts())}; the decisions are in {printable(str(opened.path))}")


def _sentence(counts: dict[str, int]) -> str:
    names = {"accept": "accepted", "model": "the model's", "edit": "edited", "skip": "skipped"}
    parts = ", ".join(f"{counts[action]} {name}" for action, name in names.items())
    return f"{counts['decided']} of {counts['items']} decided ({parts})"
