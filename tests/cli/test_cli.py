"""The command as a person meets it: quick help, one version, errors that can be read and acted on."""

import subprocess
import sys

import pytest

from rise_bench import __version__


def _rise_bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rise_bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_version() -> None:
    assert _rise_bench("--version").stdout == f"rise-bench {__version__}\n"


def test_help_loads_nothing_heavy() -> None:
    """`--help` imports every command file, so one heavy import at the top of any of them shows here."""
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom rise_bench.cli import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\nprint(*sorted(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numpy", "scipy", "pyarrow", "datasets", "huggingface_hub", "pydantic", "PIL", "torch"}
    assert not heavy & set(run.stdout.split())


def test_error_is_one_message_with_exit_code_1() -> None:
    done = _rise_bench("train", "sft", "--recipe", "nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: no recipe 'nowhere'")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("odd", ["[bold red]x", "[/]", "[120, 300]", "a [link=file:///etc]b"])
def test_error_shows_brackets_as_they_are(odd: str) -> None:
    """A message quotes paths and model output; as markup, brackets would vanish or crash the printer."""
    assert odd in _rise_bench("train", "sft", "--recipe", odd).stderr
