"""`rise-bench doctor`: what this machine can run, and how to fix what it cannot."""

from typing import TYPE_CHECKING

import typer

from rise_bench.cli import app
from rise_bench.cli.choices import AsJson

if TYPE_CHECKING:
    from rise_bench.doctor.line import Line

_MARKS = {"ok": ("ok", "green"), "missing": ("--", "yellow"), "problem": ("!!", "bold red")}


@app.command()
def doctor(
    as_json: AsJson = False,
) -> None:
    """Say what this machine can run, and how to fix what it cannot; exits with 1 if something is broken.

    `--` marks what is optional and not there, `!!` what is there and will not work as it is.
    """
    from rise_bench import __version__
    from rise_bench.cli.tables import print_json
    from rise_bench.doctor.examine import examine

    lines = examine()
    broken = any(line.state == "problem" for line in lines)
    if as_json:
        listed = [line.to_json() for line in lines]
        print_json({"rise_bench": __version__, "ok": not broken, "lines": listed})
    else:
        typer.echo(f"rise-bench {__version__}")
        _print(lines)
    if broken:
        raise typer.Exit(1)


def _print(lines: "list[Line]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    for width in (2, 16, None):
        table.add_column(width=width, overflow="fold")
    area = ""
    for line in lines:
        if line.area != area:
            area = line.area
            table.add_row("", Text(area, style="bold"), "")
        mark, style = _MARKS[line.state]
        shown = Text(line.value)
        if line.fix:
            shown.append(f"\n-> {line.fix}", style="dim" if line.state != "problem" else "bold")
        table.add_row(Text(mark, style=style), line.name, shown)
    Console(markup=False, highlight=False).print(table)
