"""The `rise-bench` command.

Each command lives in its own file of this package, which stays light: anything heavier than typer and rich
is imported inside the command, so that `rise-bench --help` is instant (tested).
"""

import errno
import importlib
import logging
import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from rise_bench import __version__
from rise_bench.errors import RiseError, of_os_error
from rise_bench.errors.redaction import safe_text


class Commands(TyperGroup):
    """Group of commands whose help is quick."""

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]
        """Give flags the default False; typer loads pydantic, which is slow, for the default None."""
        params: list[Any] = super().get_params(ctx)
        for flag in (param for param in params if getattr(param, "is_flag", False) and param.default is None):
            flag.default = False
        return params


#: Names of version 0.1.0, which still work.
_FORMER_NAMES = {"floors": "baselines"}


class _AllCommands(Commands):
    """All commands; what the system refuses (a full disk, an unreadable file) becomes a `RiseError`."""

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        """Return a command by its name, or by one of before."""
        return super().get_command(ctx, _FORMER_NAMES.get(cmd_name, cmd_name))

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run the command."""
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            raise of_os_error(error) from error


app = typer.Typer(name="rise-bench", cls=_AllCommands, no_args_is_help=True, pretty_exceptions_enable=False)

#: Files of this package; each adds its commands to `app` when imported. Order is the order of `--help`.
COMMAND_FILES: tuple[str, ...] = (
    *("init", "run"),
    "doctor",
    *("demo", "study", "build", "check", "eval", "score", "baselines", "explain"),
    *("train", "collect", "verify", "drawn_cots", "report"),
    *("annotate", "audit", "review"),
    *("publish", "rehydrate", "export", "publish_model"),
    *("submit", "leaderboard", "board_setup"),
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"rise-bench {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop."),
    ] = False,
) -> None:
    """Build, check, score, train and publish RISE benchmarks."""


for _name in COMMAND_FILES:
    importlib.import_module(f"rise_bench.cli.{_name}")


def main() -> None:
    """Run the CLI; a `RiseError` becomes one readable message, without a traceback, and exit code 1."""
    logging.setLogRecordFactory(_safe_record)
    try:
        app()
    except RiseError as error:
        from rich.console import Console
        from rich.text import Text

        # A Text, not markup: the message may quote model output or a path that holds brackets.
        message = Text.assemble(("error: ", "bold red"), str(error))
        Console(stderr=True).print(message, highlight=False, soft_wrap=True)
        sys.exit(1)
    except Exception:
        typer.echo(safe_text(traceback.format_exc()), err=True, nl=False)
        sys.exit(1)


def _safe_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    """A log record whose text and traceback are safe to show, whichever library writes it."""
    record = logging.LogRecord(*args, **kwargs)
    record.msg, record.args = safe_text(record.getMessage()), None
    if record.exc_info and record.exc_info[0]:
        record.exc_text = safe_text("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))
    return record
