"""The `rise-bench` command.

Each command lives in its own file of this package, which stays light: anything heavier than typer and rich
is imported inside the command, so that `rise-bench --help` is instant.
"""

import importlib
import sys

import typer

from rise_bench.errors import RiseError

app = typer.Typer(
    name="rise-bench",
    help="Build, check, score, train and publish RISE benchmarks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

#: Files of this package; each adds its commands to `app` when imported. Order is the order of `--help`.
COMMAND_FILES: tuple[str, ...] = ()

for _name in COMMAND_FILES:
    importlib.import_module(f"rise_bench.cli.{_name}")


def main() -> None:
    """Run the CLI; a `RiseError` is printed as a readable message, not a traceback, and exits with 1."""
    try:
        app()
    except RiseError as error:
        from rich.console import Console

        Console(stderr=True).print(f"[bold red]error:[/] {error}", markup=True, highlight=False)
        sys.exit(1)
