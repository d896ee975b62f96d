"""The command as a person meets it: quick help, one version, errors that can be read and acted on."""

import os
import subprocess
import sys

import pytest

from rise_bench import __version__


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
