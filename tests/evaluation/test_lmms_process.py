"""What is passed on of lmms-eval's output, and that it never outlives its starter."""

import os
import signal
import subprocess
import sys
import time

import pytest

from rise_bench.evaluation.confined import Confinement
from rise_bench.evaluation.lmms_process import run_lmms_eval

from ..support.commands import is_running

TRACEBACK = (
    "Traceback (most recent call last):\n  File x\nrise_bench.errors.DataError: no dataset 'emotion6'\n"
    "The above exception was the direct cause\nImportError: Failed to import function 'files'\n"
    "\x1b[31m2026 | ERROR | Error during evaluation: Failed\x1b[0m. Please set `--verbosity=DEBUG`"
)


@pytest.fixture
def run(stand_in, tmp_path):
    def run(text, code=0, **settings):
        stand_in.plan(text, code=code)
        flags = ["--output_path", str(tmp_path)]
        return run_lmms_eval(flags, tmp_path / "log", environment={"RISE_BENCH_STYLE": "x"}, **settings)

    return run


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("all is well", ""),
        ("x | Error during evaluation: boom. Please set `--verbosity=DEBUG`", "boom"),
        ("RuntimeError: CUDA out of memory", "RuntimeError: CUDA out of memory"),
        ("ValueError: boom\n\ntenacity.RetryError: RetryError[<Future>]", "ValueError: boom"),
        ("tenacity.RetryError: RetryError[<Future>]", "tenacity.RetryError: RetryError[<Future>]"),
        ("lmms-eval: error: unrecognized arguments: --modle x", "unrecognized arguments: --modle x"),
        (
            "2026 | WARNING | x - Could not save results aggregated\n"
            "2026 | INFO | x - OSError(28, 'No space left on device')",
            "OSError(28, 'No space left on device')",
        ),
        (
            "RuntimeError: Found no NVIDIA driver on your system",
            "RuntimeError: Found no NVIDIA driver on your system. "
            "Without a GPU add device=cpu,device_map=cpu to --model_args",
        ),
        (TRACEBACK, "rise_bench.errors.DataError: no dataset 'emotion6'"),
    ],
)
def test_the_reason_is_found_in_the_output_which_goes_to_the_log(
    run, stand_in, tmp_path, capfd, text, reason
):
    ended = run(text, code=3)
    assert (ended.code, ended.reason) == (3, reason)
    assert stand_in.seen["environment"]["RISE_BENCH_STYLE"] == "x"
    out, err = capfd.readouterr()
    assert out == ""  # standard output is for our result alone
    assert err == "Model Responding:  50%|     |\nModel Responding: 100%|=====|\n"
    log = (tmp_path / "log").read_text()
    assert text.splitlines()[0] in log
    assert "50%" not in log and "\x1b" not in log


def test_everything_is_shown_if_asked_for(run, capfd):
    run("a\nb", everything=True)
    assert "a\nb\n" in capfd.readouterr().err


def test_secrets_and_control_of_the_terminal_stay_out(run, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("HF_TOKEN", "hf_0123456789abcdefghij")
    ended = run("ValueError: token hf_0123456789abcdefghij \x1b]0;x\x07 was refused", everything=True)
    for text in (ended.reason, (tmp_path / "log").read_text(), capfd.readouterr().err):
        assert "refused" in text
        assert "hf_0123456789" not in text and "\x1b" not in text and "\x07" not in text


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_its_starter_however_that_ends(stand_in, tmp_path, how):
    stand_in.plan(sleeps=60)
    code = "import sys, pathlib; from rise_bench.evaluation.lmms_process import run_lmms_eval\n"
    code += f"run_lmms_eval(['--output_path', 'x'], pathlib.Path({str(tmp_path / 'log')!r}))"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as starter:
        _wait(lambda: stand_in.started)
        starter.send_signal(how)
        starter.wait(30)
    _wait(lambda: not is_running(stand_in.seen["pid"]))


@pytest.fixture
def light(tmp_path, monkeypatch):
    """A transformers that is empty: importing the real one takes seconds, as test_confined.py does."""
    package = tmp_path / "light" / "transformers"
    package.mkdir(parents=True)
    for name in ("__init__.py", "dynamic_module_utils.py"):
        (package / name).touch()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((os.environ["PYTHONPATH"], str(package.parent))))


def test_a_confined_run_has_an_environment_of_its_own(stand_in, light, run, tmp_path, monkeypatch):
    monkeypatch.setenv("RISE_BENCH_BOX_UNIT", "norm1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    ended = run("all is well", confinement=Confinement(tmp_path / "confined", 300, 2**30))
    assert (ended.code, ended.reason) == (0, "")
    seen = stand_in.seen["environment"]
    assert (seen["HF_HUB_OFFLINE"], seen["RISE_BENCH_STYLE"]) == ("1", "x")
    assert seen["RISE_BENCH_BOX_UNIT"] == "norm1"


def test_a_confined_run_that_lacks_memory_says_how_much_it_had(stand_in, light, run, tmp_path):
    ended = run("MemoryError", confinement=Confinement(tmp_path / "confined", 300, 2**30))
    assert ended.reason == "MemoryError, at its limit of 1.0 GiB of memory; raise it if the model needs more"
    assert run("MemoryError").reason == "MemoryError"


def test_a_confined_run_that_does_not_end_is_ended(stand_in, light, tmp_path):
    stand_in.plan(sleeps=300)
    started = time.monotonic()
    confinement = Confinement(tmp_path / "confined", 4, 2**30)
    ended = run_lmms_eval(["--output_path", str(tmp_path)], tmp_path / "log", confinement=confinement)
    assert ended.code == -signal.SIGKILL
    assert ended.reason == "stopped after 4 s, its limit of time; raise it if the model is slow"
    assert time.monotonic() - started < 60


def _wait(until) -> None:
    deadline = time.monotonic() + 60
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.02)
