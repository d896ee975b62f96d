"""`rise-bench audit`: which labels are probably wrong, and the dataset with those that people corrected."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rise_bench.annotations.answer_format import Style
from rise_bench.annotations.boxes.values import BoxUnit
from rise_bench.cli import app
from rise_bench.cli.bars import step_bars
from rise_bench.cli.choices import ApiKeyEnv, AsJson, MaxPixels
from rise_bench.cli.stopping import stopping
from rise_bench.errors import ConfigError

if TYPE_CHECKING:
    from rise_bench.curation.audit.run import Audited
    from rise_bench.data.dataset import BenchmarkDataset


@app.command()
def audit(
    dataset: Annotated[str, typer.Argument(help="Dataset whose labels are audited: folder or name.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    folds: Annotated[
        int,
        typer.Option(help="Number of models, each trained on the other folds and asked about its own."),
    ] = 3,
    model: Annotated[
        str, typer.Option(help="Ask this model instead: run, checkpoint, Hub id or URL. Not out of fold.")
    ] = "",
    endpoint: Annotated[
        list[str] | None, typer.Option(help="OpenAI-compatible base URL that serves --model.")
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(help="Take the answers from annotations.jsonl of annotate, or a samples file."),
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Answers per row; more are surer.")] = 4,
    cots: Annotated[str, typer.Option(help="CoT dataset that explains these labels.")] = "",
    reasoner: Annotated[
        str,
        typer.Option(help="Model of the closed loop, on the given labels (without --cots) and on its own."),
    ] = "",
    reasoner_endpoint: Annotated[
        list[str] | None, typer.Option(help="OpenAI-compatible base URL that serves --reasoner.")
    ] = None,
    rollouts: Annotated[int, typer.Option(min=1, help="Chains of thought per label.")] = 4,
    stage: Annotated[
        str, typer.Option(help="Stage that trains the folds, e.g. rise_r1; sft if not given.")
    ] = "",
    recipe: Annotated[str, typer.Option(help="Its recipe, by name or path.")] = "",
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="key=value after the recipe; may be repeated.")
    ] = None,
    split: Annotated[list[str] | None, typer.Option(help="Split to audit; all by default.")] = None,
    planted: Annotated[
        float, typer.Option("--plant", min=0, max=1, help="Make this share of the labels wrong, and measure.")
    ] = 0.0,
    style: Annotated[Style | None, typer.Option(help="Form of the answers of --model.")] = None,
    box_unit: Annotated[BoxUnit | None, typer.Option(help="Unit of boxes of --model and --reasoner.")] = None,
    max_pixels: MaxPixels = None,
    batch_rows: Annotated[int, typer.Option(min=1, help="Rows per batch of a local model.")] = 4,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight.")] = 16,
    api_key_env: ApiKeyEnv = "OPENAI_API_KEY",
    seed: Annotated[int, typer.Option(help="Seed of folds, training, sampling and planted errors.")] = 0,
    tasks: Annotated[int, typer.Option(min=0, help="Labels that become Label Studio tasks.")] = 200,
    apply: Annotated[
        Path | None,
        typer.Option(help="decisions.csv, or a JSON export of Label Studio: write the corrected dataset."),
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="With --apply: replace what is at --out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find labels that are probably wrong, the most suspicious first, each with why; or apply decisions.

    Writes audit.csv, audit.html and the queue of `rise-bench review`. After an interruption the same command
    goes on.
    """
    from rise_bench.hub.find import find_benchmark

    benchmark = find_benchmark(dataset)
    if apply is not None:
        _apply(benchmark, apply, out, overwrite=overwrite, as_json=as_json)
        return
    from rise_bench.curation.annotate.model_choice import endpoint_of
    from rise_bench.curation.audit.folds import Folds
    from rise_bench.curation.audit.model import asked_model
    from rise_bench.curation.audit.output import write_output
    from rise_bench.curation.audit.run import Audit, run_audit
    from rise_bench.hub.find import find_cots

    if endpoint and not model:
        raise ConfigError(
            "--endpoint serves --model, which is not given; name it with --model, or give the URL of "
            "--reasoner as --reasoner-endpoint"
        )
    if reasoner_endpoint and not reasoner:
        raise ConfigError(
            "--reasoner-endpoint serves --reasoner, which is not given; name it with --reasoner, or give the "
            "URL of --model as --endpoint"
        )
    servers, model = endpoint_of(model, endpoint or [], api_key_env)
    reasoner_servers, reasoner = endpoint_of(reasoner, reasoner_endpoint or [], api_key_env)
    if model and predictions:
        raise ConfigError("--model and --predictions are two sources of answers; leave one out")
    if (model or predictions) and (recipe or setting or stage):
        raise ConfigError(
            "--stage, --recipe and --set are of models that the audit trains; leave them out beside --model "
            "and --predictions"
        )
    if (box_unit or max_pixels) and not (model or reasoner):
        raise ConfigError(
            "--box-unit and --max-pixels are of --model and --reasoner; for models that the audit trains "
            "give --set model.box_unit=… and --set model.max_pixels=…"
        )
    if style and not model:
        raise ConfigError("--style is of --model; the answers of others say their form. Leave it out")
    shown: dict[str, Any] = {"unit": box_unit, "max_pixels": max_pixels, "batch_rows": batch_rows}
    sent: dict[str, Any] = {"concurrency": concurrency, "api_key_env": api_key_env}
    answerer: Any = predictions
    if model:
        answerer = asked_model(model, servers, style=style, **shown, **sent)
    elif not predictions and folds:
        answerer = Folds(
            folds,
            stage or "sft",
            recipe,
            tuple(setting or ()),
            cots=cots,
            samples=samples,
            seed=seed,
            batch_rows=batch_rows,
        )
    asked = Audit(
        benchmark,
        out,
        _splits(benchmark, split),
        cots=find_cots(cots) if cots else None,
        reasoner=asked_model(reasoner, reasoner_servers, **shown, **sent) if reasoner else None,
        rollouts=rollouts,
        answerer=answerer,
        samples=samples,
        seed=seed,
        planted=planted,
    )
    kept = f"what is done is kept in {asked.work}; the same command goes on from there"
    with stopping(lambda: kept), step_bars() as progress:
        audited = run_audit(asked, progress)
    summary = write_output(asked, audited, tasks=tasks)
    _print(out, audited, summary, as_json=as_json)


