"""The command as a person meets it: quick help, one version, errors that can be read and acted on."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from rise_bench import __version__
from rise_bench.cli import app


def _rise_bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rise_bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_version() -> None:
    assert _rise_bench("--version").stdout == f"rise-bench {__version__}\n"


def test_shells_complete_commands() -> None:
    asked = {"_RISE_BENCH_COMPLETE": "complete_bash", "COMP_WORDS": "rise-bench doc", "COMP_CWORD": "1"}
    command = [
        sys.executable,
        "-c",
        "import sys; sys.argv[0] = 'rise-bench'; from rise_bench.cli import main; main()",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | asked)
    assert done.stdout.split() == ["doctor"], done.stderr
    assert "--install-completion" in _rise_bench("--help").stdout


def _commands(command: Any) -> Iterator[Any]:
    yield command
    for child in getattr(command, "commands", {}).values():
        yield from _commands(child)


def test_help_names_no_file_that_an_installation_lacks() -> None:
    texts = [
        f"{command.name}: {text}"
        for command in _commands(typer.main.get_command(app))
        for text in (command.help, *(getattr(param, "help", "") for param in command.params))
    ]
    assert len(texts) > 200
    assert [text for text in texts if "docs/" in text] == []


@pytest.mark.parametrize("name", ["collect", "verify", "annotate"])
def test_help_of_commands_that_ask_says_where_the_unit_of_boxes_comes_from(name: str) -> None:
    """No file says it there, as one does for `score`."""
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    (option,) = (param for param in command.params if param.name == "box_unit")
    assert "family" in option.help and "file" not in option.help


def test_help_loads_nothing_heavy() -> None:
    """Neither an import of a command file nor an option of a group, for which typer may load pydantic."""
    code = """
import sys
import typer.main
from typer.testing import CliRunner
from rise_bench.cli import app

def show(command, *path):
    assert CliRunner().invoke(app, [*path, "--help"]).exit_code == 0
    print(*path, "--help:", *sorted(sys.modules))
    children = getattr(command, "commands", {})
    groups = {name for name, child in children.items() if hasattr(child, "commands")}
    for name in sorted(groups) + sorted(children.keys() - groups)[:1]:
        show(children[name], *path, name)

show(typer.main.get_command(app))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {
        "numpy",
        "scipy",
        "pyarrow",
        "datasets",
        "huggingface_hub",
        "pydantic",
        "packaging",
        "PIL",
        "torch",
    }
    loaded = {name: heavy & set(modules.split()) for name, modules in _pairs(run.stdout)}
    assert loaded.keys() > {"--help", "build --help", "leaderboard --help"}
    assert not any(loaded.values()), loaded


def _pairs(text: str) -> list[list[str]]:
    return [line.split(":", 1) for line in text.splitlines()]


def test_error_is_one_message_with_exit_code_1() -> None:
    done = _rise_bench("train", "sft", "--recipe", "nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: no recipe 'nowhere'")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("odd", ["[bold red]x", "[/]", "[120, 300]", "a [link=file:///etc]b"])
def test_error_shows_brackets_as_they_are(odd: str) -> None:
    """A message quotes paths and model output; as markup, brackets would vanish or crash the printer."""
    assert odd in _rise_bench("train", "sft", "--recipe", odd).stderr
