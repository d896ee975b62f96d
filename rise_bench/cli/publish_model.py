"""`rise-bench publish-model`: send a trained model to the Hub."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rise_bench.cli import app


@app.command()
def publish_model(
    run: Annotated[Path, typer.Argument(help="Run folder of `rise-bench train`.")],
    repo: Annotated[str, typer.Option(help="ORG/NAME on the Hub; made if it does not exist.")],
    scores: Annotated[
        list[Path] | None, typer.Option(help="File of `rise-bench score --json`; repeatable.")
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(help="ORG/NAME@COMMIT it was trained or scored on; repeatable."),
    ] = None,
    license_id: Annotated[
        str,
        typer.Option(
            "--licence", "--license", help="Licence of the model; its base model's by default, if known."
        ),
    ] = "",
    private: Annotated[bool, typer.Option("--private", help="Make the repository private.")] = False,
    create_pr: Annotated[bool, typer.Option("--create-pr", help="Open a pull request instead.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent, and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Send safetensors, processor, recipe, card and .eval_results in one commit; print the commit to pin."""
    import json

    from rise_bench.cli.publish import difference_json, difference_text, pushed_text
    from rise_bench.hub import publish_model as publishing

    scores, datasets = scores or [], dataset or []
    if dry_run:
        change = publishing.preview_model(run, repo, scores=scores, datasets=datasets, license_id=license_id)
        shown = difference_json(repo, change)
        typer.echo(json.dumps(shown, indent=1) if as_json else difference_text(repo, change))
        return
    pushed = publishing.publish_model(
        run,
        repo,
        scores=scores,
        datasets=datasets,
        license_id=license_id,
        private=private,
        create_pr=create_pr,
    )
    typer.echo(json.dumps(asdict(pushed), indent=1) if as_json else pushed_text(pushed))