def _splits(dataset: "BenchmarkDataset", asked: list[str] | None) -> tuple[str, ...]:
    known = tuple(dataset.manifest.counts)
    if unknown := sorted(set(asked or ()) - set(known)):
        raise ConfigError(f"{dataset.root} has no split {unknown[0]!r}; it has {', '.join(known)}")
    return tuple(name for name in known if not asked or name in asked)


def _apply(dataset: "BenchmarkDataset", source: Path, out: Path, *, overwrite: bool, as_json: bool) -> None:
    from rise_bench.cli.tables import print_json
    from rise_bench.curation.audit.apply import apply_decisions
    from rise_bench.curation.audit.label_studio import read_export
    from rise_bench.curation.decisions import read_decisions
    from rise_bench.data.manifest import CORRECTIONS_NAME

    if not source.is_file():
        raise ConfigError(f"{source} does not exist; name the decisions.csv that `rise-bench review` wrote")
    decisions = read_export(source, dataset) if source.suffix == ".json" else read_decisions(source)
    with step_bars() as progress:
        manifest = apply_decisions(
            dataset,
            decisions,
            source,
            out,
            overwrite=overwrite,
            progress=lambda done, total: progress("write the corrected dataset", done, total),
        )
    count = int(manifest.options["corrected_labels"])
    if as_json:
        print_json({"out": str(out), "corrected": count, "dataset_sha256": manifest.content_sha256})
        return
    labels = "label" if count == 1 else "labels"
    typer.echo(f"{out}: {count} {labels} corrected, with what was there before in {out / CORRECTIONS_NAME}")
    typer.echo(f"next: rise-bench check {out}")


def _print(out: Path, audited: "Audited", summary: dict[str, Any], *, as_json: bool) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    from rise_bench.cli.tables import print_json
    from rise_bench.curation.audit.measure import FIGURES

    if as_json:
        print_json({"out": str(out), **summary})
        return
    if audited.measured:
        table = Table(Column("score", no_wrap=True), "labels", *FIGURES.values())
        for name, of in audited.measured.items():
            figures = (f"{f.value:.3f} ({f.low:.2f} to {f.high:.2f})" for f in of.figures.values())
            table.add_row(name, f"{of.rows} ({of.wrong} wrong)", *figures)
        Console().print(table)
    typer.echo(f"{out / 'audit.html'}: {summary['rows']} labels, the most suspicious first")
    if asked := summary["scored"].get("answer_similarity"):
        typer.echo(f"the model disagrees with {summary['disagrees']} of {asked}")
    if summary["refused"]:
        typer.echo(f"{summary['refused']} labels were refused by the model; the same command asks again")
    if summary["scored"].get("answer_similarity") and not summary["out_of_fold"]:
        typer.echo(
            "note: the answers are not known to be out of fold; a model repeats labels it was trained on"
        )
    if "cleanlab" not in summary["scored"] and "answer_similarity" in summary["scored"]:
        typer.echo('note: without cleanlab\'s score; pip install "rise-bench[audit]" adds it')
    typer.echo(f"next: rise-bench review {out}")
