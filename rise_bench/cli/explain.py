"""`rise-bench explain`: explain the score of a response."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rise_bench.cli import app
from rise_bench.cli.choices import AsJson, AskedStyleChoice, BoxUnitChoice
from rise_bench.errors import ConfigError

if TYPE_CHECKING:
    from rise_bench.annotations.base import Gold
    from rise_bench.data.dataset import BenchmarkDataset
    from rise_bench.scoring.explain import Explanation


@app.command()
def explain(
    data: Annotated[Path, typer.Option(help="Dataset folder, or the name of a built one.")],
    sample_id: Annotated[str, typer.Option("--id", help="Id of the sample.")],
    samples: Annotated[Path | None, typer.Option(help="Samples file with the response.")] = None,
    file: Annotated[Path | None, typer.Option(help="File with the response; - for standard input.")] = None,
    text: Annotated[str | None, typer.Option(help="Text of the response.")] = None,
    cot_file: Annotated[
        Path | None,
        typer.Option(help="Chain of thought from which the response reconstructs the annotation (eq. 1)."),
    ] = None,
    box_unit: BoxUnitChoice = None,
    style: AskedStyleChoice = None,
    as_json: AsJson = False,
) -> None:
    """Explain a score: what was read, what leaks, what matched, and the reward.

    Give the response by one of --samples, --file and --text.
    """
    from rise_bench.annotations.answer_format import DEFAULT_FORMAT, AnswerFormat
    from rise_bench.cli.tables import print_json
    from rise_bench.evaluation.responses import read_responses, require_dataset
    from rise_bench.hub.find import find_benchmark
    from rise_bench.prompts.asked_format import max_pixels
    from rise_bench.scoring.explain import explain_response

    if sum(source is not None for source in (samples, file, text)) != 1:
        raise ConfigError("give the response by exactly one of --samples, --file and --text")
    dataset = find_benchmark(data, images=False)
    gold = _gold(dataset, sample_id)
    answer_format = AnswerFormat(style or DEFAULT_FORMAT.style, box_unit or DEFAULT_FORMAT.unit, max_pixels())
    if samples is not None:
        responses = read_responses(samples, box_unit=box_unit, style=style)
        require_dataset(responses, dataset.sha256)
        answer_format = responses.answer_format
        text = responses.texts.get(sample_id)
        if text is None:
            why = responses.failed.get(sample_id, "there is no line for it")
            raise ConfigError(f"{samples} has no response to {sample_id!r}: {why}")
    elif file is not None:
        text = _read(file)
    explanation = explain_response(
        gold,
        text or "",
        cot=None if cot_file is None else _read(cot_file),
        answer_format=answer_format,
    )
    if as_json:
        print_json(explanation.to_json())
    else:
        _print(explanation)


def _gold(dataset: "BenchmarkDataset", sample_id: str) -> "Gold":
    golds = (gold for split in dataset.manifest.counts for gold in dataset.golds(split))
    gold = next((gold for gold in golds if gold.id == sample_id), None)
    if gold is None:
        example = next(gold.id for split in dataset.manifest.counts for gold in dataset.golds(split))
        raise ConfigError(f"{dataset.root} has no sample {sample_id!r}; ids look like {example!r}")
    return gold


def _read(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}; give a UTF-8 text file") from error


def _print(explanation: "Explanation") -> None:
    console = Console(highlight=False, markup=False, soft_wrap=True)
    body = Text(_visible(explanation.cot))
    for leak in explanation.leaks:
        body.stylize("bold red reverse", leak.start, leak.end)
    console.print(Text("chain of thought (leaks marked)", style="bold"))
    console.print(body if explanation.cot else Text("none", style="dim"))
    for leak in explanation.leaks:
        console.print(f"  leak {leak.start}-{leak.end} {leak.reason}: {leak.text!r}")
    console.print(Text("answer as it was read", style="bold"))
    console.print(_visible(explanation.score.reading.answer) or "none")
    _print_annotations(explanation, console)
    _print_verdict(explanation, console)


def _visible(text: str) -> str:
    """Replace escape characters of untrusted text by visible ones; positions stay the same."""
    return text.replace("\x1b", "␛").replace("\x9b", "␛")


def _print_annotations(explanation: "Explanation", console: Console) -> None:
    from rise_bench.annotations.kinds import kind_of

    gold, stated = explanation.gold.annotation, explanation.verdict.stated
    if stated is None:
        console.print(f"unreadable: {explanation.score.reading.reason}")
        return
    kind = kind_of(gold)
    if kind.in_frame:
        size = f"{explanation.gold.width_px} x {explanation.gold.height_px}"
        unit = f"{explanation.frame.width:g} x {explanation.frame.height:g}"
        console.print(f"{kind.describe(())} of {size}; the model states them in {unit}")
    headings, rows = kind.compare(gold, stated)
    table = Table(*headings)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _print_verdict(explanation: "Explanation", console: Console) -> None:
    verdict, score = explanation.verdict, explanation.score
    table = Table(show_header=False)
    table.add_row("parse", explanation.score.reading.reason)
    table.add_row("format", "ok" if verdict.format_ok else f"wrong, no reward: {explanation.format_problem}")
    if explanation.equation == 1:
        leak = "yes: no reward" if verdict.leak_numbers else "none"
        table.add_row("leak (paper's rule)", leak)
        table.add_row("leak (strict rule)", "yes" if verdict.leak_strict else "none")
    table.add_row("similarity S", f"{verdict.similarity:.6f}")
    for name, value in score.values.items():
        table.add_row(name, f"{value:.6f}")
    name = "R (eq. 1)" if explanation.equation == 1 else "R_R1 (eq. 9)"
    table.add_row(name, f"{verdict.reward:.6f}", style="bold")
    console.print(table)
