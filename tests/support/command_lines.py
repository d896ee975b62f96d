"""Command lines of documents and messages: whether the commands, options and choices that they name exist."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from enum import EnumMeta
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import typer.main
from typer.core import TyperGroup

from rise_bench.cli import app

ROOT = Path(__file__).parents[2]

#: Words after "rise-bench" in sentences about the project.
PROSE = frozenset(
    ["and", "base", "below", "commands", "dataset", "has", "is", "raises", "reads", "still", "task", "that"]
)

#: Other programs that lines of shell blocks may start with.
PROGRAMS = frozenset(
    [
        "accelerate",
        "bash",
        "cd",
        "cvat-cli",
        "git",
        "hf",
        "lmms-eval",
        "make",
        "pip",
        "pre-commit",
        "python",
        "sbatch",
        "srun",
        "torchrun",
        "uv",
        "vllm",
        ".venv/bin/pre-commit",
        ".ci/run",
    ]
)

_MENTION = re.compile(r"(?<![\w/.-])rise-bench ([a-z][\w-]*[^`\n]*)")
_END = re.compile(r"  |\s#|[\"'<(]|[,;:.)]\s|[.,:;)]+$")
_OPTION = re.compile(r"(?<!\S)--[a-z][\w-]*")
_ASSIGNMENT = re.compile(r"[A-Z_]+=.*")
_PLACEHOLDER = re.compile(r"[A-Z{$<…].*")
_EXTRAS = re.compile(r"(?:rise-bench|(?<=[\s\"'])\.)\[([\w,-]+)\]")

_COMMANDS = typer.main.get_command(app)
_EXTRA_NAMES = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"].keys()


class UnknownCommandError(AssertionError):
    """A command line that the command would refuse."""


def _find(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that words start with, and the words after its name."""
    command, rest = _COMMANDS, list(words)
    while isinstance(command, TyperGroup) and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        if _PLACEHOLDER.match(name):
            break
        if name not in command.commands:
            raise UnknownCommandError(f"there is no {name!r}: rise-bench {' '.join(words)}")
        command = command.commands[name]
    return command, rest


def mentions(text: str) -> Iterator[str]:
    """Yield what follows "rise-bench" in a text, sentences about the project excepted."""
    for rest in _MENTION.findall(text):
        if rest.split()[0].strip(".,:;)") not in PROSE:
            yield _END.split(rest, maxsplit=1)[0]


def check_mention(rest: str) -> None:
    """Check that the command and options of a mention exist; arguments and required options may be missing.

    Raises:
        UnknownCommandError: They do not.
    """
    command, words = _find(rest.split())
    commands = command.commands.values() if isinstance(command, TyperGroup) else [command]
    options = [option for each in commands for option in each.params]
    known = {name for option in options for name in (*option.opts, *option.secondary_opts)}
    unknown = set(_OPTION.findall(" ".join(words))) - known - {"--help"}
    if unknown and not command.context_settings.get("ignore_unknown_options"):
        raise UnknownCommandError(f"there is no {', '.join(sorted(unknown))}: rise-bench {rest}")


def check_line(line: str) -> None:
    """Check a line of a shell block: the program is known, and a `rise-bench` line parses as a whole.

    Raises:
        UnknownCommandError: It does not.
    """
    words = shlex.split(line.replace("[--", "--").replace("]", ""), comments=True)
    if ">" in words:
        words = words[: words.index(">")]
    while words and _ASSIGNMENT.fullmatch(words[0]):
        words.pop(0)
    if not words:
        return
    program, *rest = words
    if program == "rise-bench":
        _parse(rest)
    elif program not in PROGRAMS:
        raise UnknownCommandError(
            f"tests/support/command_lines.py does not know the program {program!r}: {line}"
        )
    elif program == "python" and rest[0].endswith(".py") and not (ROOT / rest[0]).is_file():
        raise UnknownCommandError(f"there is no {rest[0]}: {line}")
    check_extras(line)


def check_extras(text: str) -> None:
    """Check that the extras of `rise-bench[...]` exist.

    Raises:
        UnknownCommandError: They do not.
    """
    for names in _EXTRAS.findall(text):
        if unknown := {name for name in names.split(",") if not _PLACEHOLDER.match(name)} - _EXTRA_NAMES:
            raise UnknownCommandError(f"there is no extra {', '.join(sorted(unknown))}: {text}")


def _parse(words: list[str]) -> None:
    """Parse words by the parser of their command, without looking at files."""
    command, rest = _find(words)
    if "--help" in rest or rest == ["--version"]:
        return
    context = typer.Context(command, **command.context_settings)
    line = f"rise-bench {' '.join(words)}"
    try:
        given, left, _ = command.make_parser(context).parse_args(args=rest)
    except Exception as error:
        raise UnknownCommandError(f"{error}: {line}") from error
    if left and not context.allow_extra_args:
        raise UnknownCommandError(f"{left} is too much: {line}")
    hints = get_type_hints(command.callback)
    for param in command.params:
        values = given.get(param.name)
        if param.required and not isinstance(values, str | list | tuple | bool):
            raise UnknownCommandError(f"{param.name} is missing: {line}")
        choices = _choices(hints.get(param.name))
        for value in values if isinstance(values, list | tuple) else [values]:
            if choices and isinstance(value, str) and value not in choices and not _PLACEHOLDER.match(value):
                raise UnknownCommandError(f"{param.name} is one of {', '.join(choices)}: {line}")


def _choices(hint: Any) -> list[str]:
    """Return the values that a type allows, if it lists them."""
    if isinstance(hint, EnumMeta):
        return [str(member.value) for member in hint]
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    return [choice for part in get_args(hint) for choice in _choices(part)]
